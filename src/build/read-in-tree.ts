import { closeSync, constants, fstatSync, readSync } from 'node:fs';
import { invalid, isErrno } from '#base/errors.ts';
import { close, O, open, openat2, RESOLVE } from '#host/kernel.ts';

/** A regular file of a folder that came from outside, resolved inside it by the kernel; undefined when there is none. */
export function readInTree(folder: string, path: string, maxBytes: number): Buffer | undefined {
  const root = open(folder, O.PATH | constants.O_DIRECTORY);
  try {
    const fd = openat2(root, path, { flags: constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY, resolve: RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS });
    try {
      const stats = fstatSync(fd);
      if (!stats.isFile()) return undefined;
      if (stats.size > maxBytes) throw invalid(`${path} is larger than ${maxBytes} bytes`);
      const content = Buffer.alloc(stats.size);
      return content.subarray(0, readSync(fd, content, 0, content.length, 0));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'ENXIO')) return undefined;
    throw error;
  } finally {
    close(root);
  }
}
