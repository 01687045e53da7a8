/** Calls of the jailed worker that need names as bytes or times in nanoseconds. */
import { bind, check } from '../libc.ts';
import { toBytes, toText } from '#spec/tar/header.ts';
import type { ByteString, TarTime } from '#spec/tar/header.ts';
import { AT_FDCWD } from '../kernel.ts';

const c = {
  utimensat: bind('int utimensat(int fd, const void *path, const void *times, int flags)'),
  futimens: bind('int futimens(int fd, const void *times)'),
  linkat: bind('int linkat(int from, const void *path, int to, const void *name, int flags)'),
  mknod: bind('int mknod(const void *path, unsigned int mode, unsigned long device)'),
  lsetxattr: bind('int lsetxattr(const void *path, const char *name, const void *value, size_t size, int flags)'),
  lgetxattr: bind('long lgetxattr(const void *path, const char *name, void *value, size_t size)'),
  llistxattr: bind('long llistxattr(const void *path, void *list, size_t size)'),
};

const AT_SYMLINK_NOFOLLOW = 0x100;
const times = Buffer.alloc(32);

/** A path for node:fs: the text itself when it is ASCII, else its bytes. */
export function fsPath(path: ByteString): string | Buffer {
  return /^[\x00-\x7f]*$/.test(path) ? path : toBytes(path);
}

const cString = (path: ByteString): Buffer => Buffer.from(`${path}\0`, 'latin1');

function fillTimes({ seconds, nanos }: TarTime): Buffer {
  for (const at of [0, 16]) {
    times.writeBigInt64LE(BigInt(seconds), at);
    times.writeBigInt64LE(BigInt(nanos), at + 8);
  }
  return times;
}

/** Sets access and modification time of a name, symlinks themselves. */
export function setTimes(path: ByteString, time: TarTime): void {
  check(c.utimensat(AT_FDCWD, cString(path), fillTimes(time), AT_SYMLINK_NOFOLLOW), 'utimensat', toText(path));
}

export function setFileTimes(fd: number, time: TarTime): void {
  check(c.futimens(fd, fillTimes(time)), 'futimens');
}

/** Another name for a file: absolute paths inside the folders that are open. Neither may lead through links. */
export function linkBetween(from: number, path: ByteString, to: number, name: ByteString): void {
  check(c.linkat(from, cString(path.slice(1)), to, cString(name.slice(1)), 0), 'linkat', toText(name));
}

export function makeNode(path: ByteString, mode: number, major: number, minor: number): void {
  const [a, b] = [BigInt(major), BigInt(minor)];
  const device = (b & 0xffn) | ((a & 0xfffn) << 8n) | ((b & ~0xffn) << 12n) | ((a & ~0xfffn) << 32n);
  check(c.mknod(cString(path), mode, device), 'mknod', toText(path));
}

export function setXattr(path: ByteString, name: string, value: Uint8Array): void {
  check(c.lsetxattr(cString(path), name, value, value.length, 0), 'lsetxattr', toText(path));
}

/** Undefined when there is none. */
export function getXattr(path: ByteString, name: string): Buffer | undefined {
  const length = Number(c.lgetxattr(cString(path), name, xattrBuffer, xattrBuffer.length));
  return length < 0 ? undefined : Buffer.from(xattrBuffer.subarray(0, length));
}

const xattrBuffer = Buffer.alloc(65536);

export function listXattrs(path: ByteString): string[] {
  const length = Number(c.llistxattr(cString(path), xattrBuffer, xattrBuffer.length));
  return length <= 0 ? [] : xattrBuffer.toString('latin1', 0, length - 1).split('\0');
}
