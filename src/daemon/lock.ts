import { closeSync, constants, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { flock } from '#host/kernel.ts';

/**
 * Takes a lock file for as long as the descriptor (or a copy that a child inherits) stays open; undefined when another
 * process has it. The kernel lets go of it however the holder ends.
 */
export function takeLock(path: string): number | undefined {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600);
  if (flock(fd)) return fd;
  closeSync(fd);
  return undefined;
}
