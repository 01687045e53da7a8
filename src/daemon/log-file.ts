import { closeSync, constants, fstatSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { replaceDescriptor } from '#host/descriptor.ts';

/** The engine's own log; one older file, `engine.log.1`, stands beside it. */
export function logPath(root: string): string {
  return join(root, 'log', 'engine.log');
}

const MAX_BYTES = 8 << 20;

/**
 * A writer of lines that keeps the file under `maxBytes` by renaming it to `.1` and going on in a new one. stderr follows,
 * so that what Node itself prints when it dies ends in the log too. A full disk loses lines, never the engine.
 */
export function openLogFile(path: string, options: { maxBytes?: number; followStderr: boolean }): (line: string) => void {
  const maxBytes = options.maxBytes ?? MAX_BYTES;
  let fd = open();
  let size = fstatSync(fd).size;

  function open(): number {
    const opened = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND, 0o600);
    if (options.followStderr) replaceDescriptor(opened, 2);
    return opened;
  }

  return (line) => {
    try {
      if (size > maxBytes) {
        renameSync(path, `${path}.1`);
        const former = fd;
        fd = open();
        closeSync(former);
        size = 0;
      }
      size += writeSync(fd, `${line}\n`);
    } catch {
      // Nothing is left to say it to.
    }
  };
}
