import { constants, fstatSync, lstatSync, rmdirSync, unlinkSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { isErrno } from '#base/errors.ts';
import { fromText } from '#spec/tar/header.ts';
import type { ByteString } from '#spec/tar/header.ts';
import { close, O, open, openat2, RESOLVE } from '../../kernel.ts';
import { enter } from '../enter.ts';
import type { TidyJob } from '../protocol.ts';
import { fsPath, getXattr } from '../syscalls.ts';
import { list } from '../tree-reader.ts';
import { dirName, look } from './entry.ts';

/**
 * Removes mount points that were made for one run: empty files and folders at `paths`, then folders above them that only
 * the making had copied up. What the run itself put there or changed stays.
 */
export function tidy(job: TidyJob): void {
  const lower = job.lower.map((path) => open(path, O.PATH | constants.O_DIRECTORY));
  try {
    using _inside = enter({ kind: 'folder', path: job.upper });
    for (const path of job.paths.map(fromText).toReversed()) {
      removeEmpty(path);
      for (let folder = dirName(path); folder !== '/'; folder = dirName(folder)) if (!dropCopiedUp(folder, lower)) break;
    }
  } finally {
    lower.forEach(close);
  }
}

function removeEmpty(path: ByteString): void {
  try {
    const stats = lstatSync(fsPath(path));
    if (stats.isDirectory()) rmdirSync(fsPath(path));
    else if (stats.isFile() && stats.size === 0) unlinkSync(fsPath(path));
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'ENOTEMPTY', 'EEXIST', 'ELOOP')) throw error;
  }
}

/** An empty folder that says nothing that the layers below do not say. */
function dropCopiedUp(folder: ByteString, lower: readonly number[]): boolean {
  const stats = look(folder);
  if (stats?.isDirectory() !== true || list(folder).length > 0 || getXattr(folder, 'trusted.overlay.opaque') !== undefined) return false;
  const below = lower.map((root) => lookBelow(root, folder)).find((found) => found !== undefined);
  if (below?.isDirectory() !== true || below.mode !== stats.mode || below.uid !== stats.uid || below.gid !== stats.gid) return false;
  rmdirSync(fsPath(folder));
  return true;
}

function lookBelow(root: number, path: ByteString): BigIntStats | undefined {
  try {
    const fd = openat2(root, Buffer.from(path, 'latin1').toString('utf8').slice(1), { flags: O.PATH | constants.O_NOFOLLOW, resolve: RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS });
    try {
      return fstatSync(fd, { bigint: true });
    } finally {
      close(fd);
    }
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return undefined;
    throw error;
  }
}
