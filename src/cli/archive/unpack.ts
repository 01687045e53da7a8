import {
  chmodSync, closeSync, linkSync, lstatSync, lutimesSync, mkdirSync, openSync, realpathSync, rmSync, symlinkSync, writeSync,
} from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { toText, type TarEntry } from '#spec/tar/header.ts';
import { TarReader } from '#spec/tar/reader.ts';

/**
 * Unpacks a tar into `folder`, each member under the name that `rename` gives it. Owners are ours; modes and times are
 * the archive's. Nothing is written outside `folder`, through a link or otherwise. Devices are left out when we may not
 * make them.
 */
export async function unpackTree(tar: AsyncIterable<Uint8Array>, folder: string, rename: (name: string) => string): Promise<void> {
  const root = realpathSync(folder);
  const inside = (name: string): string => {
    const path = join(root, normalize(`/${name}`));
    const parent = realpathSync(dirname(path));
    if (parent !== root && !parent.startsWith(root === '/' ? '/' : `${root}/`)) throw new Error(`the archive leads out of ${folder}: ${name}`);
    return path;
  };
  const later: { path: string; entry: TarEntry }[] = [];
  let file: { fd: number; path: string; entry: TarEntry } | undefined;
  const reader = new TarReader({
    entry: (entry) => {
      const name = rename(toText(entry.name));
      if (name === '' || normalize(`/${name}`) === '/') return;
      mkdirSync(dirname(join(root, normalize(`/${name}`))), { recursive: true });
      const path = inside(name);
      const there = lstatSync(path, { throwIfNoEntry: false });
      if (there && entry.type === 'dir' && !there.isDirectory()) throw new Error(`cannot overwrite non-directory ${JSON.stringify(path)} with directory ${JSON.stringify(root)}`);
      if (there && entry.type !== 'dir') {
        if (there.isDirectory()) throw new Error(`cannot overwrite directory ${JSON.stringify(path)} with non-directory ${JSON.stringify(root)}`);
        rmSync(path);
      }
      if (entry.type === 'file') {
        file = { fd: openSync(path, 'wx', 0o600), path, entry };
        return;
      }
      if (entry.type === 'dir') {
        if (!there) mkdirSync(path);
        later.push({ path, entry });
      } else if (entry.type === 'symlink') symlinkSync(toText(entry.linkName), path);
      else if (entry.type === 'link') linkSync(inside(rename(toText(entry.linkName))), path);
    },
    data: (chunk) => {
      if (file) for (let at = 0; at < chunk.length;) at += writeSync(file.fd, chunk, at);
    },
    end: () => {
      if (!file) return;
      closeSync(file.fd);
      settle(file.path, file.entry);
      file = undefined;
    },
  });
  for await (const chunk of tar) reader.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
  reader.end();
  // A folder's time and its lack of a write permission would not survive its members.
  for (const { path, entry } of later.reverse()) settle(path, entry);
}

function settle(path: string, entry: TarEntry): void {
  chmodSync(path, entry.mode);
  const time = entry.mtime.seconds + entry.mtime.nanos / 1e9;
  lutimesSync(path, time, time);
}
