/** What is done to the folders of volumes; the records are `volumes.ts`'s. */
import { chmodSync, chownSync, constants, existsSync, lstatSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '#base/errors.ts';
import { close, O, open, openat2, RESOLVE } from '#host/kernel.ts';

/** Name of the folder in which a fill grows. */
export const STAGING = '.filling';
/** Beside it, with this ending: the part of the volume that it is for. */
export const INTO = '-into';

/** Whether a fill may put the image's content there: an empty folder of the volume. */
export function isFillable(volume: string, subpath: string): boolean {
  return inVolume(volume, subpath, (path) => statSync(path).isDirectory() && readdirSync(path).every((entry) => entry.startsWith(STAGING) || entry === 'lost+found')) ?? false;
}

/** Moves what a fill staged into the volume; after a crash it goes on where it was. Never replaces what is there. */
export function placeStaged(staging: string, volume: string): void {
  if (!existsSync(staging)) return;
  const note = `${staging}${INTO}`;
  inVolume(volume, existsSync(note) ? readFileSync(note, 'utf8') : '', (path) => {
    const { uid, gid, mode } = lstatSync(staging);
    chownSync(path, uid, gid);
    chmodSync(path, mode & 0o7777);
    for (const entry of readdirSync(staging)) {
      const target = join(path, entry);
      if (lstatSync(target, { throwIfNoEntry: false }) === undefined) renameSync(join(staging, entry), target);
    }
  });
  rmSync(staging, { recursive: true, force: true });
  rmSync(note, { force: true });
}

/** The kernel finds the part inside the volume; undefined when there is none or it leads out. */
function inVolume<T>(volume: string, subpath: string, task: (path: string) => T): T | undefined {
  if (subpath === '') return task(volume);
  const root = open(volume, O.PATH | constants.O_DIRECTORY);
  try {
    const fd = openat2(root, subpath, { flags: O.PATH, resolve: RESOLVE.BENEATH | RESOLVE.NO_MAGICLINKS });
    try {
      // The dot makes the calls act on the folder and not on the handle's link.
      return statSync(`/proc/self/fd/${fd}`).isDirectory() ? task(`/proc/self/fd/${fd}/.`) : undefined;
    } finally {
      close(fd);
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EXDEV', 'ELOOP')) return undefined;
    throw error;
  } finally {
    close(root);
  }
}
