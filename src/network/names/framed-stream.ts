import { close } from '#host/kernel.ts';
import { EPOLL, recv, send } from '#host/kernel-socket.ts';
import type { Poller } from '#host/poller.ts';

/** Bytes that a peer may leave unread, or unfinished, before it is let go. */
const MOST_WAITING = 256 * 1024;

/** DNS over TCP: messages with two bytes of length before each, on a stream socket that does not block. */
export class FramedStream {
  readonly #poller: Poller;
  readonly #fd: number;
  readonly #on: { message: (message: Buffer) => void; end: () => void };
  #received: Buffer = Buffer.alloc(0);
  #waiting: Buffer[] = [];
  #open = true;
  /** performance.now() of the last sign of life. */
  lastActive = performance.now();

  /** Owns the descriptor from now on. `end` is called once, when the peer or `close` ended it. */
  constructor(poller: Poller, fd: number, on: { message: (message: Buffer) => void; end: () => void }) {
    this.#poller = poller;
    this.#fd = fd;
    this.#on = on;
    poller.add(fd, (events) => this.#ready(events), EPOLL.IN | EPOLL.RDHUP);
  }

  write(message: Buffer): void {
    if (!this.#open) return;
    const frame = Buffer.alloc(2 + message.length);
    frame.writeUInt16BE(message.length);
    message.copy(frame, 2);
    this.#waiting.push(frame);
    this.#flush();
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#poller.delete(this.#fd);
    close(this.#fd);
    this.#on.end();
  }

  #ready(events: number): void {
    this.lastActive = performance.now();
    if ((events & EPOLL.OUT) !== 0) this.#flush();
    if (this.#open && (events & ~EPOLL.OUT) !== 0) this.#read();
  }

  #read(): void {
    const piece = Buffer.alloc(16384);
    let length: number;
    try {
      length = recv(this.#fd, piece);
    } catch {
      this.close();
      return;
    }
    if (length === -1) return;
    if (length === 0) {
      this.close();
      return;
    }
    this.#received = Buffer.concat([this.#received, piece.subarray(0, length)]);
    while (this.#open && this.#received.length >= 2) {
      const end = 2 + this.#received.readUInt16BE();
      if (this.#received.length < end) break;
      const message = this.#received.subarray(2, end);
      this.#received = this.#received.subarray(end);
      this.#on.message(message);
    }
  }

  #flush(): void {
    try {
      while (this.#waiting[0] !== undefined) {
        const sent = send(this.#fd, this.#waiting[0]);
        if (sent === this.#waiting[0].length) {
          this.#waiting.shift();
          continue;
        }
        if (sent > 0) this.#waiting[0] = this.#waiting[0].subarray(sent);
        break;
      }
    } catch {
      this.close();
      return;
    }
    const left = this.#waiting.reduce((sum, { length }) => sum + length, 0);
    if (left > MOST_WAITING) this.close();
    else this.#poller.modify(this.#fd, EPOLL.IN | EPOLL.RDHUP | (left > 0 ? EPOLL.OUT : 0));
  }
}
