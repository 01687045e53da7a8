import { readSync } from 'node:fs';
import { ReadableStream } from 'node:stream/web';
import xz from 'xz-decompress';
import { invalid, messageOf } from '#base/errors.ts';

const PIECE = 1 << 16;

export const isXz = (head: Buffer): boolean => head.subarray(0, 6).equals(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]));

/** A file from its beginning, whatever was read of it before. */
export async function* piecesOf(fd: number): AsyncGenerator<Buffer> {
  for (let offset = 0; ; ) {
    const piece = Buffer.alloc(PIECE);
    const length = readSync(fd, piece, 0, PIECE, offset);
    if (length === 0) return;
    offset += length;
    yield piece.subarray(0, length);
  }
}

/** Decompresses in this thread, as much at a time as is asked for. Throws invalid_argument for what is damaged. */
export async function* unxz(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const stream = new xz.XzReadableStream(ReadableStream.from(source));
  try {
    for await (const chunk of stream) yield Buffer.from(chunk);
  } catch (error) {
    throw invalid(`the archive is damaged: it cannot be decompressed (${messageOf(error)})`, { cause: error });
  }
}
