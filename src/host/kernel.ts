/**
 * System calls that Node lacks. All are synchronous and act on the calling thread or the process, as in C; failures
 * throw an Error with `code` ('ENOENT', ...) like Node's own. Whatever may take long belongs in a worker thread.
 */
import { constants } from 'node:fs';
import { basename, dirname } from 'node:path';
import { bind, check, errnoError, lastErrno } from './libc.ts';

export const MS = {
  RDONLY: 0x1, NOSUID: 0x2, NODEV: 0x4, NOEXEC: 0x8, REMOUNT: 0x20, BIND: 0x1000, MOVE: 0x2000, REC: 0x4000, SILENT: 0x8000,
  UNBINDABLE: 1 << 17, PRIVATE: 1 << 18, SLAVE: 1 << 19, SHARED: 1 << 20, RELATIME: 1 << 21, STRICTATIME: 1 << 24, NOATIME: 0x400,
} as const;
export const MNT = { FORCE: 1, DETACH: 2, EXPIRE: 4, NOFOLLOW: 8 } as const;
export const CLONE = {
  FS: 0x200, FILES: 0x400, NEWNS: 0x20000, NEWCGROUP: 0x2000000, NEWUTS: 0x4000000, NEWIPC: 0x8000000, NEWUSER: 0x10000000,
  NEWPID: 0x20000000, NEWNET: 0x40000000,
} as const;
export const RESOLVE = { NO_XDEV: 1, NO_MAGICLINKS: 2, NO_SYMLINKS: 4, BENEATH: 8, IN_ROOT: 16 } as const;
/** Open flags that `fs.constants` lacks. */
export const O = { PATH: 0x200000, CLOEXEC: 0x80000, TMPFILE: 0x410000 } as const;
export const AT_FDCWD = -100;
export const LOCK = { SH: 1, EX: 2, UN: 8 } as const;

const c = {
  mount: bind('int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data)'),
  umount2: bind('int umount2(const char *target, int flags)'),
  mknod: bind('int mknod(const char *path, unsigned int mode, unsigned long dev)'),
  unshare: bind('int unshare(int flags)'),
  setns: bind('int setns(int fd, int type)'),
  open: bind('int open(const char *path, int flags, ...)'),
  close: bind('int close(int fd)'),
  fchdir: bind('int fchdir(int fd)'),
  syncfs: bind('int syncfs(int fd)'),
  chdir: bind('int chdir(const char *path)'),
  chroot: bind('int chroot(const char *path)'),
  umask: bind('unsigned int umask(unsigned int mask)'),
  flock: bind('int flock(int fd, int operation)'),
  syscall: bind('long syscall(long number, ...)'),
  lsetxattr: bind('int lsetxattr(const char *path, const char *name, const void *value, size_t size, int flags)'),
  lgetxattr: bind('long lgetxattr(const char *path, const char *name, void *value, size_t size)'),
  llistxattr: bind('long llistxattr(const char *path, void *list, size_t size)'),
};

/** mount(2). `data` is the file system's own option string, at most one page (4095 bytes; longer throws E2BIG). */
export function mount(source: string | null, target: string, type: string | null, flags: number, data: string | null = null): void {
  if (data !== null && Buffer.byteLength(data) > 4095) throw errnoError(7, 'mount', target);
  const bytes = data === null ? null : Buffer.from(`${data}\0`);
  check(c.mount(source, target, type, flags, bytes), 'mount', target);
}

export function umount(target: string, flags: number = MNT.DETACH | MNT.NOFOLLOW): void {
  check(c.umount2(target, flags), 'umount', target);
}

/** `mode` includes the type bits (S_IFCHR, ...). The umask applies. */
export function mknod(path: string, mode: number, device: { major: number; minor: number } = { major: 0, minor: 0 }): void {
  check(c.mknod(path, mode, makeDevice(device)), 'mknod', path);
}

/** The 64-bit dev_t as glibc's makedev computes it. */
function makeDevice({ major, minor }: { major: number; minor: number }): bigint {
  const [a, b] = [BigInt(major), BigInt(minor)];
  return (b & 0xffn) | ((a & 0xfffn) << 8n) | ((b & ~0xffn) << 12n) | ((a & ~0xfffn) << 32n);
}

/** Moves the calling thread (and what it spawns) into new namespaces; CLONE.FS gives it a root and cwd of its own. */
export function unshare(flags: number): void {
  check(c.unshare(flags), 'unshare');
}

/** `type` is a CLONE.NEW* flag, or 0 for whatever the descriptor is. */
export function setns(fd: number, type = 0): void {
  check(c.setns(fd, type), 'setns');
}

/** open(2) with flags that fs.openSync does not pass, such as O.PATH. The descriptor is close-on-exec. */
export function open(path: string, flags: number, mode = 0): number {
  return check(c.open(path, flags | O.CLOEXEC, 'unsigned int', mode), 'open', path);
}

/**
 * openat2(2): the kernel resolves `path` below `dirfd`. With RESOLVE.IN_ROOT absolute paths, symlinks and `..` stay inside
 * (ENOENT, ELOOP otherwise); with RESOLVE.BENEATH an escape is EXDEV. The descriptor is close-on-exec.
 */
export function openat2(dirfd: number, path: string, options: { flags: number; mode?: number; resolve: number }): number {
  const how = Buffer.alloc(24);
  how.writeBigUInt64LE(BigInt(options.flags | O.CLOEXEC), 0);
  how.writeBigUInt64LE(BigInt(options.mode ?? 0), 8);
  how.writeBigUInt64LE(BigInt(options.resolve), 16);
  for (;;) {
    const fd = Number(c.syscall(437, 'int', dirfd, 'const char *', path, 'void *', how, 'size_t', 24));
    if (fd >= 0) return fd;
    // EAGAIN: a rename elsewhere raced with "..": the kernel asks for another try.
    if (lastErrno() !== 11) throw errnoError(lastErrno(), 'openat2', path);
  }
}

export function close(fd: number): void {
  check(c.close(fd), 'close');
}

export function fchdir(fd: number): void {
  check(c.fchdir(fd), 'fchdir');
}

/** Brings the whole file system that the descriptor is on to its disk. */
export function syncfs(fd: number): void {
  check(c.syncfs(fd), 'syncfs');
}

/** Unlike process.chdir this works in a worker, where it moves the whole process unless the thread did unshare(CLONE.FS). */
export function chdir(path: string): void {
  check(c.chdir(path), 'chdir', path);
}

export function chroot(path: string): void {
  check(c.chroot(path), 'chroot', path);
}

/** Sets the umask (of the thread, after unshare(CLONE.FS)) and returns the former one. */
export function umask(mask: number): number {
  return Number(c.umask(mask));
}

export function pivotRoot(newRoot: string, putOld: string): void {
  check(c.syscall(process.arch === 'x64' ? 155 : 41, 'const char *', newRoot, 'const char *', putOld), 'pivot_root', newRoot);
}

/** Copies bytes between open files inside the kernel, sharing them where the file system can. False when it cannot; less may be copied. */
export function copyRange(from: number, to: number, size: number): boolean {
  const number = process.arch === 'x64' ? 326 : 285;
  for (let left = size; left > 0; ) {
    const done = Number(c.syscall(number, 'int', from, 'void *', null, 'int', to, 'void *', null, 'size_t', left, 'unsigned int', 0));
    if (done < 0) return false;
    if (done === 0) return true;
    left -= done;
  }
  return true;
}

/** Tries to lock an open file; false when another descriptor holds it. The lock ends with the descriptor. */
export function flock(fd: number, operation: number = LOCK.EX): boolean {
  if (Number(c.flock(fd, operation | 4)) === 0) return true;
  if (lastErrno() === 11) return false;
  throw errnoError(lastErrno(), 'flock');
}

export function lsetxattr(path: string, name: string, value: Uint8Array): void {
  check(c.lsetxattr(path, name, value, value.length, 0), 'lsetxattr', path);
}

/** Undefined when the file has no such attribute. */
export function lgetxattr(path: string, name: string): Buffer | undefined {
  for (let size = 256; ; size = 65536) {
    const value = Buffer.alloc(size);
    const length = Number(c.lgetxattr(path, name, value, size));
    if (length >= 0) return value.subarray(0, length);
    if (lastErrno() === 61) return undefined;
    if (lastErrno() !== 34 || size === 65536) throw errnoError(lastErrno(), 'lgetxattr', path);
  }
}

/** Names; empty where the file system knows no attributes. */
export function llistxattr(path: string): string[] {
  for (let size = 1024; ; size = 65536) {
    const list = Buffer.alloc(size);
    const length = Number(c.llistxattr(path, list, size));
    if (length >= 0) return list.toString('utf8', 0, length).split('\0').filter((name) => name !== '');
    if (lastErrno() === 95) return [];
    if (lastErrno() !== 34 || size === 65536) throw errnoError(lastErrno(), 'llistxattr', path);
  }
}

/**
 * Calls `task` with a path that names the same file and fits a socket address (107 bytes), by way of a descriptor of its
 * folder when the path itself is too long.
 */
export function withShortPath<T>(path: string, task: (short: string) => T): T {
  if (Buffer.byteLength(path) <= 107) return task(path);
  const folder = open(dirname(path), O.PATH | constants.O_DIRECTORY);
  try {
    return task(`/proc/self/fd/${folder}/${basename(path)}`);
  } finally {
    close(folder);
  }
}
