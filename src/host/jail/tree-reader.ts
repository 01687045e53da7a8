import { closeSync, constants, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import type { BigIntStats, Dirent } from 'node:fs';
import { EngineError, isErrno } from '#base/errors.ts';
import { toText } from '#spec/tar/header.ts';
import type { ByteString, TarType } from '#spec/tar/header.ts';
import { TAR_END, tarHeader, tarPadding, type TarMember } from '#spec/tar/writer.ts';
import type { PackJob } from './protocol.ts';
import { fsPath, getXattr, listXattrs } from './syscalls.ts';

const CHUNK = 1 << 20;
const NANO = 1_000_000_000n;

export interface PackTotals {
  contentSize: number;
}

/**
 * Writes a folder or file of the thread's root as a tar, in byte order of names, so that the same tree always gives the
 * same bytes. Sockets are left out; a file that shrinks meanwhile is filled with zeros.
 */
export function* packTree(job: PackJob, totals: PackTotals): Generator<Buffer> {
  const pending: Buffer[] = [];
  let length = 0;
  const take = (): Buffer => {
    const chunk = Buffer.concat(pending, length);
    pending.length = length = 0;
    return chunk;
  };
  for (const piece of members(job, totals)) {
    if (piece.length === CHUNK) {
      // A large file's content goes as it was read.
      if (length > 0) yield take();
      yield piece;
      continue;
    }
    pending.push(piece);
    length += piece.length;
    if (length >= CHUNK) yield take();
  }
  pending.push(TAR_END);
  length += TAR_END.length;
  yield take();
}

function* members(job: PackJob, totals: PackTotals): Generator<Buffer> {
  const links = new Map<string, ByteString>();
  const include = job.include === undefined ? undefined : new Set(job.include);
  const latest = job.latest === undefined ? undefined : BigInt(job.latest) * NANO;
  const prefix = job.whiteouts === 'userxattr' ? 'user.overlay.' : 'trusted.overlay.';

  function* visit(path: ByteString, name: ByteString): Generator<Buffer> {
    let stats: BigIntStats;
    try {
      stats = lstatSync(fsPath(path), { bigint: true });
    } catch (error) {
      // Gone since the folder was listed: a container may be at work here.
      if (isErrno(error, 'ENOENT') && path !== job.path) return;
      throw error;
    }
    const type = typeOf(stats);
    if (type === undefined) return;
    const opened = type === 'file' ? openFile(path) : undefined;
    if (type === 'file' && opened === undefined) return;
    try {
      yield* describe(path, name, type, stats, opened);
    } finally {
      if (opened !== undefined) closeSync(opened);
    }
    if (type !== 'dir') return;
    if (job.whiteouts !== 'keep' && getXattr(path, `${prefix}opaque`)?.toString() === 'y') {
      yield tarHeader({ name: join(name, '.wh..wh..opq'), type: 'file', mode: 0o600 });
    }
    for (const child of list(path)) {
      const childPath = path === '/' ? `/${child}` : `${path}/${child}`;
      if (include === undefined || include.has(childPath)) yield* visit(childPath, join(name, child));
    }
  }

  function* describe(path: ByteString, name: ByteString, type: TarType, stats: BigIntStats, fd: number | undefined): Generator<Buffer> {
    if (name === '') return;
    if (job.whiteouts !== 'keep' && type === 'char' && stats.rdev === 0n) {
      const cut = name.lastIndexOf('/') + 1;
      yield tarHeader({ name: `${name.slice(0, cut)}.wh.${name.slice(cut)}`, type: 'file', mode: 0o600 });
      return;
    }
    const size = type === 'file' ? Number(stats.size) : 0;
    const member: TarMember = {
      name,
      type,
      mode: Number(stats.mode) & 0o7777,
      uid: Number(stats.uid),
      gid: Number(stats.gid),
      size,
      mtime: timeOf(latest === undefined || stats.mtimeNs < latest ? stats.mtimeNs : latest),
      xattrs: xattrsOf(path, prefix, job.whiteouts !== 'keep'),
    };
    if (type === 'symlink') member.linkName = (readlinkSync(fsPath(path), 'buffer') as Buffer).toString('latin1');
    if (type === 'char' || type === 'block') Object.assign(member, splitDevice(stats.rdev));
    if (type !== 'dir' && stats.nlink > 1n) {
      const key = `${stats.dev}:${stats.ino}`;
      const first = links.get(key);
      if (first !== undefined) {
        yield tarHeader({ ...member, type: 'link', linkName: first, size: 0 });
        return;
      }
      links.set(key, name);
    }
    yield tarHeader(member);
    if (fd === undefined) return;
    totals.contentSize += size;
    yield* content(fd, size);
    yield tarPadding(size);
  }

  yield* visit(job.path, job.name);
}

function* content(fd: number, size: number): Generator<Buffer> {
  for (let done = 0; done < size; ) {
    const piece = Buffer.allocUnsafeSlow(Math.min(size - done, CHUNK));
    const length = readSync(fd, piece, 0, piece.length, null);
    if (length === 0) {
      piece.fill(0);
      done += piece.length;
      yield piece;
    } else {
      done += length;
      yield piece.subarray(0, length);
    }
  }
}

/** Undefined when it went away or became something else; O_NONBLOCK keeps a fifo that took its place from blocking. */
function openFile(path: ByteString): number | undefined {
  try {
    return openSync(fsPath(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ELOOP', 'ENXIO')) return undefined;
    throw error;
  }
}

/** Names in byte order. */
export function list(path: ByteString): ByteString[] {
  try {
    return readdirSync(fsPath(path), 'latin1' as BufferEncoding).sort();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

/** With what the folder itself says of each; no particular order. */
export function listTypes(path: ByteString): Dirent<ByteString>[] {
  return readdirSync(fsPath(path), { withFileTypes: true, encoding: 'latin1' as BufferEncoding });
}

const join = (folder: ByteString, name: ByteString): ByteString => (folder === '' ? name : folder === '/' ? `/${name}` : `${folder}/${name}`);

export function typeOf(stats: BigIntStats): TarType | undefined {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'dir';
  if (stats.isSymbolicLink()) return 'symlink';
  if (stats.isCharacterDevice()) return 'char';
  if (stats.isBlockDevice()) return 'block';
  return stats.isFIFO() ? 'fifo' : undefined;
}

function timeOf(nanos: bigint): { seconds: number; nanos: number } {
  const rest = ((nanos % NANO) + NANO) % NANO;
  return { seconds: Number((nanos - rest) / NANO), nanos: Number(rest) };
}

export function splitDevice(rdev: bigint): { major: number; minor: number } {
  return {
    major: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n)),
    minor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n)),
  };
}

/** What a layer carries: file capabilities and user attributes. */
function xattrsOf(path: ByteString, prefix: string, overlay: boolean): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  for (const name of listXattrs(path)) {
    if (overlay && (name === `${prefix}redirect` || name === `${prefix}metacopy`)) {
      throw new EngineError('internal', `${JSON.stringify(toText(path))} is a reference into a lower layer: mount overlays with redirect_dir=off,metacopy=off`);
    }
    if (name !== 'security.capability' && (!name.startsWith('user.') || name.startsWith('user.overlay.'))) continue;
    const value = getXattr(path, name);
    if (value !== undefined) found.set(name, value);
  }
  return found;
}
