/** The difference of two trees as a layer. */
import { chmodSync, constants, lchownSync, lstatSync, mkdirSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import type { ByteString, TarTime } from '#spec/tar/header.ts';
import { TreeSpace, type OpenTree } from '../enter.ts';
import type { DiffJob } from '../protocol.ts';
import { fsPath, makeNode, setTimes } from '../syscalls.ts';
import { list } from '../tree-reader.ts';
import { Copier } from './copy.ts';
import { dirName, joined, look } from './entry.ts';

/** Files that are the same inode or have the same kind, size, owner, mode and time count as unchanged. */
export function diffTrees(job: DiffJob, check: () => void): void {
  using space = new TreeSpace(job.points);
  const [below, above, into] = [space.readable(job.lower), space.readable(job.upper), space.readable([job.into])];
  const walk = (path: ByteString): void => {
    check();
    const before = namesIn(space, below, path);
    const after = namesIn(space, above, path);
    for (const name of before.keys()) {
      if (after.has(name)) continue;
      makeParents(space, above, into, path);
      space.enterRoot(into);
      makeNode(joined(path, name), constants.S_IFCHR, 0, 0);
    }
    for (const [name, stats] of after) {
      const old = before.get(name);
      const child = joined(path, name);
      if (old !== undefined && stats.isDirectory() && old.isDirectory()) {
        if (!sameOwner(stats, old)) makeParents(space, above, into, child);
        walk(child);
      } else if (old === undefined || !same(stats, old)) {
        makeParents(space, above, into, path);
        const copier = new Copier({ space, from: above, to: into, chown: undefined, mode: undefined, time: undefined, include: undefined, exclude: undefined, contentsOnly: true, replace: true, upper: undefined, link: false, check });
        copier.copy({ path: child, name }, new TextDecoder().decode(Buffer.from(child, 'latin1')));
      }
    }
  };
  walk('/');
}

function namesIn(space: TreeSpace, tree: OpenTree, path: ByteString): Map<ByteString, BigIntStats> {
  space.enterRoot(tree);
  if (look(path)?.isDirectory() !== true) return new Map();
  return new Map(list(path).flatMap((name) => {
    const stats = look(joined(path, name));
    return stats === undefined || (stats.isCharacterDevice() && stats.rdev === 0n) ? [] : [[name, stats] as const];
  }));
}

const sameOwner = (a: BigIntStats, b: BigIntStats): boolean => a.mode === b.mode && a.uid === b.uid && a.gid === b.gid;

function same(a: BigIntStats, b: BigIntStats): boolean {
  return sameOwner(a, b) && a.size === b.size && a.mtimeNs === b.mtimeNs && a.rdev === b.rdev;
}

/** The folders above a change, with what they are in the upper tree. */
function makeParents(space: TreeSpace, above: OpenTree, into: OpenTree, path: ByteString): void {
  if (path === '/') return;
  space.enterRoot(into);
  if (look(path) !== undefined) return;
  makeParents(space, above, into, dirName(path));
  space.enterRoot(above);
  const stats = lstatSync(fsPath(path), { bigint: true });
  space.enterRoot(into);
  mkdirSync(fsPath(path), 0o700);
  lchownSync(fsPath(path), Number(stats.uid), Number(stats.gid));
  chmodSync(fsPath(path), Number(stats.mode) & 0o7777);
  const time: TarTime = { seconds: Number(stats.mtimeNs / 1_000_000_000n), nanos: Number(stats.mtimeNs % 1_000_000_000n) };
  setTimes(path, time);
}
