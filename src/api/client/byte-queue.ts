/**
 * Bytes that arrive by events and are read by a loop. Calls `hold` when more than `limit` bytes wait and `resume` when the
 * reader caught up; `abandon` when the reader left before the end.
 */
export class ByteQueue implements AsyncIterable<Uint8Array> {
  #chunks: Uint8Array[] = [];
  #size = 0;
  #held = false;
  #ended = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;
  readonly #flow: { hold: () => void; resume: () => void; abandon: () => void };
  readonly #limit: number;

  constructor(flow: { hold: () => void; resume: () => void; abandon: () => void }, limit = 256 * 1024) {
    this.#flow = flow;
    this.#limit = limit;
  }

  get ended(): boolean {
    return this.#ended;
  }

  push(bytes: Uint8Array): void {
    if (this.#ended || bytes.length === 0) return;
    this.#chunks.push(bytes);
    this.#size += bytes.length;
    if (this.#size > this.#limit && !this.#held) {
      this.#held = true;
      this.#flow.hold();
    }
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** What was queued is still read before the error is thrown. */
  fail(error: Error): void {
    if (this.#ended) return;
    this.#error = error;
    this.end();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const chunks = this.#chunks;
        this.#chunks = [];
        this.#size = 0;
        if (this.#held) {
          this.#held = false;
          this.#flow.resume();
        }
        yield* chunks;
        if (this.#chunks.length > 0) continue;
        if (this.#ended) break;
        await new Promise<void>((resolve) => (this.#wake = resolve));
        this.#wake = undefined;
      }
      if (this.#error) throw this.#error;
    } finally {
      if (!this.#ended) {
        this.#ended = true;
        this.#flow.abandon();
      }
    }
  }
}
