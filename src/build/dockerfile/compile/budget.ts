import { invalid } from '#base/errors.ts';

/** Characters that a compilation may make of a file: expanded words, environments of steps, history. */
const MOST = 128 << 20;

/** A few lines can ask for gigabytes; this says no before they are there. */
export class Budget {
  #left = MOST;

  /** Throws invalid_argument when there is no more. */
  spend(characters: number): void {
    this.#left -= characters;
    if (this.#left < 0) throw invalid(`the Dockerfile expands to more than ${MOST >> 20} MiB of text`);
  }
}
