import type { GantrySubject } from './gantry-subject.ts';
import type { Report } from './report.ts';

export interface Subject {
  label: string;
  /** The words before the arguments: a CLI. */
  cli: readonly string[];
  socket: string;
}

/** What a topic measures with and on. */
export interface Bench {
  gantry: GantrySubject;
  /** Gantry with our CLI, Gantry with docker's, then the peers that run. */
  subjects: readonly Subject[];
  /** Each engine once, Gantry first. */
  engines: readonly Subject[];
  /** busybox, imported into every engine. */
  image: string;
  /** How often a usual row is measured; GANTRY_BENCH_ROUNDS changes it. */
  rounds: number;
  /** Takes rows of other shapes and the sentences below the table. */
  report: Report;
  /**
   * One row: calls `once` for every subject in turn, `count` times, and reports the medians. `once` returns milliseconds; it is
   * called one time more before that, with round -1, which does not count.
   */
  compare(row: string, count: number, once: (subject: Subject, round: number) => Promise<number>, among?: readonly Subject[]): Promise<void>;
  /** Milliseconds of a command line of the subject's CLI; rejects when it fails. */
  call(subject: Subject, args: readonly string[]): Promise<number>;
  /** Containers that a topic names like this are removed whatever happens: `gantry-bench-WORD-SUBJECT`. */
  name(word: string, subject: Subject): string;
}

/** What a file of `bench/` exports: one function. What it makes in the engines it removes. */
export type Topic = (bench: Bench) => Promise<void>;
