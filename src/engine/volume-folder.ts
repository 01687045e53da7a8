/** What is done to the folders of volumes; the records are `volumes.ts`'s. */
import { chmodSync, chownSync, existsSync, lstatSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, isErrno, messageOf } from '#base/errors.ts';
import { mount } from '#host/kernel.ts';
import type { Mounts } from '#host/mount.ts';
import { localMount } from './volume-options.ts';

/** Name of the folder in which a fill grows. */
export const STAGING = '.filling';

/** Whether a fill may put the image's content here. */
export function isEmptyVolume(path: string): boolean {
  return readdirSync(path).every((entry) => entry === STAGING || entry === 'lost+found');
}

/** Moves what a fill staged into the volume; after a crash it goes on where it was. Never replaces what is there. */
export function placeStaged(staging: string, path: string): void {
  if (!existsSync(staging)) return;
  const { uid, gid, mode } = lstatSync(staging);
  chownSync(path, uid, gid);
  chmodSync(path, mode & 0o7777);
  for (const entry of readdirSync(staging)) {
    const target = join(path, entry);
    if (lstatSync(target, { throwIfNoEntry: false }) === undefined) renameSync(join(staging, entry), target);
  }
  rmSync(staging, { recursive: true, force: true });
}

/** Mounts what a volume's options name on its folder, unless it is. Throws invalid_argument in Docker's words. */
export async function mountVolume(options: Readonly<Record<string, string>>, path: string, mounts: Mounts): Promise<void> {
  if (mounts.list(path).some(({ target }) => target === path)) return;
  const { source, type, flags, data } = await localMount(options);
  try {
    mount(source, path, type, flags, data);
  } catch (error) {
    const why = isErrno(error, 'ENOENT') ? 'no such file or directory' : messageOf(error);
    throw new EngineError('invalid_argument', `failed to mount local volume: mount ${source}:${path}, data: ${data}: ${why}`, { cause: error });
  }
}
