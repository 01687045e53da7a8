import { closeSync, openSync, readSync } from 'node:fs';
import { isErrno } from '#base/errors.ts';
import { fromText, type TarType } from '#spec/tar/header.ts';
import { TAR_END, tarHeader, tarPadding } from '#spec/tar/writer.ts';
import { unreadable, type ContextEntry } from './walk.ts';

/** A file that is in no folder: a Dockerfile from stdin. */
export interface ExtraFile {
  readonly name: string;
  readonly content: Uint8Array;
}

const CHUNK = 256 * 1024;

/**
 * A context as a tar: everything belongs to root, times in whole seconds, hard links stay links. The same folder gives the same
 * bytes. Small files are put together, so that a context of many files is not a write for each.
 */
export async function* packContext(entries: Iterable<ContextEntry>, extra: readonly ExtraFile[]): AsyncGenerator<Uint8Array> {
  const gathered = new Gatherer();
  const seen = new Map<string, string>();
  for (const file of extra) {
    gathered.add(tarHeader({ name: fromText(file.name), type: 'file', mode: 0o600, size: file.content.length }), file.content, tarPadding(file.content.length));
  }
  for (const entry of entries) {
    for (const chunk of entryChunks(entry, seen)) {
      gathered.add(chunk);
      if (gathered.size >= CHUNK) yield gathered.take();
    }
  }
  gathered.add(TAR_END);
  yield gathered.take();
}

class Gatherer {
  #chunks: Uint8Array[] = [];
  size = 0;

  add(...chunks: Uint8Array[]): void {
    for (const chunk of chunks) {
      this.#chunks.push(chunk);
      this.size += chunk.length;
    }
  }

  take(): Uint8Array {
    const all = Buffer.concat(this.#chunks, this.size);
    this.#chunks = [];
    this.size = 0;
    return all;
  }
}

function* entryChunks({ path, absolute, stats, target }: ContextEntry, seen: Map<string, string>): Generator<Uint8Array> {
  const type = typeOf(stats);
  if (type === undefined) return;
  const member = { name: fromText(path), mode: stats.mode & 0o7777, mtime: { seconds: Math.floor(stats.mtimeMs / 1000), nanos: 0 } };
  if (type === 'file' && stats.nlink > 1) {
    const inode = `${stats.dev}:${stats.ino}`;
    const first = seen.get(inode);
    if (first !== undefined) {
      yield tarHeader({ ...member, type: 'link', linkName: fromText(first) });
      return;
    }
    seen.set(inode, path);
  }
  if (type !== 'file') {
    yield tarHeader({ ...member, type, ...(type === 'symlink' ? { linkName: fromText(target) } : {}) });
    return;
  }
  let fd: number;
  try {
    fd = openSync(absolute, 'r');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    throw unreadable(error, absolute);
  }
  try {
    yield tarHeader({ ...member, type, size: stats.size });
    yield* content(fd, stats.size);
  } finally {
    closeSync(fd);
  }
}

/** Exactly `size` bytes: a file that shrinks meanwhile is filled up, one that grows is cut. */
function* content(fd: number, size: number): Generator<Uint8Array> {
  for (let left = size; left > 0; ) {
    const chunk = Buffer.allocUnsafe(Math.min(left, CHUNK));
    const count = readSync(fd, chunk, 0, chunk.length, null);
    if (count === 0) chunk.fill(0);
    const bytes = count === 0 ? chunk : chunk.subarray(0, count);
    yield bytes;
    left -= bytes.length;
  }
  yield tarPadding(size);
}

function typeOf(stats: ContextEntry['stats']): TarType | undefined {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'dir';
  if (stats.isSymbolicLink()) return 'symlink';
  return stats.isFIFO() ? 'fifo' : undefined;
}
