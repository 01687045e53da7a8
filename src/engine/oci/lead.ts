import { constants, readlinkSync } from 'node:fs';
import { invalid, isErrno } from '#base/errors.ts';
import { close, open, openat2, O, RESOLVE } from '#host/kernel.ts';

const MAX_LINKS = 40;

/**
 * Where a path of the container leads once the links in its root are followed, including those that point to what does
 * not exist before the container runs (such as /proc/sys). Parts that are missing are kept as they are.
 */
export function leadOf(rootfs: string, path: string): string {
  const root = open(rootfs, O.PATH | constants.O_DIRECTORY);
  try {
    let waiting = split(path);
    let done: string[] = [];
    let links = 0;
    for (let part = waiting.shift(); part !== undefined; part = waiting.shift()) {
      if (part === '..') {
        done.pop();
        continue;
      }
      const target = linkAt(root, done, part);
      if (target === undefined) {
        done.push(part);
        continue;
      }
      if (++links > MAX_LINKS) throw invalid(`${path}: too many levels of symbolic links in the image`);
      if (target.startsWith('/')) done = [];
      waiting = [...split(target), ...waiting];
    }
    return `/${done.join('/')}`;
  } finally {
    close(root);
  }
}

const split = (path: string): string[] => path.split('/').filter((part) => part !== '' && part !== '.');

/** The target when `name` in the folder is a link; undefined for anything else and for what is not there. */
function linkAt(root: number, folder: readonly string[], name: string): string | undefined {
  let parent: number;
  try {
    parent = openat2(root, `/${folder.join('/')}`, { flags: O.PATH | constants.O_DIRECTORY, resolve: RESOLVE.IN_ROOT | RESOLVE.NO_SYMLINKS });
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return undefined;
    throw error;
  }
  try {
    return readlinkSync(`/proc/self/fd/${parent}/${name}`);
  } catch (error) {
    if (isErrno(error, 'EINVAL', 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  } finally {
    close(parent);
  }
}
