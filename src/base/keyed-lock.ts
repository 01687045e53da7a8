/**
 * Mutual exclusion per key, first come first served. Keys cost nothing while unused.
 * Never hold one across a call that can hang on a container (a runtime call, a copy).
 */
export class KeyedLock {
  readonly #tails = new Map<string, Promise<void>>();

  async run<T>(key: string, task: () => T | Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const tail = before.then(() => promise);
    this.#tails.set(key, tail);
    await before;
    try {
      return await task();
    } finally {
      resolve();
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    }
  }

  /** True while someone holds or waits for the key. */
  busy(key: string): boolean {
    return this.#tails.has(key);
  }
}
