import { readSync } from 'node:fs';
import { invalid } from '#base/errors.ts';

/** What bzip2 files are made of; there is no decoder for them in Node, and none for streams with a bound on memory from npm. */
const BLOCK = [0x314159, 0x265359] as const;
const END = [0x177245, 0x385090] as const;
const GROUP = 50;
const MAX_LENGTH = 20;
const CHUNK = 1 << 16;

export const isBzip2 = (head: Buffer): boolean => /^BZh[1-9]$/.test(head.toString('latin1', 0, 4));

const damaged = (why: string): Error => invalid(`the archive is damaged: it cannot be decompressed (bzip2: ${why})`);

/** Decompresses a file from its beginning, a chunk at a time; several streams read as one. Throws invalid_argument for what is damaged. */
export function* bunzip2(fd: number): Generator<Buffer> {
  const bits = new Bits(fd);
  do {
    const magic = bits.read(24);
    const level = bits.read(8) - 0x30;
    if (magic !== 0x425a68 || level < 1 || level > 9) throw damaged('no header');
    for (;;) {
      const [high, low] = [bits.read(24), bits.read(24)];
      if (high === END[0] && low === END[1]) break;
      if (high !== BLOCK[0] || low !== BLOCK[1]) throw damaged('no block where one should be');
      yield* blockBytes(bits, level * 100_000);
    }
    // The checksum over all blocks says nothing that those of the blocks did not.
    bits.read(24);
    bits.read(8);
    bits.align();
  } while (bits.more());
}

/** Bits of a file, highest first. */
class Bits {
  readonly #fd: number;
  readonly #buffer = Buffer.alloc(CHUNK);
  #offset = 0;
  #at = 0;
  #length = 0;
  #value = 0;
  #count = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  /** At most 24 bits. */
  read(count: number): number {
    while (this.#count < count) {
      if (this.#at >= this.#length && !this.more()) throw damaged('it ends too early');
      this.#value = ((this.#value << 8) | (this.#buffer[this.#at++] ?? 0)) & 0xffffffff;
      this.#count += 8;
    }
    this.#count -= count;
    return (this.#value >>> this.#count) & ((1 << count) - 1);
  }

  align(): void {
    this.#count -= this.#count % 8;
  }

  more(): boolean {
    if (this.#at < this.#length) return true;
    this.#length = readSync(this.#fd, this.#buffer, 0, CHUNK, this.#offset);
    this.#offset += this.#length;
    this.#at = 0;
    return this.#length > 0;
  }
}

/** A Huffman code: symbols by length, and the largest code of each length. */
interface Code {
  readonly limits: Int32Array;
  readonly bases: Int32Array;
  readonly symbols: Uint16Array;
  readonly shortest: number;
}

function* blockBytes(bits: Bits, most: number): Generator<Buffer> {
  const checksum = ((bits.read(16) << 16) | bits.read(16)) >>> 0;
  if (bits.read(1) === 1) throw damaged('a randomized block');
  const origin = bits.read(24);
  const sorted = readSorted(bits, most);
  if (origin >= sorted.length) throw damaged('a block begins outside itself');
  yield* unrolled(inverted(sorted, origin), checksum);
}

/** The block's bytes in sorted order: symbols, Huffman codes, runs and move-to-front undone. */
function readSorted(bits: Bits, most: number): Uint8Array {
  const front = readAlphabet(bits);
  const groups = bits.read(3);
  const selectors = readSelectors(bits, groups);
  const codes = Array.from({ length: groups }, () => readCode(bits, front.length + 2));
  const end = front.length + 1;
  const out = new Uint8Array(most);
  let size = 0;
  let run = 0;
  let weight = 1;
  for (let index = 0; ; index++) {
    const code = codes[selectors[Math.floor(index / GROUP)] ?? -1];
    if (code === undefined) throw damaged('too few selectors');
    const symbol = readSymbol(bits, code);
    if (symbol <= 1) {
      run += weight << symbol;
      weight <<= 1;
      if (run > most) throw damaged('a run that is too long');
      continue;
    }
    if (run > 0) {
      if (size + run > most) throw damaged('a block that is too long');
      out.fill(front[0] ?? 0, size, size + run);
      size += run;
      [run, weight] = [0, 1];
    }
    if (symbol === end) return out.subarray(0, size);
    const [byte = 0] = front.splice(symbol - 1, 1);
    front.unshift(byte);
    if (size >= most) throw damaged('a block that is too long');
    out[size++] = byte;
  }
}

function readAlphabet(bits: Bits): number[] {
  const rows = bits.read(16);
  const found: number[] = [];
  for (let row = 0; row < 16; row++) {
    if ((rows & (0x8000 >> row)) === 0) continue;
    const columns = bits.read(16);
    for (let column = 0; column < 16; column++) if ((columns & (0x8000 >> column)) !== 0) found.push(row * 16 + column);
  }
  if (found.length === 0) throw damaged('a block without symbols');
  return found;
}

function readSelectors(bits: Bits, groups: number): number[] {
  const count = bits.read(15);
  if (groups < 2 || groups > 6 || count === 0) throw damaged('no codes');
  const order = Array.from({ length: groups }, (_, index) => index);
  return Array.from({ length: count }, () => {
    let index = 0;
    while (bits.read(1) === 1) if (++index >= groups) throw damaged('a selector of no code');
    const [group = 0] = order.splice(index, 1);
    order.unshift(group);
    return group;
  });
}

function readCode(bits: Bits, size: number): Code {
  const lengths: number[] = [];
  let length = bits.read(5);
  for (let symbol = 0; symbol < size; symbol++) {
    for (;;) {
      if (length < 1 || length > MAX_LENGTH) throw damaged('a code that is too long');
      if (bits.read(1) === 0) break;
      length += bits.read(1) === 0 ? 1 : -1;
    }
    lengths.push(length);
  }
  const limits = new Int32Array(MAX_LENGTH + 2).fill(-1);
  const bases = new Int32Array(MAX_LENGTH + 2);
  const symbols = new Uint16Array(size);
  let [code, filled] = [0, 0];
  for (let bitsOf = 1; bitsOf <= MAX_LENGTH; bitsOf++) {
    bases[bitsOf] = filled - code;
    for (const [symbol, own] of lengths.entries()) {
      if (own !== bitsOf) continue;
      symbols[filled++] = symbol;
      limits[bitsOf] = code++;
    }
    code <<= 1;
  }
  return { limits, bases, symbols, shortest: Math.min(...lengths) };
}

function readSymbol(bits: Bits, { limits, bases, symbols, shortest }: Code): number {
  let code = bits.read(shortest);
  for (let length = shortest; length <= MAX_LENGTH; length++) {
    const limit = limits[length] ?? -1;
    if (limit >= 0 && code <= limit) {
      const symbol = symbols[code + (bases[length] ?? 0)];
      if (symbol !== undefined) return symbol;
    }
    code = (code << 1) | bits.read(1);
  }
  throw damaged('a code that stands for nothing');
}

/** Undoes the Burrows-Wheeler transform. */
function inverted(sorted: Uint8Array, origin: number): Uint8Array {
  const starts = new Uint32Array(257);
  for (const byte of sorted) starts[byte + 1] = (starts[byte + 1] ?? 0) + 1;
  for (let byte = 0; byte < 256; byte++) starts[byte + 1] = (starts[byte + 1] ?? 0) + (starts[byte] ?? 0);
  const next = new Uint32Array(sorted.length);
  for (let index = 0; index < sorted.length; index++) {
    const byte = sorted[index] ?? 0;
    const place = starts[byte] ?? 0;
    starts[byte] = place + 1;
    next[place] = index;
  }
  const out = new Uint8Array(sorted.length);
  let at = next[origin] ?? 0;
  for (let index = 0; index < out.length; index++) {
    out[index] = sorted[at] ?? 0;
    at = next[at] ?? 0;
  }
  return out;
}

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte << 24;
  for (let bit = 0; bit < 8; bit++) value = value < 0 ? (value << 1) ^ 0x04c11db7 : value << 1;
  return value >>> 0;
});

/** Undoes the runs: four equal bytes are followed by how many more there are. Checks the block's sum. */
function* unrolled(bytes: Uint8Array, checksum: number): Generator<Buffer> {
  let chunk = Buffer.allocUnsafe(CHUNK);
  let [filled, sum, last, equal] = [0, 0xffffffff, -1, 0];
  for (const byte of bytes) {
    let times = 1;
    let value = byte;
    if (equal === 4) [times, value, equal] = [byte, last, 0];
    else {
      equal = byte === last ? equal + 1 : 1;
      last = byte;
    }
    for (; times > 0; times--) {
      sum = ((sum << 8) ^ (table[((sum >>> 24) ^ value) & 0xff] ?? 0)) >>> 0;
      chunk[filled++] = value;
      if (filled < CHUNK) continue;
      yield chunk;
      chunk = Buffer.allocUnsafe(CHUNK);
      filled = 0;
    }
    if (equal === 0) last = -1;
  }
  if ((~sum >>> 0) !== checksum) throw damaged('a wrong checksum');
  if (filled > 0) yield chunk.subarray(0, filled);
}
