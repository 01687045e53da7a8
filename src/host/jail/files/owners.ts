/** Whom files of a layer belong to, and what may be done with them. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { invalid, isErrno } from '#base/errors.ts';
import type { OpenTree, TreeSpace } from '../enter.ts';
import type { FileOwner, OwnerName } from '../protocol.ts';

export interface Ids {
  uid: number;
  gid: number;
}

/** A giant file must not exhaust the engine. */
const MAX_FILE = 4 << 20;

/** Gives the owner something gets: what is not asked for stays as it was. */
export type Chown = (before: Ids) => Ids;

/** Looks names up in the trees they are of; call before the thread enters a root for good. */
export function resolveOwner(owner: FileOwner | undefined, space: TreeSpace, open: (tree: readonly string[]) => OpenTree): Chown | undefined {
  if (owner === undefined || (owner.user === undefined && owner.group === undefined)) return undefined;
  const read = (tree: readonly string[], path: string): string => {
    space.enterRoot(open(tree));
    return readBounded(path);
  };
  const user = owner.user === undefined ? undefined : userOf(owner.user, read);
  const gid = owner.group === undefined ? user?.gid : groupOf(owner.group, read);
  return (before) => ({ uid: user?.uid ?? before.uid, gid: gid ?? before.gid });
}

type Read = (tree: readonly string[], path: string) => string;

/** A number alone says nothing of a group: root's, as in Docker. */
function userOf(name: OwnerName, read: Read): Ids {
  if ('id' in name) return { uid: name.id, gid: name.id };
  const line = lineOf(read(name.tree, '/etc/passwd'), name.name);
  if (line === undefined) throw invalid(`unable to find user ${name.name}: no matching entries in passwd file`);
  return { uid: Number(line[2]), gid: Number(line[3]) };
}

function groupOf(name: OwnerName, read: Read): number {
  if ('id' in name) return name.id;
  const line = lineOf(read(name.tree, '/etc/group'), name.name);
  if (line === undefined) throw invalid(`unable to find group ${name.name}: no matching entries in group file`);
  return Number(line[2]);
}

function lineOf(text: string, name: string): string[] | undefined {
  return text.split('\n').map((line) => line.split(':')).find((fields) => fields[0] === name && /^\d+$/.test(fields[2] ?? ''));
}

function readBounded(path: string): string {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO')) return '';
    throw error;
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) return '';
    if (stats.size > MAX_FILE) throw invalid(`${path} is larger than ${MAX_FILE} bytes: refusing to read it`);
    const buffer = Buffer.alloc(stats.size);
    return buffer.toString('utf8', 0, readSync(fd, buffer, 0, buffer.length, 0));
  } finally {
    closeSync(fd);
  }
}

/** `0755`, `755`, `u=rw,go=r`, `a+x`, `u+X`; returns how a mode changes. */
export function parseMode(text: string): ((mode: number, folder: boolean) => number) | undefined {
  if (text === '') return undefined;
  if (/^[0-7]{1,5}$/.test(text)) {
    const mode = Number.parseInt(text, 8);
    if (mode > 0o7777) throw invalid(`invalid mode ${JSON.stringify(text)}`);
    return () => mode;
  }
  const clauses = text.split(',').map((clause) => {
    const match = /^([ugoa]*)((?:[-+=][rwxXst]*|[-+=][ugo])+)$/.exec(clause);
    if (match === null) throw invalid(`invalid mode ${JSON.stringify(text)}`);
    const who = match[1] === '' || match[1]?.includes('a') ? 'ugo' : (match[1] ?? '');
    return { who, actions: [...(match[2] ?? '').matchAll(/([-+=])([rwxXst]*|[ugo])/g)].map(([, op = '', what = '']) => ({ op, what })) };
  });
  return (mode, folder) => clauses.reduce((now, { who, actions }) => actions.reduce((value, { op, what }) => applyMode(value, who, op, what, folder), now), mode);
}

function applyMode(mode: number, who: string, op: string, what: string, folder: boolean): number {
  const shift: Readonly<Record<string, number>> = { u: 6, g: 3, o: 0 };
  const anyExecute = (mode & 0o111) !== 0;
  let bits = 0;
  let mask = 0;
  for (const party of who) {
    const at = shift[party] ?? 0;
    mask |= 0o7 << at;
    if (/^[ugo]$/.test(what)) {
      bits |= ((mode >> (shift[what] ?? 0)) & 0o7) << at;
      continue;
    }
    for (const letter of what) {
      if (letter === 'r') bits |= 4 << at;
      else if (letter === 'w') bits |= 2 << at;
      else if (letter === 'x' || (letter === 'X' && (folder || anyExecute))) bits |= 1 << at;
      else if (letter === 's') bits |= party === 'u' ? 0o4000 : party === 'g' ? 0o2000 : 0;
      else if (letter === 't') bits |= 0o1000;
    }
  }
  if (op === '+') return mode | bits;
  if (op === '-') return mode & ~bits;
  return (mode & ~mask) | bits;
}
