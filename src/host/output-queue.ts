import type { OutputChunk } from '#spec/streams.ts';

/** Bytes that wait for a slow reader before the source is paused. */
const HOLD = 256 * 1024;

/** Chunks on their way to one reader, with back-pressure to their source. */
export class OutputQueue implements AsyncIterable<OutputChunk> {
  readonly #source: { pause: () => void; resume: () => void };
  #chunks: OutputChunk[] = [];
  #bytes = 0;
  #paused = false;
  #unbounded = false;
  #discarding = false;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(source: { pause: () => void; resume: () => void }) {
    this.#source = source;
  }

  get paused(): boolean {
    return this.#paused;
  }

  push(chunk: OutputChunk): void {
    if (this.#discarding) return;
    this.#chunks.push(chunk);
    this.#bytes += chunk.data.length;
    if (this.#bytes > HOLD && !this.#unbounded && !this.#paused) {
      this.#paused = true;
      this.#source.pause();
    }
    this.#wake?.();
  }

  /** No more back-pressure: what still comes is little. */
  unbind(): void {
    this.#unbounded = true;
    this.#release();
  }

  /** The reader gets what is queued and then the end. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** The reader is gone: what is queued and what comes is dropped. */
  discard(): void {
    this.#discarding = true;
    this.#chunks = [];
    this.#bytes = 0;
    this.#release();
    this.end();
  }

  #release(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#source.resume();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<OutputChunk> {
    for (;;) {
      const chunks = this.#chunks;
      if (chunks.length > 0) {
        this.#chunks = [];
        for (const chunk of chunks) {
          if (this.#discarding) return;
          this.#bytes -= chunk.data.length;
          if (this.#bytes <= HOLD / 2) this.#release();
          yield chunk;
        }
      } else if (this.#ended) {
        return;
      } else {
        await new Promise<void>((resolve) => (this.#wake = resolve));
        this.#wake = undefined;
      }
    }
  }
}
