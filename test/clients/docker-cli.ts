import { type ChildProcess, spawn } from 'node:child_process';
import assert from 'node:assert/strict';

export interface CliResult {
  code: number;
  stdout: string;
  stderr: string;
}

export interface RunningCli {
  process: ChildProcess;
  /** Resolves when stdout so far contains the text or matches; fails when the process ends first. */
  waitFor(text: string | RegExp): Promise<void>;
  done: Promise<CliResult>;
}

export interface DockerCli {
  (args: string[], options?: { input?: string; env?: Record<string, string> }): Promise<CliResult>;
  /** Like the call, and demands exit code 0. */
  ok(args: string[]): Promise<CliResult>;
  start(args: string[]): RunningCli;
  /** Runs under a pseudo-terminal; `output` is what the terminal saw. */
  terminal(args: string[]): Promise<{ code: number; output: string }>;
  /** `docker inspect --format` of one container. */
  format(name: string, template: string): Promise<string>;
}

/** The program is `docker`, or what GANTRY_TEST_CLI names. */
export function createDockerCli(host: string, program = process.env['GANTRY_TEST_CLI'] ?? 'docker'): DockerCli {
  const environment = (extra: Record<string, string> = {}): NodeJS.ProcessEnv => ({ ...process.env, DOCKER_HOST: host, ...extra });

  const start = (args: string[], options: { input?: string; env?: Record<string, string> } = {}): RunningCli => {
    const child = spawn(program, args, {
      env: environment(options.env),
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    const watchers = new Set<() => void>();
    child.stdout!.on('data', (chunk: Buffer) => {
      out.push(chunk);
      for (const watcher of watchers) watcher();
    });
    child.stderr!.on('data', (chunk: Buffer) => err.push(chunk));
    if (options.input !== undefined) child.stdin!.end(options.input);
    const { promise: done, resolve, reject } = Promise.withResolvers<CliResult>();
    child.on('error', reject);
    child.on('close', (code, signal) =>
      resolve({ code: code ?? (signal === null ? -1 : 255), stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }),
    );
    const waitFor = (text: string | RegExp): Promise<void> =>
      new Promise((found, missing) => {
        const check = (): void => {
          const seen = Buffer.concat(out).toString();
          if (typeof text === 'string' ? seen.includes(text) : text.test(seen)) {
            watchers.delete(check);
            found();
          }
        };
        watchers.add(check);
        check();
        void done.then((result) => missing(new Error(`ended with ${result.code} before ${String(text)}: ${result.stdout}${result.stderr}`)));
      });
    return { process: child, waitFor, done };
  };

  const run = (args: string[], options?: { input?: string; env?: Record<string, string> }): Promise<CliResult> => start(args, options).done;
  const ok = async (args: string[]): Promise<CliResult> => {
    const result = await run(args);
    assert.equal(result.code, 0, `docker ${args.join(' ')}: ${result.stderr}`);
    return result;
  };
  return Object.assign(run, {
    ok,
    start: (args: string[]) => start(args),
    terminal: async (args: string[]) => {
      // util-linux `script` gives a pty; its argument is one shell line, so every word is quoted.
      const line = [program, ...args].map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
      const child = spawn('script', ['-qefc', line, '/dev/null'], { env: environment(), stdio: ['pipe', 'pipe', 'inherit'] });
      const out: Buffer[] = [];
      child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
      const { promise, resolve, reject } = Promise.withResolvers<{ code: number; output: string }>();
      child.on('error', reject);
      child.on('close', (code) => resolve({ code: code ?? -1, output: Buffer.concat(out).toString() }));
      return promise;
    },
    format: async (name: string, template: string) => (await ok(['inspect', '--format', template, name])).stdout.trimEnd(),
  });
}

/** Polls a state until it holds; fails after `limit` milliseconds with the last error. */
export async function until(condition: () => Promise<boolean>, limit = 30_000): Promise<void> {
  const end = Date.now() + limit;
  for (;;) {
    if (await condition()) return;
    if (Date.now() > end) throw new Error(`the state was not reached within ${limit} ms: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
