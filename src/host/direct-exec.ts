import { readSync, renameSync, watch, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { basename, join } from 'node:path';
import { EngineError, isErrno } from '#base/errors.ts';
import type { OutputChunk } from '#spec/streams.ts';
import type { CgroupHierarchies } from './cgroup.ts';
import type { Visit } from './cgroup-entry.ts';
import { monitorFiles, readPid, readRuntimeLog, refusal } from './monitor-files.ts';
import { OutputQueue } from './output-queue.ts';
import type { AttachConnection, MonitoredProcess, MonitorOptions } from './runtime.ts';
import { reap, reapSoon } from './spawn.ts';
import { spawnExec, startWaiting, type ExecPipes, type WaitingRuntime } from './waiting-runtime.ts';

export interface DirectProcess {
  process: MonitoredProcess;
  connection: AttachConnection;
}

export type ExecOptions = MonitorOptions & { exec: NonNullable<MonitorOptions['exec']> };

/**
 * An exec without a terminal as a child of the engine: the runtime itself waits for the process, and pipes lead straight
 * here. Half the time of one with a monitor. When it ends, the engine writes the exit file that a monitor would have
 * written. Should the engine die, the process goes on but meets closed pipes, and its exit code is lost: for clients
 * whose connection is lost at that moment anyway. `ready` is a runtime that waits for this exec.
 */
export async function execDirectly(request: ExecOptions, cgroups: CgroupHierarchies, deadline: number, ready?: WaitingRuntime): Promise<DirectProcess> {
  const waiting = ready ?? (await startWaiting(request, cgroups));
  if (waiting !== undefined) {
    waiting.run(request.exec.process);
    const running = new DirectExec(request, waiting.child, waiting.visit, waiting.pipes);
    try {
      return await running.whenStarted(deadline);
    } catch (error) {
      // The way into the cgroups was barred before the runtime did a thing: it may find another.
      if (!running.barred) throw error;
    }
  }
  writeFileSync(monitorFiles.execProcess(request.bundle), JSON.stringify(request.exec.process), { mode: 0o600 });
  const { child, pipes } = await spawnExec(request, { process: monitorFiles.execProcess(request.bundle) });
  return new DirectExec(request, child, undefined, pipes).whenStarted(deadline);
}

class DirectExec implements AttachConnection {
  readonly output: AsyncIterable<OutputChunk>;
  readonly #request: ExecOptions;
  readonly #child: number;
  readonly #visit: Visit | undefined;
  readonly #fds: Record<'stdout' | 'stderr', number>;
  readonly #streams: Record<'stdout' | 'stderr', Socket>;
  readonly #input: Socket | undefined;
  readonly #queue: OutputQueue;
  readonly #start = Promise.withResolvers<number>();
  readonly #pidWatch: Disposable;
  #lastWrite: Promise<void> = Promise.resolve();
  #late = false;
  /** It ended before the runtime started anything or complained. */
  barred = false;

  constructor(request: ExecOptions, child: number, visit: Visit | undefined, fds: ExecPipes) {
    this.#request = request;
    this.#child = child;
    this.#visit = visit;
    this.#fds = fds;
    this.#queue = new OutputQueue({ pause: () => this.#flow(false), resume: () => this.#flow(true) });
    this.output = this.#queue;
    this.#streams = { stdout: this.#reader('stdout', fds.stdout), stderr: this.#reader('stderr', fds.stderr) };
    this.#input = fds.input === undefined ? undefined : new Socket({ fd: fds.input, readable: false, writable: true });
    this.#input?.on('error', () => {});
    const life = new Socket({ fd: fds.life, readable: true, writable: false });
    life.on('error', () => {});
    life.resume().once('close', () => this.#reap());
    this.#pidWatch = this.#watchPidFile();
  }

  /** With the process's pid, 0 when it ended before it could be read; rejects with the runtime's refusal. */
  async whenStarted(deadline: number): Promise<DirectProcess> {
    const timer = setTimeout(() => this.#abandon(), deadline);
    try {
      const pid = await this.#start.promise;
      return { process: { pid, monitorPid: this.#child }, connection: this };
    } finally {
      clearTimeout(timer);
    }
  }

  #reader(stream: 'stdout' | 'stderr', fd: number): Socket {
    const socket = new Socket({ fd, readable: true, writable: false });
    socket.on('data', (data: Buffer) => {
      this.#queue.push({ stream, data });
      this.#hasStarted();
    });
    socket.on('error', () => {});
    return socket;
  }

  #flow(on: boolean): void {
    for (const socket of Object.values(this.#streams)) if (on) socket.resume();
    else socket.pause();
  }

  /** The runtime writes the pid file when the process runs its program. */
  #watchPidFile(): Disposable {
    const { pidFile } = this.#request.exec;
    const watcher = watch(this.#request.bundle, { persistent: false }, (_event, name) => {
      if (name === basename(pidFile)) this.#hasStarted();
    });
    watcher.on('error', () => {});
    queueMicrotask(() => this.#hasStarted());
    return { [Symbol.dispose]: () => watcher.close() };
  }

  #hasStarted(): void {
    const pid = readPid(this.#request.exec.pidFile);
    if (pid === undefined) return;
    this.#pidWatch[Symbol.dispose]();
    this.#visit?.started();
    this.#start.resolve(pid);
  }

  /** The runtime hung before the process started: it is killed, and the start fails. */
  #abandon(): void {
    this.#late = true;
    process.kill(this.#child, 'SIGKILL');
  }

  #reap(): void {
    this.#visit?.end();
    const code = reap(this.#child);
    if (code !== undefined) this.#end(code);
    // The descriptors of a process close a moment before it can be reaped.
    else reapSoon(this.#child).then((late) => this.#end(late), (error: unknown) => this.#start.reject(error));
  }

  #end(code: number): void {
    this.#pidWatch[Symbol.dispose]();
    this.#drain();
    this.#input?.destroy();
    const error = this.#failure(code);
    if (error !== undefined) {
      this.#start.reject(error);
    } else {
      writeExitFile(this.#request, code);
      this.#start.resolve(readPid(this.#request.exec.pidFile) ?? 0);
    }
    this.#queue.end();
  }

  #failure(code: number): EngineError | undefined {
    if (this.#late) return new EngineError('unavailable', 'the runtime did not enter the container in time');
    if (code === 0) return undefined;
    const log = readRuntimeLog(this.#request.bundle);
    this.barred = this.#visit !== undefined && readPid(this.#request.exec.pidFile) === undefined && (log === '' || /Resource temporarily unavailable/.test(log));
    if (this.barred) return new EngineError('unavailable', 'the container’s cgroups could not be entered');
    return log === '' ? undefined : refusal(this.#request, log);
  }

  /** Takes what lies in the pipes; a grandchild may hold them open for ever. */
  #drain(): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      const socket = this.#streams[stream];
      if (socket.destroyed) continue;
      // What Node read before it was paused comes first.
      for (let data: Buffer | null = socket.read() as Buffer | null; data !== null; data = socket.read() as Buffer | null) this.#queue.push({ stream, data });
      for (;;) {
        const buffer = Buffer.allocUnsafeSlow(65536);
        const length = readNow(this.#fds[stream], buffer);
        if (length <= 0) break;
        this.#queue.push({ stream, data: buffer.subarray(0, length) });
      }
      socket.destroy();
    }
  }

  write(data: Uint8Array): Promise<void> {
    const input = this.#input;
    if (input === undefined) return Promise.resolve();
    this.#lastWrite = this.#lastWrite.then(() => new Promise((resolve) => (input.writable ? input.write(data, () => resolve()) : resolve())));
    return this.#lastWrite;
  }

  endInput(): void {
    void this.#lastWrite.then(() => this.#input?.end());
  }

  /** The process goes on; its output is read and dropped, its input ends. */
  close(): void {
    this.#queue.discard();
    this.#input?.destroy();
  }
}

/** Bytes read, 0 at the end, -1 when nothing is there. */
function readNow(fd: number, buffer: Buffer): number {
  try {
    return readSync(fd, buffer);
  } catch (error) {
    if (isErrno(error, 'EAGAIN')) return -1;
    throw error;
  }
}

function writeExitFile({ exitDir, id }: ExecOptions, code: number): void {
  const temporary = join(exitDir, `.${id}`);
  writeFileSync(temporary, String(code), { mode: 0o600 });
  renameSync(temporary, join(exitDir, id));
}
