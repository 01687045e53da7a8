/** Many datagrams with one system call (recvmmsg, sendmmsg), for IPv4 sockets that do not block. */
import { bind, errnoError, lastErrno, nativeInterface } from './libc.ts';
import { MSG, SOCK } from './kernel-socket.ts';

const [HEADER, VECTOR, NAME] = [64, 16, 16];
const [EAGAIN, EINTR, ECONNABORTED, ECONNREFUSED] = [11, 4, 103, 111];

const c = {
  receive: bind('int recvmmsg(int fd, void *headers, unsigned int count, int flags, void *timeout)'),
  send: bind('int sendmmsg(int fd, void *headers, unsigned int count, int flags)'),
  sendTo: bind('long sendto(int fd, const void *data, size_t length, int flags, const void *to, unsigned int size)'),
  accept: bind('int accept4(int fd, void *address, void *length, int flags)'),
};

/**
 * Room for `size` datagrams that came in and as many answers. An answer goes to where the datagram of the same position came
 * from. One batch serves any number of sockets, one after the other.
 */
export class DatagramBatch {
  readonly input: Buffer;
  readonly output: Buffer;
  readonly room: number;
  readonly #names: Buffer;
  readonly #vectors: { in: Buffer; out: Buffer };
  readonly #headers: { in: Buffer; out: Buffer };
  readonly #size: number;
  #answers = 0;

  /** `room`: bytes for one datagram; longer ones are cut (`wasCut`). */
  constructor(size: number, room: number) {
    const { address } = nativeInterface();
    this.#size = size;
    this.room = room;
    this.input = Buffer.alloc(size * room);
    this.output = Buffer.alloc(size * room);
    this.#names = Buffer.alloc(size * NAME);
    this.#vectors = { in: Buffer.alloc(size * VECTOR), out: Buffer.alloc(size * VECTOR) };
    this.#headers = { in: Buffer.alloc(size * HEADER), out: Buffer.alloc(size * HEADER) };
    for (let index = 0; index < size; index++) {
      for (const direction of ['in', 'out'] as const) {
        const [headers, vectors] = [this.#headers[direction], this.#vectors[direction]];
        const bytes = direction === 'in' ? this.input : this.output;
        vectors.writeBigUInt64LE(address(bytes) + BigInt(index * room), index * VECTOR);
        vectors.writeBigUInt64LE(BigInt(room), index * VECTOR + 8);
        headers.writeBigUInt64LE(address(this.#names) + BigInt(index * NAME), index * HEADER);
        headers.writeUInt32LE(NAME, index * HEADER + 8);
        headers.writeBigUInt64LE(address(vectors) + BigInt(index * VECTOR), index * HEADER + 16);
        headers.writeBigUInt64LE(1n, index * HEADER + 24);
      }
    }
  }

  /** How many came; 0 when nothing is there. */
  receive(fd: number): number {
    const headers = this.#headers.in;
    for (let index = 0; index < this.#size; index++) headers.writeUInt32LE(NAME, index * HEADER + 8);
    const count = Number(c.receive(fd, headers, this.#size, MSG.DONTWAIT, null));
    if (count >= 0) return count;
    const errno = lastErrno();
    // An answer to somebody who is gone comes back as an error of the socket.
    if (errno === EAGAIN || errno === EINTR || errno === ECONNREFUSED) return 0;
    throw errnoError(errno, 'recvmmsg');
  }

  length(index: number): number {
    return this.#headers.in.readUInt32LE(index * HEADER + 56);
  }

  wasCut(index: number): boolean {
    return (this.#headers.in.readUInt32LE(index * HEADER + 48) & MSG.TRUNC) !== 0;
  }

  /** The sender's sockaddr_in, copied. */
  sender(index: number): Buffer {
    return Buffer.from(this.#names.subarray(index * NAME, (index + 1) * NAME));
  }

  /** Where the next answer is to be written in `output`. */
  get answerOffset(): number {
    return this.#answers * this.room;
  }

  /** Queues the `length` bytes at `answerOffset` for the sender of the datagram `index`. */
  answer(index: number, length: number): void {
    const position = this.#answers++;
    const headers = this.#headers.out;
    headers.writeBigUInt64LE(this.#headers.in.readBigUInt64LE(index * HEADER), position * HEADER);
    this.#vectors.out.writeUInt32LE(length, position * VECTOR + 8);
  }

  /** Sends what is queued. What the kernel does not take is lost, as datagrams may be. */
  flush(fd: number): void {
    const count = this.#answers;
    this.#answers = 0;
    for (let sent = 0; sent < count; ) {
      const done = Number(c.send(fd, sent === 0 ? this.#headers.out : this.#headers.out.subarray(sent * HEADER), count - sent, MSG.DONTWAIT | MSG.NOSIGNAL));
      if (done < 0) {
        const errno = lastErrno();
        if (errno === EAGAIN) return;
        if (errno === EINTR) continue;
        // This one cannot be sent; the others can.
        sent++;
      } else {
        sent += Math.max(1, done);
      }
    }
  }
}

/** One datagram to a sockaddr; what cannot be sent is lost. */
export function sendDatagram(fd: number, data: Uint8Array, to: Uint8Array): void {
  c.sendTo(fd, data, data.length, MSG.DONTWAIT | MSG.NOSIGNAL, to, to.length);
}

/** The next connection as a descriptor that neither blocks nor is inherited; undefined when none waits. */
export function accept(fd: number): number | undefined {
  const found = Number(c.accept(fd, null, null, SOCK.NONBLOCK | SOCK.CLOEXEC));
  if (found >= 0) return found;
  const errno = lastErrno();
  if (errno === EAGAIN || errno === EINTR || errno === ECONNABORTED) return undefined;
  throw errnoError(errno, 'accept4');
}
