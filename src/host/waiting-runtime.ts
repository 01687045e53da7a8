/**
 * Runtimes on their way into a container that do not know yet what to run there: crun reads the process from a pipe, so all
 * that it does before that (loading, joining cgroups, reading its state) happens while the client is still on its way from
 * creating an exec to starting it.
 */
import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { basename, dirname, join } from 'node:path';
import type { Process } from '#spec/oci-runtime.ts';
import type { CgroupHierarchies } from './cgroup.ts';
import { isOpenTo, prepareEntry, Visit, type CgroupEntry } from './cgroup-entry.ts';
import { monitorFiles } from './monitor-files.ts';
import { minimalEnvironment } from './process.ts';
import type { ExecTarget } from './runtime.ts';
import { startablePath } from './sealed-program.ts';
import { pipe, reap, spawnProgram, type Pipe } from './spawn.ts';

/** How long a runtime waits for its exec to be started. */
const PATIENCE = 1000;
/** Execs that are made and never started must not fill the container with runtimes. */
const MOST = 8;

/** Ends of the pipes that are the engine's. */
export interface ExecPipes {
  input: number | undefined;
  stdout: number;
  stderr: number;
  /** Held open by the runtime alone, so its end is the runtime's. */
  life: number;
}

export class WaitingRuntime {
  readonly child: number;
  readonly pipes: ExecPipes;
  readonly visit: Visit;
  readonly #entry: CgroupEntry;
  readonly #process: Socket;

  constructor(child: number, pipes: ExecPipes, process: number, entry: CgroupEntry, visit: Visit) {
    this.child = child;
    this.pipes = pipes;
    this.visit = visit;
    this.#entry = entry;
    this.#process = new Socket({ fd: process, readable: false, writable: true });
    // A runtime that ended is noticed by its life.
    this.#process.on('error', () => {});
  }

  /** Whether the container is still the one it came for, and still lets it in. */
  isWelcome(cgroups: CgroupHierarchies, { runtimeState, exec }: ExecTarget): boolean {
    return isOpenTo(cgroups, runtimeState, exec.container, this.#entry);
  }

  /** Tells it what to run. */
  run(process: Process): void {
    this.#process.end(JSON.stringify(process));
  }

  /** Nobody starts this exec. */
  dismiss(): void {
    this.visit.end();
    this.#process.destroy();
    try {
      process.kill(this.child, 'SIGKILL');
    } catch {
      // It is a zombie already.
    }
    for (const fd of Object.values(this.pipes) as (number | undefined)[]) if (fd !== undefined) closeSync(fd);
    collect(this.child);
  }
}

/** Undefined where the runtime has to find its way into the cgroups by itself. */
export async function startWaiting(request: ExecTarget, cgroups: CgroupHierarchies): Promise<WaitingRuntime | undefined> {
  if (basename(request.runtime) !== 'crun') return undefined;
  const entry = prepareEntry(cgroups, request.runtimeState, request.exec.container, join(dirname(request.bundle), 'entry'));
  if (entry === undefined) return undefined;
  const process = pipe();
  try {
    const { child, pipes } = await spawnExec(request, { ...entry, process: `/proc/self/fd/${process.read}`, keep: process.read });
    closeSync(process.read);
    return new WaitingRuntime(child, pipes, process.write, entry, new Visit(cgroups, entry.cgroupPath, child));
  } catch (error) {
    closeSync(process.read);
    closeSync(process.write);
    throw error;
  }
}

/** `crun exec` as a child of the engine, with pipes for its streams. */
export async function spawnExec(
  { bundle, runtime, runtimeState, stdin, exec }: ExecTarget,
  way: { prefix?: readonly string[]; stateRoot?: string; process: string; keep?: number },
): Promise<{ child: number; pipes: ExecPipes }> {
  const made: Pipe[] = [];
  const open = (): Pipe => {
    made.push(pipe());
    return made.at(-1)!;
  };
  try {
    const input = stdin ? open() : undefined;
    const [stdout, stderr, life] = [open(), open(), open()];
    const [path, ...args] = [
      ...(way.prefix ?? []),
      startablePath(runtime),
      `--root=${way.stateRoot ?? runtimeState}`,
      `--log=${monitorFiles.runtimeLog(bundle)}`,
      '--log-format=json',
      'exec',
      '--process', way.process,
      '--pid-file', exec.pidFile,
      exec.container,
    ];
    const child = await spawnProgram({
      path,
      args,
      env: minimalEnvironment(),
      stdio: [input?.read ?? null, stdout.write, stderr.write],
      keep: [life.write, ...(way.keep === undefined ? [] : [way.keep])],
    });
    for (const fd of [input?.read, stdout.write, stderr.write, life.write]) if (fd !== undefined) closeSync(fd);
    return { child, pipes: { input: input?.write, stdout: stdout.read, stderr: stderr.read, life: life.read } };
  } catch (error) {
    for (const { read, write } of made) for (const fd of [read, write]) closeSync(fd);
    throw error;
  }
}

/** Those that wait, by their exec's bundle. */
export class WaitingRuntimes {
  readonly #cgroups: CgroupHierarchies;
  readonly #waiting = new Map<string, Promise<WaitingRuntime | undefined>>();

  constructor(cgroups: CgroupHierarchies) {
    this.#cgroups = cgroups;
  }

  /** Starts one; whatever goes wrong is seen when the exec is started. */
  prepare(request: ExecTarget): void {
    if (this.#waiting.size >= MOST) return;
    const started = startWaiting(request, this.#cgroups).catch(() => undefined);
    this.#waiting.set(request.bundle, started);
    setTimeout(() => {
      if (this.#waiting.get(request.bundle) !== started) return;
      this.#waiting.delete(request.bundle);
      void started.then((runtime) => runtime?.dismiss());
    }, PATIENCE).unref();
  }

  /** Takes the one that waits for this exec; undefined when there is none or the container changed meanwhile. */
  async take(request: ExecTarget): Promise<WaitingRuntime | undefined> {
    const started = this.#waiting.get(request.bundle);
    this.#waiting.delete(request.bundle);
    const runtime = await started;
    if (runtime === undefined || runtime.isWelcome(this.#cgroups, request)) return runtime;
    runtime.dismiss();
    return undefined;
  }
}

function collect(child: number): void {
  if (reap(child) === undefined) setTimeout(() => collect(child), 20).unref();
}
