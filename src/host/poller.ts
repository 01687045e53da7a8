/**
 * An event loop for a process that only moves packets: epoll with handlers and timers on the calling thread. It costs less
 * a packet than Node's own loop, which is idle meanwhile: nothing else of Node that waits works in such a process.
 */
import { bind, errnoError, lastErrno } from './libc.ts';
import { EPOLL, epollControl, epollCreate } from './kernel-socket.ts';

const MOST = 64;
const EINTR = 4;
const wait = bind('int epoll_wait(int epoll, void *events, int count, int timeout)');

/** Called with the EPOLL bits that are true of the descriptor. */
export type ReadyHandler = (events: number) => void;

export class Poller {
  readonly #epoll = epollCreate();
  readonly #handlers = new Map<number, ReadyHandler>();
  readonly #timers = new Map<() => void, number>();
  readonly #size = process.arch === 'x64' ? 12 : 16;
  readonly #events = Buffer.alloc(this.#size * MOST);
  #stopped = false;

  add(fd: number, handler: ReadyHandler, events: number = EPOLL.IN): void {
    epollControl(this.#epoll, 'add', fd, events);
    this.#handlers.set(fd, handler);
  }

  modify(fd: number, events: number): void {
    epollControl(this.#epoll, 'modify', fd, events);
  }

  /** Before the descriptor is closed. */
  delete(fd: number): void {
    if (this.#handlers.delete(fd)) epollControl(this.#epoll, 'delete', fd);
  }

  /** Calls `task` once, `milliseconds` from now; a second call moves it. */
  after(milliseconds: number, task: () => void): void {
    this.#timers.set(task, performance.now() + milliseconds);
  }

  cancel(task: () => void): void {
    this.#timers.delete(task);
  }

  /** Until `stop`. One ready descriptor after the other gets its turn, so that none starves another. */
  run(): void {
    while (!this.#stopped) this.turn(this.#untilNextTimer());
  }

  stop(): void {
    this.#stopped = true;
  }

  /** One round: waits up to `timeout` ms (-1: for ever), serves what is ready, then what is due. */
  turn(timeout: number): void {
    const count = Number(wait(this.#epoll, this.#events, MOST, timeout));
    if (count < 0 && lastErrno() !== EINTR) throw errnoError(lastErrno(), 'epoll_wait');
    for (let index = 0; index < count; index++) {
      const offset = index * this.#size;
      // A handler may have closed a descriptor that is ready too.
      this.#handlers.get(this.#events.readInt32LE(offset + this.#size - 8))?.(this.#events.readUInt32LE(offset));
    }
    if (this.#timers.size > 0) this.#runTimers();
  }

  #untilNextTimer(): number {
    if (this.#timers.size === 0) return -1;
    const next = Math.min(...this.#timers.values());
    return Math.max(0, Math.ceil(next - performance.now()));
  }

  #runTimers(): void {
    const now = performance.now();
    for (const [task, due] of this.#timers) {
      if (due > now) continue;
      this.#timers.delete(task);
      task();
    }
  }
}
