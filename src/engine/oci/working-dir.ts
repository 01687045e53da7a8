import { constants, readlinkSync } from 'node:fs';
import { posix } from 'node:path';
import { invalid, isErrno } from '#base/errors.ts';
import { close, open, O } from '#host/kernel.ts';
import { openOrMakeFolder } from './make-in-root.ts';

/**
 * Makes the working directory below the root when the image lacks it, owned by root, and returns where it lies in the
 * container with links followed. Throws invalid_argument for files in the way and for places inside a process's folder
 * of /proc, through which a container could step out (CVE-2024-21626).
 */
export function ensureWorkingDir(rootfs: string, path: string): string {
  const root = open(rootfs, O.PATH | constants.O_DIRECTORY);
  try {
    const fd = openOrMakeFolder(root, posix.normalize(path));
    try {
      const resolved = readlinkSync(`/proc/self/fd/${fd}`).slice(readlinkSync(`/proc/self/fd/${root}`).length) || '/';
      checkWorkingDir(path);
      checkWorkingDir(resolved);
      return resolved;
    } finally {
      close(fd);
    }
  } catch (error) {
    if (isErrno(error, 'ENOTDIR')) throw invalid(`Cannot mkdir: ${path} is not a directory`);
    throw error;
  } finally {
    close(root);
  }
}

/** Refuses folders of processes: their fd, cwd and root entries lead anywhere. */
export function checkWorkingDir(path: string): void {
  if (/^\/proc\/(self|thread-self|\d+)(\/|$)/.test(posix.normalize(path))) {
    throw invalid(`the working directory '${path}' is invalid: it lies inside a process's folder of /proc`);
  }
}
