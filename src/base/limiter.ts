/** At most so many at a time, first come first served. */
export class Limiter {
  #free: number;
  readonly #waiting: ((turn: boolean) => void)[] = [];

  constructor(most: number) {
    this.#free = most;
  }

  /** True when the next one would have to wait. */
  get busy(): boolean {
    return this.#free <= 0;
  }

  async run<T>(signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    if (this.#free > 0) this.#free--;
    else if (!(await this.#turn(signal))) signal.throwIfAborted();
    try {
      signal.throwIfAborted();
      return await task();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next(true);
    }
  }

  /** False when the one who waits gave up before it was their turn. */
  async #turn(signal: AbortSignal): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#waiting.push(resolve);
    const giveUp = (): void => {
      const at = this.#waiting.indexOf(resolve);
      if (at >= 0) this.#waiting.splice(at, 1);
      resolve(false);
    };
    signal.addEventListener('abort', giveUp, { once: true });
    const turn = await promise;
    signal.removeEventListener('abort', giveUp);
    return turn;
  }
}
