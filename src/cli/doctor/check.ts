/** One thing that the doctor looked at. */
export interface Finding {
  /** `fail`: containers cannot run. `warn`: something will not work. */
  state: 'ok' | 'warn' | 'fail';
  what: string;
  /** What was found. */
  found: string;
  /** How to mend it, as a command or one sentence; empty when nothing is wrong. */
  mend: string;
}

/** What the checks look at; tests bring a machine of their own. */
export interface Machine {
  user: number;
  userName: string;
  env: Readonly<Record<string, string | undefined>>;
  /** Undefined when it cannot be read. */
  read(path: string): string | undefined;
  exists(path: string): boolean;
  /** Readable and writable for us. */
  usable(path: string): boolean;
  /** Full path of a program in PATH or the usual folders. */
  program(name: string): string | undefined;
  /** Exit code and what the program said; code undefined when it cannot be started. */
  run(file: string, args: readonly string[]): { code: number | undefined; said: string };
  /** Bytes that we may still write below the nearest folder that exists. */
  freeBytes(path: string): number | undefined;
}

export const ok = (what: string, found: string): Finding => ({ state: 'ok', what, found, mend: '' });
export const warn = (what: string, found: string, mend: string): Finding => ({ state: 'warn', what, found, mend });
export const fail = (what: string, found: string, mend: string): Finding => ({ state: 'fail', what, found, mend });
