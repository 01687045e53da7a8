import { fchmodSync, fchownSync, fstatSync, lstatSync, constants } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { isErrno } from '#base/errors.ts';
import type { ByteString } from '#spec/tar/header.ts';
import { toText } from '#spec/tar/header.ts';
import { close, O, open, openat2, RESOLVE } from '../kernel.ts';
import { withLayers } from './enter.ts';
import type { AdoptJob, ChangeEntry, ChangesJob } from './protocol.ts';
import { fsPath, getXattr, listXattrs, setFileTimes, setXattr } from './syscalls.ts';
import { list, listTypes } from './tree-reader.ts';

/** Docker's list of changes, sorted: what an upper folder adds, modifies and deletes, seen against the layers below. */
export function findChanges(job: ChangesJob): ChangeEntry[] {
  return withLayers(job.lower, job.target, (merged) => {
    const below = open(merged, O.PATH | constants.O_DIRECTORY);
    try {
      const search = { ...job, merged, below, prefix: job.userxattr ? 'user.overlay.' : 'trusted.overlay.', found: [] };
      compare(search, '', false);
      return withParents(search.found);
    } finally {
      close(below);
    }
  });
}

interface Search extends ChangesJob {
  /** The layers below as one tree, and a descriptor of it. */
  merged: string;
  below: number;
  /** Of overlayfs's attributes. */
  prefix: string;
  found: ChangeEntry[];
}

/** A folder that is above and below. `opaque`: what is in it below is gone, though no whiteout says so. */
function compare(search: Search, path: ByteString, opaque: boolean): void {
  const { upper, found } = search;
  const names = list(`${upper}${path}`);
  if (opaque) {
    const kept = new Set(names);
    for (const name of list(`${search.merged}${path}`)) if (!kept.has(name)) found.push({ path: `${path}/${name}`, kind: 2 });
  }
  for (const name of names) {
    const child = `${path}/${name}`;
    const before = lookBelow(search.below, child);
    if (before === undefined) {
      added(search, child);
      continue;
    }
    const stats = lstatSync(fsPath(`${upper}${child}`), { bigint: true });
    if (stats.isCharacterDevice() && stats.rdev === 0n) {
      found.push({ path: child, kind: 2 });
      continue;
    }
    const folder = stats.isDirectory();
    const replaced = folder && getXattr(`${upper}${child}`, `${search.prefix}opaque`)?.toString() === 'y';
    if (!folder || !before.isDirectory() || replaced || !sameFolder(stats, before)) found.push({ path: child, kind: 0 });
    if (!folder) continue;
    if (before.isDirectory()) compare(search, child, opaque || replaced);
    else addedBelow(search, child);
  }
}

/** Something of which nothing is below; a whiteout there hides nothing. */
function added(search: Search, path: ByteString): void {
  const stats = lstatSync(fsPath(`${search.upper}${path}`));
  if (stats.isCharacterDevice() && stats.rdev === 0) return;
  search.found.push({ path, kind: 1 });
  if (stats.isDirectory()) addedBelow(search, path);
}

/** Only what may be a whiteout is looked at closer: trees of new files are what changes most. */
function addedBelow(search: Search, folder: ByteString): void {
  for (const entry of listTypes(`${search.upper}${folder}`)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isCharacterDevice()) {
      added(search, path);
      continue;
    }
    search.found.push({ path, kind: 1 });
    if (entry.isDirectory()) addedBelow(search, path);
  }
}

/** A folder that was copied up only for its content is not a change by itself. */
function sameFolder(a: BigIntStats, b: BigIntStats): boolean {
  return a.mode === b.mode && a.uid === b.uid && a.gid === b.gid;
}

/** As Docker prints it: every folder above a change is there, as modified. */
function withParents(changes: readonly ChangeEntry[]): ChangeEntry[] {
  const all = new Map(changes.map((change) => [change.path, change]));
  for (const { path } of changes) {
    for (let cut = path.lastIndexOf('/'); cut > 0; cut = path.lastIndexOf('/', cut - 1)) {
      const parent = path.slice(0, cut);
      // Whoever is there has its own parents.
      if (all.has(parent)) break;
      all.set(parent, { path: parent, kind: 0 });
    }
  }
  return [...all.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function lookBelow(root: number, path: ByteString): BigIntStats | undefined {
  let fd: number;
  try {
    fd = openat2(root, toText(path).slice(1), { flags: O.PATH | constants.O_NOFOLLOW, resolve: RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS });
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return undefined;
    throw error;
  }
  try {
    return fstatSync(fd, { bigint: true });
  } finally {
    close(fd);
  }
}

/** Gives folders that an archive only implied what the layers below know about them. */
export function adoptFolders(job: AdoptJob): void {
  const target = open(job.layer, O.PATH | constants.O_DIRECTORY);
  const lower = job.lower.map((path) => open(path, O.PATH | constants.O_DIRECTORY));
  try {
    // Deepest first: setting a folder's time comes after nothing else touches it.
    for (const folder of job.folders.toReversed()) {
      for (const below of lower) if (adopt(target, below, toText(folder))) break;
    }
  } finally {
    [target, ...lower].forEach(close);
  }
}

function adopt(layer: number, below: number, folder: string): boolean {
  const find = (root: number): number | undefined => {
    try {
      const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
      return openat2(root, folder, { flags, resolve: RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS });
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return undefined;
      throw error;
    }
  };
  const from = find(below);
  if (from === undefined) return false;
  const to = find(layer);
  try {
    if (to === undefined) return true;
    const stats = fstatSync(from, { bigint: true });
    fchownSync(to, Number(stats.uid), Number(stats.gid));
    for (const name of listXattrs(`/proc/self/fd/${from}/.`)) {
      if (!name.startsWith('user.') || name.startsWith('user.overlay.')) continue;
      const value = getXattr(`/proc/self/fd/${from}/.`, name);
      if (value !== undefined) setXattr(`/proc/self/fd/${to}/.`, name, value);
    }
    fchmodSync(to, Number(stats.mode) & 0o7777);
    setFileTimes(to, { seconds: Number(stats.mtimeNs / 1_000_000_000n), nanos: Number(stats.mtimeNs % 1_000_000_000n) });
    return true;
  } finally {
    close(from);
    if (to !== undefined) close(to);
  }
}

/** Bytes of all files and symlinks below a folder, each inode once; what goes away meanwhile counts nothing. */
export function measure(root: string, blocks = false): number {
  const seen = new Set<string>();
  let total = blocks ? Number(lstatSync(fsPath(root), { bigint: true }).blocks) * 512 : 0;
  const visit = (path: ByteString): void => {
    for (const name of list(path)) {
      const child = `${path}/${name}`;
      let stats: BigIntStats;
      try {
        stats = lstatSync(fsPath(child), { bigint: true });
      } catch {
        continue;
      }
      if (stats.isDirectory()) {
        if (blocks) total += Number(stats.blocks) * 512;
        visit(child);
      } else {
        if (stats.nlink > 1n) {
          const key = `${stats.dev}:${stats.ino}`;
          if (seen.has(key)) continue;
          seen.add(key);
        }
        total += blocks ? Number(stats.blocks) * 512 : Number(stats.size);
      }
    }
  };
  visit(root);
  return total;
}
