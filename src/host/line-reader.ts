import { Socket } from 'node:net';

/** Lines from a pipe; owns the descriptor. */
export class LineReader {
  readonly #socket: Socket;
  #text = '';
  #ended = false;
  #wake = Promise.withResolvers<void>();

  constructor(fd: number) {
    this.#socket = new Socket({ fd, readable: true, writable: false });
    this.#socket.setEncoding('utf8');
    this.#socket.on('data', (text: string) => {
      this.#text += text;
      this.#notify();
    });
    const end = (): void => {
      this.#ended = true;
      this.#notify();
    };
    this.#socket.on('error', end);
    this.#socket.on('close', end);
  }

  #notify(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  /** The next line, or undefined at the end. Rejects with the signal's reason. */
  async next(signal: AbortSignal): Promise<string | undefined> {
    await this.peek(signal);
    const end = this.#text.indexOf('\n');
    const line = end < 0 ? this.#text : this.#text.slice(0, end);
    this.#text = end < 0 ? '' : this.#text.slice(end + 1);
    return line === '' && this.#ended ? undefined : line;
  }

  /** Resolves when a line or the end is there, without taking it. */
  async peek(signal: AbortSignal): Promise<string | undefined> {
    while (!this.#text.includes('\n') && !this.#ended) {
      const aborted = Promise.withResolvers<never>();
      const abort = (): void => aborted.reject(signal.reason as Error);
      signal.addEventListener('abort', abort, { once: true });
      try {
        signal.throwIfAborted();
        await Promise.race([this.#wake.promise, aborted.promise]);
      } finally {
        signal.removeEventListener('abort', abort);
      }
    }
    return this.#text === '' ? undefined : this.#text;
  }

  close(): void {
    this.#socket.destroy();
  }
}
