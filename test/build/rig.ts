import { spawn } from 'node:child_process';
import { startEngine, type TestEngine } from '../rig.ts';

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

export interface Cli {
  engine: TestEngine;
  run(...args: string[]): Promise<Ran>;
  stop(): Promise<void>;
}

/** An engine with a busybox image, and docker's CLI without BuildKit. */
export async function cli(): Promise<Cli> {
  const engine = await startEngine();
  await bootstrap(engine, 'busybox');
  return {
    engine,
    run: (...args) => spawned('docker', args, { DOCKER_HOST: engine.url, DOCKER_BUILDKIT: '0' }),
    stop: () => engine.stop(),
  };
}

export async function bootstrap(engine: TestEngine, image: string): Promise<void> {
  const gantry = new URL('../../gantry', import.meta.url).pathname;
  const { code, stderr } = await spawned(gantry, ['-H', engine.url, 'image', 'bootstrap', image], {});
  if (code !== 0) throw new Error(stderr);
}

export function spawned(program: string, args: readonly string[], env: Record<string, string>, options: { input?: string; cwd?: string } = {}): Promise<Ran> {
  const child = spawn(program, [...args], { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env }, ...(options.cwd === undefined ? {} : { cwd: options.cwd }) });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  return new Promise((resolve, reject) => child.on('error', reject).on('close', (code) => resolve({ code: code ?? -1, stdout, stderr })));
}
