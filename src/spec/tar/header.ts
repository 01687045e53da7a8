import { invalid } from '#base/errors.ts';

/** Bytes kept one per character (latin1): file names need not be UTF-8. For ASCII it is the text itself. */
export type ByteString = string;

export const toBytes = (text: ByteString): Buffer => Buffer.from(text, 'latin1');
/** For people: the bytes as UTF-8. */
export const toText = (bytes: ByteString): string => Buffer.from(bytes, 'latin1').toString('utf8');
export const fromText = (text: string): ByteString => Buffer.from(text, 'utf8').toString('latin1');

export type TarType = 'file' | 'link' | 'symlink' | 'char' | 'block' | 'dir' | 'fifo';

/** One member of an archive, extensions (PAX, GNU) already applied. */
export interface TarEntry {
  name: ByteString;
  type: TarType;
  linkName: ByteString;
  /** Permission bits with setuid, setgid and sticky. */
  mode: number;
  uid: number;
  gid: number;
  /** Bytes of the file as it will be; for sparse files more than the archive carries. */
  size: number;
  mtime: TarTime;
  major: number;
  minor: number;
  xattrs: ReadonlyMap<string, Uint8Array>;
  /** Where the carried bytes go; undefined for ordinary files. */
  sparse: readonly SparseRegion[] | undefined;
}

/** Seconds since the epoch (may be negative) and 0..999999999 nanoseconds after them. */
export interface TarTime {
  seconds: number;
  nanos: number;
}

export interface SparseRegion {
  offset: number;
  length: number;
}

export const BLOCK = 512;

/** A header block's own fields, before extensions. `type` is the raw type flag. */
export interface RawHeader {
  name: ByteString;
  type: string;
  linkName: ByteString;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  seconds: number;
  major: number;
  minor: number;
  gnu: boolean;
}

export function isZeroBlock(block: Buffer): boolean {
  return zeros.equals(block);
}

const zeros = Buffer.alloc(512);

/** Reads a 512-byte header; throws invalid_argument when its checksum is wrong. */
export function parseHeader(block: Buffer): RawHeader {
  let sum = 8 * 32;
  let signed = 8 * 32;
  for (let index = 0; index < BLOCK; index++) {
    if (index === 148) index = 156;
    const byte = block[index] ?? 0;
    sum += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  const digits = /^[ \0]*([0-7]+)[ \0]*$/.exec(block.toString('latin1', 148, 156))?.[1];
  const stored = digits === undefined ? -1 : parseInt(digits, 8);
  if (stored !== sum && stored !== signed) throw invalid('the archive is not a tar: a header has a wrong checksum');
  const magic = block.toString('latin1', 257, 263);
  const ustar = magic === 'ustar\0';
  const prefix = ustar ? text(block, 345, 155) : '';
  const name = text(block, 0, 100);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    type: block.toString('latin1', 156, 157),
    linkName: text(block, 157, 100),
    mode: number(block, 100, 8),
    uid: number(block, 108, 8),
    gid: number(block, 116, 8),
    size: number(block, 124, 12),
    seconds: number(block, 136, 12),
    major: magic.startsWith('ustar') ? number(block, 329, 8) : 0,
    minor: magic.startsWith('ustar') ? number(block, 337, 8) : 0,
    gnu: magic === 'ustar ',
  };
}

function text(block: Buffer, start: number, length: number): ByteString {
  let end = start;
  while (end < start + length && block[end] !== 0) end++;
  return block.toString('latin1', start, end);
}

/** Octal text, or base-256 when the first bit is set (GNU), possibly negative. */
export function number(block: Buffer, start: number, length: number): number {
  const first = block[start] ?? 0;
  if ((first & 0x80) !== 0) return base256(block, start, length);
  let value = 0;
  let digits = false;
  for (let index = start; index < start + length; index++) {
    const byte = block[index] ?? 0;
    if (byte === 0 || byte === 32) {
      if (digits) break;
      continue;
    }
    if (byte < 48 || byte > 55) throw invalid('the archive is damaged: a number in a tar header is not octal');
    value = value * 8 + (byte - 48);
    digits = true;
  }
  return value;
}

function base256(block: Buffer, start: number, length: number): number {
  const negative = ((block[start] ?? 0) & 0x40) !== 0;
  let value = negative ? -1n : 0n;
  for (let index = start; index < start + length; index++) {
    const byte = block[index] ?? 0;
    value = index === start ? (negative ? -1n << 6n : 0n) | BigInt(byte & 0x3f) : (value << 8n) | BigInt(byte);
  }
  const result = Number(value);
  if (!Number.isSafeInteger(result)) throw invalid('the archive is damaged: a number in a tar header is too large');
  return result;
}

/** `1700000000.123456789`, also negative, as PAX writes times. */
export function parsePaxTime(value: string): TarTime {
  const match = /^(-?)(\d{1,15})(?:\.(\d*))?$/.exec(value);
  if (!match) throw invalid(`the archive is damaged: ${JSON.stringify(value.slice(0, 40))} is not a time`);
  const seconds = Number(match[2]);
  const nanos = Number((match[3] ?? '').slice(0, 9).padEnd(9, '0'));
  if (match[1] === '') return { seconds, nanos };
  return nanos === 0 ? { seconds: -seconds, nanos: 0 } : { seconds: -seconds - 1, nanos: 1_000_000_000 - nanos };
}
