import { createHash } from 'node:crypto';
import { readSync, writeSync } from 'node:fs';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import type { Transform } from 'node:stream';
import { invalid } from '#base/errors.ts';
import { sha256Digest, type Digest } from '#spec/digest.ts';

export type Compression = 'none' | 'gzip' | 'zstd';

/** What the bytes that went by add up to. */
export interface Tally {
  digest: Digest;
  size: number;
}

export interface CountedHash {
  add(chunk: Uint8Array): void;
  result(): Tally;
}

export function countedHash(): CountedHash {
  const hash = createHash('sha256');
  let size = 0;
  return {
    add(chunk) {
      hash.update(chunk);
      size += chunk.length;
    },
    result: () => ({ digest: sha256Digest(hash.digest('hex')), size }),
  };
}

/** In the place of a hash over bytes whose digest is known. */
export function knownHash(tally: Tally): CountedHash {
  return { add: () => {}, result: () => tally };
}

/** In the place of a hash that nobody asks for. */
export const unhashed = (): CountedHash => knownHash({ digest: sha256Digest(createHash('sha256').digest('hex')), size: 0 });

const PIECE = 1 << 20;

/** A file of the host by descriptor, in pieces; each is valid until the next but one is asked for. Reads block this thread only. */
export async function* readPieces(fd: number): AsyncGenerator<Buffer> {
  let piece = Buffer.allocUnsafeSlow(PIECE);
  let other = Buffer.allocUnsafeSlow(PIECE);
  for (;;) {
    [piece, other] = [other, piece];
    const length = readSync(fd, piece, 0, PIECE, null);
    if (length === 0) return;
    yield piece.subarray(0, length);
    // Lets an abort message in.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** The same for a file that is still written: `grown` says how much of it is there, undefined when that is all. */
export async function* readGrowing(fd: number, grown: (taken: number) => Promise<number | undefined>): AsyncGenerator<Buffer> {
  let piece = Buffer.allocUnsafeSlow(PIECE);
  let other = Buffer.allocUnsafeSlow(PIECE);
  let taken = 0;
  for (;;) {
    const there = await grown(taken);
    if (there === undefined) return;
    [piece, other] = [other, piece];
    const length = readSync(fd, piece, 0, Math.min(PIECE, there - taken), taken);
    if (length === 0) throw new Error('the file became shorter while it was read');
    taken += length;
    yield piece.subarray(0, length);
  }
}

/** Passes chunks on while hashing them and, when asked, keeping them in a file. */
export async function* tap(source: AsyncIterable<Buffer>, hash: CountedHash, keep: number | undefined): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    hash.add(chunk);
    if (keep !== undefined) writeAll(keep, chunk);
    yield chunk;
  }
}

export function writeAll(fd: number, chunk: Uint8Array): void {
  for (let offset = 0; offset < chunk.length; ) offset += writeSync(fd, chunk, offset);
}

/** What the first bytes say. xz and bzip2 are refused: Node has no decoder for them. */
export function detect(head: Buffer): Compression {
  if (head.length >= 2 && head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  if (head.length >= 4 && (head.readUInt32LE(0) === 0xfd2fb528 || (head.readUInt32LE(0) & 0xfffffff0) >>> 0 === 0x184d2a50)) return 'zstd';
  if (head.subarray(0, 6).equals(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]))) {
    throw invalid('the archive is compressed with xz: decompress it first (xz -d), or use gzip or zstd');
  }
  if (head.toString('latin1', 0, 3) === 'BZh') {
    throw invalid('the archive is compressed with bzip2: decompress it first (bzip2 -d), or use gzip or zstd');
  }
  return 'none';
}

/** The bytes after decompression, whatever the compression; several gzip members or zstd frames read as one. */
export async function inflated(source: AsyncIterable<Buffer>): Promise<{ compression: Compression; chunks: AsyncIterable<Buffer> }> {
  const iterator = source[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  let ended = false;
  while (head.length < 6 && !ended) {
    // A short head is copied before its memory is used again.
    if (head.length > 0) head = Buffer.from(head);
    const next = await iterator.next();
    if (next.done === true) ended = true;
    else head = head.length === 0 ? (next.value as Buffer<ArrayBuffer>) : Buffer.concat([head, next.value]);
  }
  const compression = detect(head);
  const rest = (async function* (): AsyncGenerator<Buffer> {
    if (head.length > 0) yield head;
    if (ended) return;
    for (;;) {
      const next = await iterator.next();
      if (next.done === true) return;
      yield next.value;
    }
  })();
  if (compression === 'none') return { compression, chunks: rest };
  // Large pieces: each costs a change of threads.
  const options = { chunkSize: 1 << 20, readableHighWaterMark: 1 << 22 };
  return { compression, chunks: through(rest, compression === 'gzip' ? createGunzip(options) : createZstdDecompress(options)) };
}

/** Decoded chunks that may wait. */
const AHEAD = 4;

async function* through(source: AsyncIterable<Buffer>, decoder: Transform): AsyncGenerator<Buffer> {
  const feeding = (async () => {
    // One chunk ahead: the memory of the one before the last is used again.
    let before: Promise<void> = Promise.resolve();
    for await (const chunk of source) {
      if (decoder.destroyed) return;
      const taken = new Promise<void>((resolve) => decoder.write(chunk, () => resolve()));
      await before;
      before = taken;
    }
    decoder.end();
  })().catch((error: unknown) => void decoder.destroy(error as Error));
  // Taken as events and passed on later: only so does the decoder's thread work on while this one hashes and writes.
  const ready: Buffer[] = [];
  let ended = false;
  let failure: unknown;
  let wake = (): void => {};
  decoder.on('data', (chunk: Buffer) => {
    if (ready.push(chunk) >= AHEAD) decoder.pause();
    wake();
  });
  decoder.on('end', () => {
    ended = true;
    wake();
  });
  decoder.on('error', (error) => {
    failure = error;
    wake();
  });
  try {
    for (;;) {
      const chunk = ready.shift();
      if (chunk !== undefined) {
        if (ready.length < AHEAD / 2 && decoder.isPaused()) decoder.resume();
        // Lets the decoder hand over what it has and go on.
        await new Promise((resolve) => setImmediate(resolve));
        yield chunk;
      } else if (failure !== undefined) throw failure;
      else if (ended) break;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
    await feeding;
  } catch (error) {
    if (error instanceof Error && 'code' in error && /^(Z_|ZSTD_|ERR_ZLIB)/.test(String(error.code))) {
      throw invalid(`the archive is damaged: it cannot be decompressed (${error.message})`, { cause: error });
    }
    throw error;
  } finally {
    decoder.destroy();
  }
}
