import type { JsonMessage } from '#spec/wire/image.ts';

/** Milliseconds between two reports of the same thing's progress. */
const PACE = 100;

/**
 * Messages of work that goes on side by side, as one stream. Sentences all arrive, in order; of the numbers between them only
 * the latest counts, and no more often than people can read: a slow reader costs no memory.
 */
export class Progress {
  readonly #messages: JsonMessage[] = [];
  readonly #moving = new Map<string, JsonMessage>();
  readonly #shownAt = new Map<string, number>();
  #over = false;
  #failure: { error: unknown } | undefined;
  #wake: () => void = () => {};

  say(message: JsonMessage): void {
    // What is said of a thing overtakes its numbers.
    if (message.id !== undefined) this.#moving.delete(message.id);
    this.#messages.push(message);
    this.#wake();
  }

  /** `Downloading`, `Pushing`, ...: with Docker's bar for clients that print it as it comes. */
  move(id: string, status: string, current: number, total: number): void {
    this.#moving.set(id, { status, progressDetail: { current, total }, progress: bar(current, total), id });
    this.#wake();
  }

  end(): void {
    this.#over = true;
    this.#wake();
  }

  fail(error: unknown): void {
    this.#failure ??= { error };
    this.end();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<JsonMessage> {
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) {
        yield message;
        continue;
      }
      if (this.#over) {
        if (this.#failure !== undefined) throw this.#failure.error;
        return;
      }
      const now = performance.now();
      let soonest = Infinity;
      let due: JsonMessage | undefined;
      for (const [id, moving] of this.#moving) {
        const wait = (this.#shownAt.get(id) ?? -Infinity) + PACE - now;
        if (wait <= 0) {
          due = moving;
          this.#moving.delete(id);
          this.#shownAt.set(id, now);
          break;
        }
        soonest = Math.min(soonest, wait);
      }
      if (due !== undefined) {
        yield due;
        continue;
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = soonest === Infinity ? undefined : setTimeout(resolve, soonest);
      // Numbers that wait their turn need no look when others move.
      this.#wake = soonest === Infinity ? resolve : () => void ((this.#messages.length > 0 || this.#over) && resolve());
      await promise;
      clearTimeout(timer);
      this.#wake = () => {};
    }
  }
}

function bar(current: number, total: number): string {
  const now = humanSize(current);
  if (total <= 0) return now.padStart(8);
  const part = Math.min(50, Math.floor((current / total) * 50));
  return `[${'='.repeat(part)}>${' '.repeat(50 - part)}] ${now.padStart(8)}/${humanSize(total)}`;
}

/** As Docker prints sizes: four significant digits, powers of 1000. */
function humanSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  for (; value >= 1000 && unit < 5; unit++) value /= 1000;
  return `${Number(value.toPrecision(4))}${['B', 'kB', 'MB', 'GB', 'TB', 'PB'][unit] ?? 'PB'}`;
}
