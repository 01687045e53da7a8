import { setImmediate } from 'node:timers/promises';

const LONGEST_MS = 10;

/** Lets others have the event loop during long work. */
export class Breather {
  #since = performance.now();

  async pause(): Promise<void> {
    if (performance.now() - this.#since < LONGEST_MS) return;
    await setImmediate();
    this.#since = performance.now();
  }
}
