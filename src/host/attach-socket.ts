import type { Socket } from 'node:net';
import type { OutputChunk } from '#spec/streams.ts';
import { descriptorStream } from './descriptor-stream.ts';
import { AF, SOCK, connectUnix, socket } from './kernel-socket.ts';
import { close as closeFd } from './kernel.ts';
import { OutputQueue } from './output-queue.ts';
import type { AttachConnection } from './runtime.ts';

/** conmon reads packets into 32 KiB and drops what is beyond. */
const LARGEST_PACKET = 16 * 1024;
const STDOUT = 2;

/** A connection to conmon's SEQPACKET socket on Node's own event loop. */
function openSeqpacket(path: string): Socket {
  const fd = socket(AF.UNIX, SOCK.SEQPACKET | SOCK.NONBLOCK);
  try {
    connectUnix(fd, path);
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  return descriptorStream(fd);
}

export interface AttachSocketOptions {
  path: string;
  /**
   * False for a client that only watches. conmon ends the process's stdin when any connection closes (unless stdin stays
   * open), so `close` of a watcher drains the connection until the process ends instead of closing it.
   */
  input: boolean;
  /** Whether the process is known to have ended; asked while a slow reader holds its output back. */
  ended: () => boolean;
  /** Told of input; says when nobody reads it any more. */
  stdin: { closed: boolean; written(): void };
}

/** Connects; throws ENOENT or ECONNREFUSED when no monitor listens. */
export function connectAttachSocket(options: AttachSocketOptions): AttachConnection {
  return new AttachSocket(openSeqpacket(options.path), options);
}

class AttachSocket implements AttachConnection {
  readonly output: AsyncIterable<OutputChunk>;
  readonly #socket: Socket;
  readonly #input: boolean;
  readonly #stdin: AttachSocketOptions['stdin'];
  readonly #queue: OutputQueue;
  #lastWrite: Promise<void> = Promise.resolve();
  #inputEnded = false;
  #closed = false;
  #watch: NodeJS.Timeout | undefined;

  constructor(stream: Socket, { input, ended, stdin }: AttachSocketOptions) {
    this.#socket = stream;
    this.#stdin = stdin;
    this.#input = input;
    this.#queue = new OutputQueue({ pause: () => this.#holdBack(ended), resume: () => this.#release() });
    this.output = this.#queue;
    stream.on('data', (packet: Buffer) => {
      if (packet.length > 1) this.#queue.push({ stream: packet[0] === STDOUT ? 'stdout' : 'stderr', data: packet.subarray(1) });
    });
    stream.once('end', () => {
      this.#queue.end();
      stream.destroy();
    });
    stream.once('close', () => {
      clearInterval(this.#watch);
      this.#queue.end();
    });
    // ECONNRESET when the monitor dies: the same as its end.
    stream.on('error', () => {});
  }

  /**
   * Leaves further output with conmon, which then blocks and with it the process. But conmon cannot report an exit while
   * it blocks: what is left of a process that ended is a few pipes' worth, and is taken whatever the reader does.
   */
  #holdBack(ended: () => boolean): void {
    this.#socket.pause();
    this.#watch ??= setInterval(() => {
      if (ended()) this.#queue.unbind();
    }, 250).unref();
  }

  #release(): void {
    clearInterval(this.#watch);
    this.#watch = undefined;
    this.#socket.resume();
  }

  /** Resolves when conmon's socket took the bytes; bytes for a process that is gone, or reads none, are dropped. */
  write(data: Uint8Array): Promise<void> {
    this.#lastWrite = this.#lastWrite.then(() => this.#send(data));
    return this.#lastWrite;
  }

  async #send(data: Uint8Array): Promise<void> {
    // One packet at a time: Node joins queued writes into one packet, which might be too long.
    for (let offset = 0; offset < data.length; offset += LARGEST_PACKET) {
      if (!this.#socket.writable || this.#inputEnded || this.#stdin.closed) return;
      const packet = data.subarray(offset, offset + LARGEST_PACKET);
      this.#stdin.written();
      await new Promise<void>((resolve) => this.#socket.write(packet, () => resolve()));
    }
  }

  endInput(): void {
    if (!this.#input) return;
    void this.#lastWrite.then(() => {
      this.#inputEnded = true;
      if (this.#socket.writable) this.#socket.end();
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#queue.discard();
    if (this.#input) this.#socket.destroy();
    else this.#socket.unref();
  }
}
