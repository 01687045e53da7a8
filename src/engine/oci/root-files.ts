import { closeSync, fstatSync, readSync } from 'node:fs';
import { constants } from 'node:fs';
import { EngineError, isErrno } from '#base/errors.ts';
import { close, open, openat2, O, RESOLVE } from '#host/kernel.ts';

/** Reads files of a container's root file system as the container would see them. */
export interface RootFiles {
  /**
   * The text of a regular file, or undefined when there is none. Links, absolute ones too, stay inside the root: the
   * kernel resolves them. Throws invalid_argument for what is larger than `maxBytes`.
   */
  read(path: string, maxBytes: number): string | undefined;
}

/** The files below a mounted root. Costs two or three system calls a file; nothing stays open. */
export function rootFiles(rootfs: string): RootFiles {
  return {
    read(path, maxBytes) {
      const root = open(rootfs, O.PATH | constants.O_DIRECTORY);
      try {
        // O_NONBLOCK: a FIFO planted in the image must not hang the engine.
        const fd = openat2(root, path, {
          flags: constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY,
          resolve: RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS,
        });
        try {
          return readBounded(fd, path, maxBytes);
        } finally {
          closeSync(fd);
        }
      } catch (error) {
        if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'ENXIO')) return undefined;
        throw error;
      } finally {
        close(root);
      }
    },
  };
}

function readBounded(fd: number, path: string, maxBytes: number): string | undefined {
  const stat = fstatSync(fd);
  if (!stat.isFile()) return undefined;
  if (stat.size > maxBytes) throw tooLarge(path, maxBytes);
  const buffer = Buffer.allocUnsafe(Math.min(maxBytes + 1, stat.size + 1));
  let length = 0;
  while (length < buffer.length) {
    const count = readSync(fd, buffer, length, buffer.length - length, null);
    if (count === 0) break;
    length += count;
  }
  return buffer.toString('utf8', 0, length);
}

function tooLarge(path: string, maxBytes: number): EngineError {
  return new EngineError('invalid_argument', `${path} in the image is larger than ${maxBytes / (1 << 20)} MiB: refusing to read it`);
}
