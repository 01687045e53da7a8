import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, watch, type FSWatcher } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '#base/errors.ts';

/**
 * conmon names an exit file after the container, for an exec too. So a container's lies at `<exit dir>/<id>` and an exec's
 * in a folder of its own: `<exit dir>/<exec id>/<container id>`. Here both read as one flat list of ids.
 */
const ID = /^[0-9a-zA-Z][\w-]*$/;

/** Reads the status of a container or exec that ended; undefined when it has not (or was forgotten). */
export function readExitFile(exitDir: string, id: string): { code: number; at: bigint } | undefined {
  const path = join(exitDir, id);
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  return stat.isDirectory() ? readFolder(path) : readStatus(path, stat.mtimeNs);
}

function readFolder(path: string): { code: number; at: bigint } | undefined {
  for (const name of readdirSync(path)) {
    const file = join(path, name);
    const stat = ID.test(name) ? statSync(file, { bigint: true, throwIfNoEntry: false }) : undefined;
    if (stat !== undefined) return readStatus(file, stat.mtimeNs);
  }
  return undefined;
}

function readStatus(path: string, at: bigint): { code: number; at: bigint } | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'latin1').trim();
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
  // conmon writes -1 when it could not learn the status.
  return /^-?\d+$/.test(text) ? { code: Number(text) & 0xff, at } : undefined;
}

/** The folder for one exec's exit file; made before conmon starts. */
export function makeExecExitDir(exitDir: string, execId: string): string {
  const path = join(exitDir, execId);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return path;
}

/** Removes the exit file (or folder) of a container or exec; idempotent. */
export function removeExitFile(exitDir: string, id: string): void {
  rmSync(join(exitDir, id), { recursive: true, force: true });
}

/**
 * Calls back once for every exit file there is and every one that appears, as long as it is not disposed. The files stay.
 * A file that is removed and written anew (the container ran again) is told again.
 */
export function watchExitFiles(exitDir: string, onExit: (id: string, status: { code: number; at: bigint }) => void): Disposable {
  mkdirSync(exitDir, { recursive: true, mode: 0o700 });
  const told = new Map<string, bigint>();
  const folders = new Map<string, FSWatcher>();
  let disposed = false;

  const unwatchFolder = (id: string): void => {
    folders.get(id)?.close();
    folders.delete(id);
  };
  const look = (id: string): void => {
    if (disposed || !ID.test(id)) return;
    const status = readExitFile(exitDir, id);
    if (status === undefined) {
      const path = join(exitDir, id);
      if (!existsSync(path)) {
        told.delete(id);
        unwatchFolder(id);
      } else if (!folders.has(id) && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
        watchFolder(id, path);
      }
      return;
    }
    unwatchFolder(id);
    if (told.get(id) === status.at) return;
    told.set(id, status.at);
    onExit(id, status);
  };
  const watchFolder = (id: string, path: string): void => {
    try {
      const watcher = watch(path, { persistent: false }, () => look(id));
      watcher.on('error', () => unwatchFolder(id));
      folders.set(id, watcher);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return;
      throw error;
    }
    // The file may have come between the look and the watch.
    look(id);
  };

  const watcher = watch(exitDir, { persistent: false }, (_event, name) => {
    if (name !== null) look(name);
    else for (const each of readdirSync(exitDir)) look(each);
  });
  queueMicrotask(() => {
    if (!disposed) for (const name of readdirSync(exitDir)) look(name);
  });
  return {
    [Symbol.dispose]: () => {
      disposed = true;
      watcher.close();
      for (const folder of folders.values()) folder.close();
      folders.clear();
    },
  };
}
