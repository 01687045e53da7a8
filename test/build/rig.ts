import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before } from 'node:test';
import { startEngine, type TestEngine } from '../rig.ts';

export const needsRoot = { skip: process.getuid?.() === 0 ? false : 'needs root: builds mount file systems' };

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

export interface BuildRig {
  /** Ready once the file's tests run. */
  readonly engine: TestEngine;
  /** Our own command line. */
  gantry(...args: string[]): Promise<Ran>;
  /** docker's, with the classic builder. */
  docker(...args: string[]): Promise<Ran>;
  /** Starts without waiting. */
  start(program: 'gantry' | 'docker', ...args: string[]): { child: ChildProcess; output: () => string; ended: Promise<Ran> };
  /** A folder with these files, gone after the tests. */
  context(files: Readonly<Record<string, string | Uint8Array>>): string;
}

const program = new URL('../../gantry', import.meta.url).pathname;

/** An engine with base images for a file's tests; afterwards nothing of it may be left. */
export function buildRig(options: { images?: readonly string[]; args?: readonly string[] } = {}): BuildRig {
  let engine: TestEngine | undefined;
  const folders: string[] = [];
  const requireEngine = (): TestEngine => {
    if (engine === undefined) throw new Error('the engine is not there yet');
    return engine;
  };
  const env = (): Record<string, string> => ({ DOCKER_HOST: requireEngine().url, DOCKER_BUILDKIT: '0' });
  before(async () => {
    if (needsRoot.skip !== false) return;
    engine = await startEngine({ args: options.args ?? [] });
    for (const image of options.images ?? ['busybox']) {
      const { code, stderr } = await spawned(program, ['image', 'bootstrap', image], env());
      assert.equal(code, 0, stderr);
    }
  });
  after(async () => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
    await engine?.stop();
  });
  const start: BuildRig['start'] = (name, ...args) => running(name === 'gantry' ? program : 'docker', args, env());
  return {
    get engine() {
      return requireEngine();
    },
    gantry: (...args) => spawned(program, args, env()),
    docker: (...args) => spawned('docker', args, env()),
    start,
    context(files) {
      const folder = mkdtempSync(join(tmpdir(), 'gantry-context-'));
      folders.push(folder);
      for (const [name, content] of Object.entries(files)) {
        mkdirSync(dirname(join(folder, name)), { recursive: true });
        writeFileSync(join(folder, name), content);
      }
      return folder;
    },
  };
}

export function spawned(file: string, args: readonly string[], env: Record<string, string>, options: { input?: string | Uint8Array; cwd?: string } = {}): Promise<Ran> {
  return running(file, args, env, options).ended;
}

function running(file: string, args: readonly string[], env: Record<string, string>, options: { input?: string | Uint8Array; cwd?: string } = {}): ReturnType<BuildRig['start']> {
  const child = spawn(file, [...args], { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env }, ...(options.cwd === undefined ? {} : { cwd: options.cwd }) });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  const ended = new Promise<Ran>((resolve, reject) => child.on('error', reject).on('close', (code) => resolve({ code: code ?? -1, stdout, stderr })));
  return { child, output: () => stdout + stderr, ended };
}

export interface Cli {
  engine: TestEngine;
  run(...args: string[]): Promise<Ran>;
  stop(): Promise<void>;
}

/** An engine with a busybox image, and docker's command line without BuildKit; for tests that start it themselves. */
export async function cli(): Promise<Cli> {
  const engine = await startEngine();
  const env = { DOCKER_HOST: engine.url, DOCKER_BUILDKIT: '0' };
  const { code, stderr } = await spawned(program, ['image', 'bootstrap', 'busybox'], env);
  assert.equal(code, 0, stderr);
  return { engine, run: (...args) => spawned('docker', args, env), stop: () => engine.stop() };
}
