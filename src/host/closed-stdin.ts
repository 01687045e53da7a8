/**
 * A process may close its stdin while a client still types. conmon 2.1 then tries the same write again and again, on one
 * core, until the process ends. So after every input it is looked whether anybody reads the pipe; when nobody does, what
 * conmon holds is read here and dropped, and no more input is given to it.
 */
import { closeSync, constants, openSync, readdirSync, readFileSync, readlinkSync, readSync } from 'node:fs';
import { isErrno } from '#base/errors.ts';
import { bind } from './libc.ts';

const { O_RDONLY, O_WRONLY, O_NONBLOCK } = constants;
const CLOEXEC = 0o2000000;
const STDIN_FLAGS = CLOEXEC | O_NONBLOCK | O_WRONLY;
const MASK = CLOEXEC | O_NONBLOCK | 3;
const POLLERR = 8;
const poll = bind('int poll(void *entries, unsigned long count, int timeout)');
/** Milliseconds from an input to the looks that follow it; the last goes on, since what conmon could not write yet waits. */
const LOOKS = [30, 100, 500, 2000];

export class StdinWatch {
  /** Nobody reads the process's stdin any more. */
  closed = false;
  readonly #monitor: () => number | undefined;
  readonly #ended: () => boolean;
  #timer: NodeJS.Timeout | undefined;
  #looks = 0;

  /** `ended` tells whether the process did; `monitor` is conmon's pid. */
  constructor(monitor: () => number | undefined, ended: () => boolean) {
    this.#monitor = monitor;
    this.#ended = ended;
  }

  /** conmon was given input. */
  written(): void {
    this.#looks = 0;
    if (this.#timer === undefined) this.#timer = this.#later();
  }

  #later(): NodeJS.Timeout {
    const pause = LOOKS[Math.min(this.#looks++, LOOKS.length - 1)];
    return setTimeout(() => {
      this.#timer = undefined;
      if (this.closed || this.#ended()) return;
      this.closed = this.#look();
      if (!this.closed) this.#timer = this.#later();
    }, pause).unref();
  }

  #look(): boolean {
    const monitor = this.#monitor();
    const path = monitor === undefined ? undefined : stdinPipe(monitor);
    // conmon closed its end: there is nothing it could write.
    if (path === undefined) return true;
    if (isRead(path)) return false;
    drop(path);
    return true;
  }
}

/**
 * The end that conmon writes: a pipe that it made (inherited ones are not close-on-exec), does not wait for, and has no
 * other end of.
 */
function stdinPipe(monitor: number): string | undefined {
  try {
    const pipes = readdirSync(`/proc/${monitor}/fd`).flatMap((fd) => {
      const link = readlinkSync(`/proc/${monitor}/fd/${fd}`);
      return link.startsWith('pipe:') ? [{ fd, link }] : [];
    });
    const found = pipes.find(({ fd, link }) => pipes.every((other) => other.fd === fd || other.link !== link) && (flagsOf(monitor, fd) & MASK) === STDIN_FLAGS);
    return found === undefined ? undefined : `/proc/${monitor}/fd/${found.fd}`;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH')) return undefined;
    throw error;
  }
}

const flagsOf = (pid: number, fd: string): number => Number.parseInt(/^flags:\s+([0-7]+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'latin1'))?.[1] ?? '0', 8);

/** A pipe of which nobody holds the other end is in error for its writer. */
function isRead(path: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, O_WRONLY | O_NONBLOCK);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return true;
    throw error;
  }
  try {
    const entry = Buffer.alloc(8);
    entry.writeInt32LE(fd, 0);
    poll(entry, 1, 0);
    return (entry.readInt16LE(6) & POLLERR) === 0;
  } finally {
    closeSync(fd);
  }
}

/** Stands in as the reader until conmon has nothing left to write. */
function drop(path: string): void {
  let fd: number;
  try {
    fd = openSync(path, O_RDONLY | O_NONBLOCK);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    throw error;
  }
  const buffer = Buffer.allocUnsafe(65536);
  let quiet = 0;
  const timer = setInterval(() => {
    quiet++;
    try {
      while (readSync(fd, buffer) > 0) quiet = 0;
    } catch (error) {
      if (!isErrno(error, 'EAGAIN')) quiet = Infinity;
    }
    if (quiet < 10) return;
    clearInterval(timer);
    closeSync(fd);
  }, 10).unref();
}
