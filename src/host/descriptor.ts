import { bind, check } from './libc.ts';

const c = {
  fcntl: bind('int fcntl(int fd, int command, ...)'),
  dup2: bind('int dup2(int from, int to)'),
};
const [F_GETFD, F_SETFD, FD_CLOEXEC] = [1, 2, 1];

/** Sets or clears close-on-exec of a descriptor that this process holds; EBADF when it does not. */
export function setCloseOnExec(fd: number, closes = true): void {
  const flags = check(c.fcntl(fd, F_GETFD), 'fcntl');
  check(c.fcntl(fd, F_SETFD, 'int', closes ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC), 'fcntl');
}

/** Makes `to` another name of what `from` is; what `to` was before is closed. */
export function replaceDescriptor(from: number, to: number): void {
  check(c.dup2(from, to), 'dup2');
}

const syscall = bind('long syscall(long number, ...)');
const [CLOSE_RANGE, CLOSE_RANGE_CLOEXEC] = [436, 4];

/** Marks every descriptor from 3 on close-on-exec, so that programs started from here hold nothing of our own starter's. */
export function closeAllOnExec(): void {
  // Kernels before 5.11 refuse; then the starter's descriptors merely stay open.
  syscall(CLOSE_RANGE, 'unsigned int', 3, 'unsigned int', 0xffffffff, 'unsigned int', CLOSE_RANGE_CLOEXEC);
}
