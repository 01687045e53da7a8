/** Archives that ADD unpacks where they land. Runs inside the destination's root. */
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { invalid } from '#base/errors.ts';
import type { ByteString, TarEntry } from '#spec/tar/header.ts';
import { defaultTarLimits, TarReader } from '#spec/tar/reader.ts';
import { parseHeader } from '#spec/tar/header.ts';
import type { JobStreams } from '../jobs.ts';
import type { UnpackLimits } from '../protocol.ts';
import { detect, inflated, readPieces } from '../source.ts';
import { TreeWriter } from '../tree-writer.ts';
import type { Chown } from './owners.ts';

/** By its first bytes: compressed, or a tar with a valid first header. A compressed file that holds no tar is none. */
export async function isArchive(head: Buffer, _fd: number): Promise<boolean> {
  const kind = detect(head);
  if (kind === 'none') return isTar(head);
  try {
    const options = { finishFlush: 2 };
    const plain = kind === 'gzip' ? gunzipSync(head, options) : zstdDecompressSync(head);
    return plain.length < 512 || isTar(plain);
  } catch {
    // The first kilobyte may end in the middle of a block: what follows tells.
    return true;
  }
}

function isTar(head: Buffer): boolean {
  if (head.length < 512) return false;
  try {
    parseHeader(head.subarray(0, 512));
    return true;
  } catch {
    return false;
  }
}

export async function unpackInto(fd: number, folder: ByteString, chown: Chown | undefined, limits: UnpackLimits, streams: JobStreams): Promise<void> {
  const writer = new TreeWriter({ folder, whiteouts: 'keep', noOverwriteDirNonDir: false, owner: undefined });
  const handler = chown === undefined ? writer : {
    entry: (entry: TarEntry) => writer.entry({ ...entry, ...chown({ uid: entry.uid, gid: entry.gid }) }),
    data: (chunk: Buffer) => writer.data(chunk),
    end: () => writer.end(),
  };
  try {
    const reader = new TarReader(handler, { ...defaultTarLimits, entries: limits.entries });
    const { chunks } = await inflated(readPieces(fd));
    let size = 0;
    for await (const chunk of chunks) {
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
