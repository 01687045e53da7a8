/** What is read of a file, link or folder in one tree, to make it again in another. */
import { closeSync, constants, fstatSync, lstatSync, openSync, readlinkSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { isErrno } from '#base/errors.ts';
import type { ByteString, TarType } from '#spec/tar/header.ts';
import { fsPath, getXattr, listXattrs } from '../syscalls.ts';
import { typeOf } from '../tree-reader.ts';

export interface SourceEntry {
  path: ByteString;
  type: TarType;
  stats: BigIntStats;
  /** Of a file that was asked for with content: open for reading; who asked closes it. */
  fd: number | undefined;
  /** Of a symlink. */
  target: ByteString;
  xattrs: ReadonlyMap<string, Buffer>;
}

/** Reads an entry of the thread's root. Undefined for sockets, whiteouts and what is not there. */
export function readEntry(path: ByteString, options: { content: boolean }): SourceEntry | undefined {
  let stats = look(path);
  const type = stats === undefined ? undefined : typeOf(stats);
  if (stats === undefined || type === undefined || (type === 'char' && stats.rdev === 0n)) return undefined;
  let fd: number | undefined;
  if (type === 'file' && options.content) {
    fd = openSync(fsPath(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    stats = fstatSync(fd, { bigint: true });
    if (!stats.isFile()) {
      closeSync(fd);
      return undefined;
    }
  }
  const target = type === 'symlink' ? (readlinkSync(fsPath(path), 'buffer') as Buffer).toString('latin1') : '';
  return { path, type, stats, fd, target, xattrs: carriedXattrs(path) };
}

const none: ReadonlyMap<string, Buffer> = new Map();

/** File capabilities and user attributes. */
function carriedXattrs(path: ByteString): ReadonlyMap<string, Buffer> {
  let found: Map<string, Buffer> | undefined;
  for (const name of listXattrs(path)) {
    if (name !== 'security.capability' && (!name.startsWith('user.') || name.startsWith('user.overlay.'))) continue;
    const value = getXattr(path, name);
    if (value !== undefined) (found ??= new Map()).set(name, value);
  }
  return found ?? none;
}

export function look(path: ByteString): BigIntStats | undefined {
  try {
    return lstatSync(fsPath(path), { bigint: true });
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return undefined;
    throw error;
  }
}

export const joined = (folder: ByteString, name: ByteString): ByteString => (folder === '/' ? `/${name}` : `${folder}/${name}`);
export const baseName = (path: ByteString): ByteString => path.slice(path.lastIndexOf('/') + 1);
export const dirName = (path: ByteString): ByteString => path.slice(0, path.lastIndexOf('/')) || '/';
