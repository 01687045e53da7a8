import type { Cli } from './cli.ts';
import type { Completion, FlagTable, FlagValues } from './flag.ts';

export interface Invocation<F> {
  cli: Cli;
  flags: FlagValues<F>;
  /** Names of the flags that were given. */
  given: ReadonlySet<string>;
  args: readonly string[];
}

/** How many positional arguments a command takes. */
export interface Arity {
  min: number;
  /** Undefined for any number. */
  max: number | undefined;
}

export interface Command<F extends FlagTable = FlagTable> {
  /** After the program and command path, e.g. `[OPTIONS] CONTAINER`. */
  usage: string;
  short: string;
  /** Paragraphs shown under the short text. */
  long?: string;
  flags: F;
  args: Arity;
  /** Flags end at the first positional argument (run, exec, top). */
  stopAtFirstArg?: boolean;
  /** Flags are not parsed: all words are arguments. */
  anyFlags?: boolean;
  /** What each positional argument completes to; the last entry repeats. */
  complete?: readonly Completion[];
  /** Errors of `run` are reported as `docker run` does: prefixed, with a hint, exit code 125. */
  strictErrors?: boolean;
  /** Returns the exit code; undefined is 0. Throws EngineError, CliError or any Error for a failure. */
  run(invocation: Invocation<F>): Promise<number | undefined | void>;
}

/** Ties the flag table's types to the body. */
export function defineCommand<const F extends FlagTable>(command: Command<F>): Command {
  return command as unknown as Command;
}

export interface Leaf {
  kind: 'command';
  name: string;
  aliases: readonly string[];
  short: string;
  hidden: boolean;
  load(): Promise<Command>;
}

export interface Group {
  kind: 'group';
  name: string;
  aliases: readonly string[];
  short: string;
  hidden: boolean;
  children: readonly Node[];
}

export type Node = Leaf | Group;

/** A failure with its exit code; `message` empty when everything was said already. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exitCode: number;
  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}
