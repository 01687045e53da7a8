/**
 * Looks for the detach sequence in what a terminal sends. A prefix of the sequence is held back until the next bytes decide:
 * it goes through when they do not continue it.
 */
export class DetachWatcher {
  readonly #keys: Uint8Array;
  #matched = 0;

  constructor(keys: Uint8Array) {
    this.#keys = keys;
  }

  /** What goes on to the process, and whether the sequence was completed (what came behind it is dropped). */
  push(data: Uint8Array): { pass: Uint8Array; detached: boolean } {
    const keys = this.#keys;
    if (keys.length === 0 || (this.#matched === 0 && !data.includes(keys[0]!))) return { pass: data, detached: false };
    const pass: number[] = [];
    for (const byte of data) {
      if (byte === keys[this.#matched]) {
        this.#matched++;
        if (this.#matched === keys.length) {
          this.#matched = 0;
          return { pass: Uint8Array.from(pass), detached: true };
        }
        continue;
      }
      pass.push(...keys.subarray(0, this.#matched));
      this.#matched = 0;
      if (byte === keys[0]) this.#matched = 1;
      else pass.push(byte);
    }
    return { pass: Uint8Array.from(pass), detached: false };
  }
}
