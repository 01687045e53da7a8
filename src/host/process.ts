import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { EngineError } from '#base/errors.ts';
import type { Processes } from './runtime.ts';

/** A pid and the clock tick of its start: together they never name another process. */
export interface ProcessIdentity {
  pid: number;
  startTime: number;
}

/** `/proc/<pid>/stat`: state letter and start time; undefined when the text is not a stat line. */
export function parseStat(text: string): { state: string; parent: number; startTime: number } | undefined {
  // The name in parentheses may itself hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, parent] = fields;
  const startTime = Number(fields[19]);
  return state === undefined || parent === undefined || !Number.isSafeInteger(startTime) || startTime === 0
    ? undefined
    : { state, parent: Number(parent), startTime };
}

function startTime(pid: number): number | undefined {
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  const stat = parseStat(text);
  return stat === undefined || stat.state === 'Z' || stat.state === 'X' ? undefined : stat.startTime;
}

export const processes: Processes = {
  startTime,
  isAlive: (pid, expected) => startTime(pid) === expected,
};

export interface CollectOptions {
  /** Milliseconds until the program is killed and the call fails with `unavailable`. */
  deadline: number;
  input?: Uint8Array | string;
  env?: Readonly<Record<string, string>>;
  cwd?: string;
  /** Descriptors for 3, 4, ... of the program. */
  fds?: readonly number[];
  /** Bytes of stdout and of stderr that are kept; more is read and dropped. Default 1 MiB. */
  limit?: number;
}

export interface Collected {
  /** Exit code, or 128 + signal number when killed. */
  code: number;
  stdout: Buffer;
  stderr: string;
}

const signalNumber: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGABRT: 6, SIGKILL: 9, SIGSEGV: 11, SIGPIPE: 13, SIGTERM: 15 };

/**
 * Runs a program (never a shell) to its end and collects what it wrote. A program that cannot be started is
 * `unavailable`; a nonzero exit is for the caller to judge.
 */
export async function spawnCollect(file: string, args: readonly string[], options: CollectOptions): Promise<Collected> {
  const child = spawn(file, [...args], {
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe', ...(options.fds ?? [])],
    env: options.env ?? minimalEnvironment(),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
    // A grandchild may hold the pipes open for ever.
    child.stdout?.destroy();
    child.stderr?.destroy();
  }, options.deadline);
  child.once('error', (cause) => reject(new EngineError('unavailable', `${file} cannot be started: ${cause.message}`, { cause })));
  child.once('close', (code, signal) => resolve(code ?? 128 + (signalNumber[signal ?? ''] ?? 0)));
  const limit = options.limit ?? 1 << 20;
  const stdout = collect(child.stdout, limit);
  const stderr = collect(child.stderr, limit);
  // The program may well end without reading its input.
  child.stdin?.on('error', () => {});
  child.stdin?.end(options.input);
  try {
    const code = await promise;
    if (late) throw new EngineError('unavailable', `${file} ${args[0] ?? ''} did not finish within ${options.deadline} ms`);
    return { code, stdout: stdout(), stderr: stderr().toString() };
  } finally {
    clearTimeout(timer);
  }
}

function collect(stream: Readable | null, limit: number): () => Buffer {
  const chunks: Buffer[] = [];
  let size = 0;
  stream?.on('data', (chunk: Buffer) => {
    if (size < limit) chunks.push(chunk);
    size += chunk.length;
  });
  return () => Buffer.concat(chunks).subarray(0, limit);
}

/** What helper programs get of the engine's environment: enough to find programs and the user's run folder. */
export function minimalEnvironment(): Record<string, string> {
  const env: Record<string, string> = { PATH: process.env['PATH'] ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' };
  for (const name of ['XDG_RUNTIME_DIR', 'HOME']) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return env;
}
