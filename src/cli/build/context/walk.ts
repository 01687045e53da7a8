import { lstatSync, readdirSync, readlinkSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { EngineError, isErrno, messageOf } from '#base/errors.ts';
import type { IgnorePatterns } from '#spec/ignore-patterns.ts';

/** A file of a context, by its path in it: `src/main.c`. */
export interface ContextEntry {
  readonly path: string;
  readonly absolute: string;
  readonly stats: Stats;
  /** Of symbolic links. */
  readonly target: string;
}

/**
 * What of a folder goes into a context, parents before children, each folder in the order of names. What is ignored is left
 * out, and folders without anything that is wanted are not entered. Sockets are no part of a context.
 */
export function* walkContext(root: string, ignore: IgnorePatterns | undefined): Generator<ContextEntry> {
  yield* walkFolder(root, '', ignore, []);
}

/** `owed`: ignored folders above that must go first when something below them is wanted after all. */
function* walkFolder(root: string, folder: string, ignore: IgnorePatterns | undefined, owed: ContextEntry[]): Generator<ContextEntry> {
  for (const name of namesOf(join(root, folder))) {
    const path = folder === '' ? name : `${folder}/${name}`;
    const ignored = ignore?.matchesWithParents(path) === true;
    if (ignored && ignore?.mayHoldExceptions(path) !== true) continue;
    const entry = entryAt(root, path);
    if (entry === undefined) continue;
    if (ignored && !entry.stats.isDirectory()) continue;
    if (ignored) {
      const waiting = [...owed, entry];
      const before = waiting.length;
      yield* walkFolder(root, path, ignore, waiting);
      // What was owed above has been paid below.
      if (waiting.length < before) owed.splice(0);
      continue;
    }
    yield* owed.splice(0);
    yield entry;
    if (entry.stats.isDirectory()) yield* walkFolder(root, path, ignore, owed);
  }
}

function namesOf(folder: string): string[] {
  try {
    return readdirSync(folder).sort((a, b) => (a < b ? -1 : 1));
  } catch (error) {
    throw unreadable(error, folder);
  }
}

function entryAt(root: string, path: string): ContextEntry | undefined {
  const absolute = join(root, path);
  try {
    const stats = lstatSync(absolute);
    if (stats.isSocket()) return undefined;
    return { path, absolute, stats, target: stats.isSymbolicLink() ? readlinkSync(absolute) : '' };
  } catch (error) {
    // It went away meanwhile.
    if (isErrno(error, 'ENOENT')) return undefined;
    throw unreadable(error, absolute);
  }
}

export function unreadable(error: unknown, path: string): EngineError {
  if (isErrno(error, 'EACCES', 'EPERM')) return new EngineError('forbidden', `error checking context: no permission to read from '${path}'`, { cause: error });
  return new EngineError('invalid_argument', `error checking context: can't stat '${path}': ${messageOf(error)}`, { cause: error });
}
