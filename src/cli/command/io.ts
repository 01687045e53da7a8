import { writeSync } from 'node:fs';
import { isatty, WriteStream } from 'node:tty';

/** One of our output streams. Writes block, so that a slow reader slows what feeds it. */
export class Output {
  readonly #fd: number;
  #terminal: boolean | undefined;

  constructor(fd: 1 | 2) {
    this.#fd = fd;
  }

  get terminal(): boolean {
    return (this.#terminal ??= isatty(this.#fd));
  }

  /** Columns and rows of the terminal; undefined when it is none. */
  get size(): { width: number; height: number } | undefined {
    if (!this.terminal) return undefined;
    const stream = this.#fd === 1 ? process.stdout : process.stderr;
    if (!(stream instanceof WriteStream)) return undefined;
    stream._refreshSize?.();
    return { width: stream.columns, height: stream.rows };
  }

  /** Writes everything. A reader that went away ends the process, as SIGPIPE would. */
  write(data: string | Uint8Array): void {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    let at = 0;
    while (at < bytes.length) {
      try {
        at += writeSync(this.#fd, bytes, at, bytes.length - at);
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? error.code : undefined;
        // Someone else made the pipe non-blocking: wait a moment for its reader.
        if (code === 'EAGAIN') pause(2);
        else if (code === 'EPIPE') process.exit(141);
        else throw error;
      }
    }
  }

  line(text: string): void {
    this.write(`${text}\n`);
  }
}

declare module 'node:tty' {
  interface WriteStream {
    _refreshSize?(): void;
  }
}

let waiting: Int32Array | undefined;

function pause(milliseconds: number): void {
  waiting ??= new Int32Array(new SharedArrayBuffer(4));
  Atomics.wait(waiting, 0, 0, milliseconds);
}

export const stdinIsTerminal = (): boolean => isatty(0);
