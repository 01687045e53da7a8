import { close } from './kernel.ts';
import { bind, errnoError, lastErrno } from './libc.ts';
import { processes } from './process.ts';

const syscall = bind('long syscall(long number, ...)');
const [PIDFD_OPEN, PIDFD_SEND_SIGNAL] = [434, 424];
const [ESRCH, EINVAL, ENOSYS] = [3, 22, 38];

/**
 * Signals a process that started at `startTime` (undefined: whoever has the pid now), and no other: between the look and
 * the signal the pid is held by a descriptor. False when there is no such process.
 */
export function sendSignal(pid: number, startTime: number | undefined, signal: number): boolean {
  if (pid <= 0) return false;
  const fd = Number(syscall(PIDFD_OPEN, 'int', pid, 'unsigned int', 0));
  if (fd < 0) {
    const errno = lastErrno();
    if (errno === ESRCH || errno === EINVAL) return false;
    if (errno === ENOSYS) return sendByNumber(pid, startTime, signal);
    throw errnoError(errno, 'pidfd_open');
  }
  try {
    const found = processes.startTime(pid);
    if (found === undefined || (startTime !== undefined && found !== startTime)) return false;
    if (Number(syscall(PIDFD_SEND_SIGNAL, 'int', fd, 'int', signal, 'void *', null, 'unsigned int', 0)) === 0) return true;
    if (lastErrno() === ESRCH) return false;
    throw errnoError(lastErrno(), 'pidfd_send_signal');
  } finally {
    close(fd);
  }
}

function sendByNumber(pid: number, startTime: number | undefined, signal: number): boolean {
  if (startTime !== undefined && !processes.isAlive(pid, startTime)) return false;
  process.kill(pid, signal);
  return true;
}
