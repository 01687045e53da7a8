import { lstatSync, readdirSync, readlinkSync, openSync, readSync, closeSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { fromText, type TarType } from '#spec/tar/header.ts';
import { TAR_END, tarHeader, tarPadding } from '#spec/tar/writer.ts';

/** A tar of `path` and all below it, named `name` and `name/...`. Sockets are left out; hard links stay links. */
export async function* packTree(path: string, name: string): AsyncGenerator<Uint8Array> {
  yield* packEntry(path, name, new Map());
  yield TAR_END;
}

function* packEntry(path: string, name: string, seen: Map<string, string>): Generator<Uint8Array> {
  const stats = lstatSync(path);
  const type = typeOf(stats);
  if (type === undefined) return;
  const inode = `${stats.dev}:${stats.ino}`;
  const first = type === 'file' && stats.nlink > 1 ? seen.get(inode) : undefined;
  const member = {
    name: fromText(name),
    mode: stats.mode & 0o7777,
    uid: stats.uid,
    gid: stats.gid,
    mtime: { seconds: Math.floor(stats.mtimeMs / 1000), nanos: 0 },
  };
  if (first !== undefined) {
    yield tarHeader({ ...member, type: 'link', linkName: fromText(first) });
    return;
  }
  if (type === 'file') {
    seen.set(inode, name);
    yield tarHeader({ ...member, type, size: stats.size });
    yield* content(path, stats.size);
    return;
  }
  const device = type === 'char' || type === 'block';
  yield tarHeader({
    ...member,
    type,
    ...(type === 'symlink' ? { linkName: fromText(readlinkSync(path)) } : {}),
    ...(device ? { major: (stats.rdev >> 8) & 0xfff, minor: (stats.rdev & 0xff) | ((stats.rdev >> 12) & 0xfff00) } : {}),
  });
  if (type === 'dir') for (const child of readdirSync(path).sort()) yield* packEntry(join(path, child), `${name}/${child}`, seen);
}

/** Exactly `size` bytes: a file that shrinks meanwhile is filled up, one that grows is cut. */
function* content(path: string, size: number): Generator<Uint8Array> {
  const fd = openSync(path, 'r');
  try {
    let left = size;
    while (left > 0) {
      const chunk = Buffer.alloc(Math.min(left, 256 * 1024));
      const count = readSync(fd, chunk, 0, chunk.length, null);
      if (count === 0) {
        yield Buffer.alloc(left);
        left = 0;
        break;
      }
      yield chunk.subarray(0, count);
      left -= count;
    }
  } finally {
    closeSync(fd);
  }
  yield tarPadding(size);
}

function typeOf(stats: Stats): TarType | undefined {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'dir';
  if (stats.isSymbolicLink()) return 'symlink';
  if (stats.isCharacterDevice()) return 'char';
  if (stats.isBlockDevice()) return 'block';
  return stats.isFIFO() ? 'fifo' : undefined;
}
