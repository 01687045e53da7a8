import { closeSync, constants, fstatSync, mkdirSync, openSync } from 'node:fs';
import { posix } from 'node:path';
import { invalid, isErrno } from '#base/errors.ts';
import { close, open, openat2, O, RESOLVE } from '#host/kernel.ts';
import { initRefusal } from '#host/refusal.ts';
import type { PlannedMount } from './input.ts';
import type { MountSource } from './mount-source.ts';

const inRoot = RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS;

/**
 * A descriptor (O_PATH) of a folder below `root`, made with mode 0755 where it is missing. Links stay inside the root. No
 * process uses the root yet, so nothing races with this.
 */
export function openOrMakeFolder(root: number, path: string): number {
  const flags = O.PATH | constants.O_DIRECTORY;
  try {
    return openat2(root, path, { flags, resolve: inRoot });
  } catch (error) {
    if (!isErrno(error, 'ENOENT') || path === '/') throw error;
  }
  const parent = openOrMakeFolder(root, posix.dirname(path));
  try {
    mkdirSync(`/proc/self/fd/${parent}/${posix.basename(path)}`, { mode: 0o755 });
  } catch (error) {
    // A dangling link has the name: following it on the host's side would leave the root.
    if (isErrno(error, 'EEXIST')) throw invalid(`Cannot mkdir: ${path} is not a directory`);
    throw error;
  } finally {
    close(parent);
  }
  return openat2(root, path, { flags: flags | constants.O_NOFOLLOW, resolve: inRoot });
}

/**
 * Makes the place where a mount goes, as Docker would: the runtime's own way leaves sticky bits on folders that a commit
 * would keep. `lead` is the destination with links followed. Throws invalid_argument when a folder meets a file.
 */
export function makeMountpoint(rootfs: string, mount: PlannedMount, lead: string, source: MountSource): void {
  const root = open(rootfs, O.PATH | constants.O_DIRECTORY);
  try {
    const found = typeAt(root, lead);
    if (found === undefined) {
      if (source.folder) close(openOrMakeFolder(root, lead));
      else makeFile(root, lead);
    } else if ((found === 'folder') !== source.folder) {
      throw mismatch(mount);
    }
  } catch (error) {
    if (isErrno(error, 'ENOTDIR')) throw mismatch(mount);
    throw error;
  } finally {
    close(root);
  }
}

function mismatch({ source, destination }: PlannedMount): Error {
  return invalid(
    `${initRefusal(`error mounting "${source}" to rootfs at "${destination}": not a directory`)}: Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type`,
  );
}

function typeAt(root: number, path: string): 'folder' | 'file' | undefined {
  try {
    const fd = openat2(root, path, { flags: O.PATH, resolve: inRoot });
    try {
      return fstatSync(fd).isDirectory() ? 'folder' : 'file';
    } finally {
      close(fd);
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function makeFile(root: number, path: string): void {
  const parent = openOrMakeFolder(root, posix.dirname(path));
  try {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    closeSync(openSync(`/proc/self/fd/${parent}/${posix.basename(path)}`, flags, 0o755));
  } finally {
    close(parent);
  }
}
