/** Archives that ADD unpacks where they land. Runs inside the destination's root. */
import { readSync } from 'node:fs';
import { invalid } from '#base/errors.ts';
import type { ByteString } from '#spec/tar/header.ts';
import { defaultTarLimits, TarReader } from '#spec/tar/reader.ts';
import { BLOCK, parseHeader } from '#spec/tar/header.ts';
import type { JobStreams } from '../jobs.ts';
import type { UnpackLimits } from '../protocol.ts';
import { bunzip2, isBzip2 } from '../bunzip2.ts';
import { detect, inflated } from '../source.ts';
import { TreeWriter } from '../tree-writer.ts';
import { isXz, piecesOf, unxz } from '../xz.ts';

/** A tar, whatever it is compressed with: judged by its first header. Compressed files that hold no tar are none. */
export async function isArchive(head: Buffer, fd: number): Promise<boolean> {
  if (isTar(head)) return true;
  if (!isXz(head) && !isBzip2(head) && detect(head) === 'none') return false;
  let plain = Buffer.alloc(0);
  try {
    for await (const chunk of await expanded(fd)) {
      plain = Buffer.concat([plain, chunk]);
      if (plain.length >= BLOCK) break;
    }
  } catch {
    // Damaged, or the decoder minds that we stop here: what was read counts.
  }
  return isTar(plain);
}

/** A file's content from the beginning, decompressed. */
async function expanded(fd: number): Promise<AsyncIterable<Buffer> | Iterable<Buffer>> {
  const head = Buffer.alloc(6);
  readSync(fd, head, 0, head.length, 0);
  if (isXz(head)) return unxz(piecesOf(fd));
  return isBzip2(head) ? bunzip2(fd) : (await inflated(piecesOf(fd))).chunks;
}

function isTar(head: Buffer): boolean {
  if (head.length < BLOCK) return false;
  try {
    parseHeader(head.subarray(0, BLOCK));
    return true;
  } catch {
    return false;
  }
}

export async function unpackInto(fd: number, folder: ByteString, limits: UnpackLimits, streams: JobStreams): Promise<void> {
  const writer = new TreeWriter({ folder, whiteouts: 'keep', noOverwriteDirNonDir: false, owner: undefined });
  try {
    const reader = new TarReader(writer, { ...defaultTarLimits, entries: limits.entries });
    let size = 0;
    for await (const chunk of await expanded(fd)) {
      streams.check();
      size += chunk.length;
      if (size > limits.inflated) throw invalid(`the archive is refused: more than ${limits.inflated} bytes when decompressed`);
      reader.write(chunk);
    }
    reader.end();
    writer.finish();
  } finally {
    writer.abandon();
  }
}
