/** What is done to the folders of volumes; the records are `volumes.ts`'s. */
import { chmodSync, chownSync, existsSync, lstatSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

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
