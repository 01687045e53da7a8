import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { conflict, EngineError, messageOf, notFound } from '#base/errors.ts';
import { newId } from '#base/ids.ts';
import { monitorFiles, readPid } from '#host/monitor-files.ts';
import { sendSignal } from '#host/pidfd.ts';
import type { AttachConnection, ExecTarget, ExitStatus, RuntimeRefusal } from '#host/runtime.ts';
import { asExecId, type ContainerId, type ExecId } from '#spec/ids.ts';
import type { OutputChunk, StdioSession } from '#spec/streams.ts';
import type { ExecCreateRequest, ExecInspectResponse, ExecStartRequest, IDResponse } from '#spec/wire/container.ts';
import type { ContainerRecord } from './container-record.ts';
import { hasProcess } from './container-state.ts';
import { emitContainer, type ContainerContext } from './context.ts';
import { parseDetachKeys } from './detach-keys.ts';
import type { ExecRecord, ExecStore } from './exec-store.ts';
import { linkEnvironment } from './links.ts';
import { compileExec, validateExec } from './oci/exec.ts';
import { rootFiles } from './oci/root-files.ts';

/** How long an exec that ended can still be inspected; Docker's figure. */
const REMEMBERED = 5 * 60_000;
/** Longest wait for the exit status after the output ended. */
const STATUS_PATIENCE = 2000;

/** Further processes in running containers. They survive the engine; their records too. */
export class Execs {
  readonly #context: ContainerContext;
  readonly #store: ExecStore;
  readonly #exits = new Map<ExecId, PromiseWithResolvers<void>>();

  constructor(context: ContainerContext, store: ExecStore) {
    this.#context = context;
    this.#store = store;
  }

  /** Ids of those that did not end, as inspect of the container lists them. */
  ofContainer(container: ContainerId): string[] {
    return this.#store.ofContainer(container).filter(({ exitCode }) => exitCode === undefined).map(({ id }) => id);
  }

  async create(name: string, body: ExecCreateRequest): Promise<IDResponse> {
    const record = this.#context.store.find(name);
    requireRunning(record, name);
    validateExec(body);
    const exec: ExecRecord = {
      version: 1, id: asExecId(newId()), container: record.id, request: body, created: this.#context.clock.now(),
      started: false, pid: 0, startTime: 0, exitCode: undefined, endedAt: 0,
    };
    parseDetachKeys(body.DetachKeys, 'escape');
    this.#store.forgetEndedBefore(this.#context.clock.now() - REMEMBERED);
    this.#context.store.transaction(() => {
      this.#store.insert(exec);
      emitContainer(this.#context, record, `exec_create: ${commandText(body)}`, { execID: exec.id });
    });
    // Clients that want its streams start it next.
    if (body.Tty !== true && (body.AttachStdout === true || body.AttachStderr === true || body.AttachStdin === true)) {
      mkdirSync(this.#bundle(exec), { recursive: true, mode: 0o700 });
      this.#context.monitor.expect(this.#target(record, exec));
    }
    return { Id: exec.id };
  }

  async inspect(id: string): Promise<ExecInspectResponse> {
    const exec = this.#find(id);
    const { request } = exec;
    const [entrypoint = '', ...words] = request.Cmd ?? [];
    const running = exec.started && exec.exitCode === undefined;
    return {
      ID: exec.id,
      Running: running,
      ExitCode: exec.exitCode ?? null,
      ProcessConfig: {
        tty: request.Tty ?? false,
        entrypoint,
        arguments: words,
        privileged: request.Privileged ?? false,
        ...(request.User ? { user: request.User } : {}),
      },
      OpenStdin: request.AttachStdin ?? false,
      OpenStderr: request.AttachStderr ?? false,
      OpenStdout: request.AttachStdout ?? false,
      CanRemove: false,
      ContainerID: exec.container,
      DetachKeys: request.DetachKeys ? Buffer.from(parseDetachKeys(request.DetachKeys)).toString('base64') : '',
      Pid: exec.pid,
    };
  }

  async resize(id: string, size: { height: number; width: number }): Promise<void> {
    const exec = this.#find(id);
    if (!exec.started || exec.exitCode !== undefined) throw conflict(`exec ${id} is not running`);
    await this.#context.monitor.resize(this.#bundle(exec), size);
  }

  /** Undefined when detached. What keeps it from starting comes as output, with exit code 126 or 127, as Docker does. */
  async start(id: string, body: ExecStartRequest): Promise<StdioSession | undefined> {
    const exec = this.#find(id);
    const { request } = exec;
    if (exec.exitCode !== undefined) throw conflict(`exec command ${id} has already run`);
    if (exec.started) throw conflict(`exec command ${id} is already running`);
    const record = this.#context.store.require(exec.container);
    requireRunning(record);
    const tty = request.Tty ?? false;
    const detach = body.Detach === true;
    const size = body.ConsoleSize ?? request.ConsoleSize;
    const wanted: ExecCreateRequest = size ? { ...request, ConsoleSize: size } : request;
    if (detach) {
      await this.#launch(record, exec, wanted, undefined);
      return undefined;
    }
    let connection: AttachConnection | undefined;
    try {
      await this.#launch(record, exec, wanted, async (bundle) => {
        connection = await this.#context.monitor.attach(bundle, { input: request.AttachStdin === true });
      });
    } catch (error) {
      return refusedSession(tty, messageOf(error));
    }
    const exited = this.#exit(exec.id).promise;
    return new ExecSession({
      tty,
      connection,
      wanted: { stdout: request.AttachStdout === true, stderr: request.AttachStderr === true },
      detachKeys: parseDetachKeys(request.DetachKeys),
      ended: () => this.#statusKnown(exec.id, exited),
      detached: () => emitContainer(this.#context, record, 'exec_detach', { execID: exec.id }),
    });
  }

  /** SIGKILL to the exec's first process; its exit comes as any other. */
  async kill(id: string): Promise<void> {
    const { pid, startTime, exitCode } = this.#find(id);
    if (exitCode === undefined) sendSignal(pid, startTime, 9);
  }

  /** An exec's exit file appeared. */
  ended(id: ExecId, status: ExitStatus): void {
    const exec = this.#store.get(id);
    if (exec === undefined || exec.exitCode !== undefined) {
      // Told for a former engine's exec whose record is gone.
      if (exec === undefined) this.#context.monitor.forgetExit(this.#context.layout.exits, id);
      return;
    }
    this.#finish(exec, status.code);
  }

  knows(id: string): boolean {
    return this.#store.get(asExecId(id)) !== undefined;
  }

  /** The container ended or is removed: what still ran in it was killed with it. */
  containerEnded(container: ContainerId): void {
    for (const exec of this.#store.ofContainer(container)) {
      if (exec.exitCode !== undefined) continue;
      if (exec.started) this.#finish(exec, this.#context.monitor.readExit(this.#context.layout.exits, exec.id)?.code ?? 137);
      // One that nobody started is not there any more, as in Docker.
      else this.#store.remove(exec.id);
    }
  }

  containerRemoved(container: ContainerId): void {
    for (const { id } of this.#store.ofContainer(container)) {
      this.#store.remove(id);
      this.#context.monitor.forgetExit(this.#context.layout.exits, id);
    }
  }

  /** After a restart of the engine: settles those that ended meanwhile. */
  recover(): void {
    for (const exec of this.#store.all()) {
      const container = this.#context.store.get(exec.container);
      if (container === undefined) {
        this.#store.remove(exec.id);
        this.#context.monitor.forgetExit(this.#context.layout.exits, exec.id);
      } else if (exec.started && exec.exitCode === undefined) {
        const status = this.#context.monitor.readExit(this.#context.layout.exits, exec.id);
        if (status) this.#finish(exec, status.code);
        else if (!hasProcess(container.life) || !this.#context.processes.isAlive(exec.pid, exec.startTime)) this.#finish(exec, 137);
        else if (readPid(monitorFiles.monitorPid(this.#bundle(exec))) === undefined) this.#awaitOrphan(exec);
      }
    }
  }

  /** An exec without a monitor whose engine died: nobody learns its status, but its end is seen. */
  #awaitOrphan({ id, pid, startTime }: ExecRecord): void {
    const timer = setInterval(() => {
      const exec = this.#store.get(id);
      if (exec?.exitCode === undefined && this.#context.processes.isAlive(pid, startTime)) return;
      clearInterval(timer);
      if (exec && exec.exitCode === undefined) this.#finish(exec, 137);
    }, 1000).unref();
  }

  async #launch(record: ContainerRecord, exec: ExecRecord, request: ExecCreateRequest, attach: ((bundle: string) => Promise<void>) | undefined): Promise<void> {
    const { monitor, rootfs, facts, defaults, processes } = this.#context;
    const bundle = this.#bundle(exec);
    const target = this.#target(record, exec);
    this.#exits.set(exec.id, Promise.withResolvers());
    this.#context.store.transaction(() => {
      this.#store.save({ ...exec, started: true });
      emitContainer(this.#context, record, `exec_start: ${commandText(request)}`, { execID: exec.id });
    });
    try {
      const process = compileExec(
        { config: { ...record.config, Env: [...linkEnvironment(this.#context, record), ...(record.config.Env ?? [])] }, hostConfig: record.hostConfig, facts, defaults, files: rootFiles(rootfs.path(record.id)) },
        request,
      );
      mkdirSync(bundle, { recursive: true, mode: 0o700 });
      const { pid } = await monitor.launch(
        { ...target, exec: { ...target.exec, process } },
        attach && (() => attach(bundle)),
      );
      const now = this.#store.get(exec.id);
      // It may have ended before its pid was known.
      if (now && now.exitCode === undefined) this.#store.note({ ...now, pid, startTime: processes.startTime(pid) ?? 0 }, attach === undefined || request.Tty === true);
    } catch (error) {
      const refusal = error instanceof EngineError ? (error.details['refusal'] as RuntimeRefusal | undefined) : undefined;
      this.#finish(this.#store.get(exec.id) ?? exec, refusal?.exitCode === 127 ? 127 : 126);
      throw error;
    }
  }

  /** What the monitor is told of an exec, but for the process. */
  #target(record: ContainerRecord, exec: ExecRecord): ExecTarget {
    const { layout } = this.#context;
    const bundle = this.#bundle(exec);
    return {
      id: exec.id,
      bundle,
      runtime: this.#context.runtime(record.hostConfig.Runtime ?? undefined).path,
      runtimeState: layout.runtimeState,
      exitDir: layout.exits,
      terminal: exec.request.Tty ?? false,
      stdin: exec.request.AttachStdin === true,
      stdinStaysOpen: false,
      log: undefined,
      exec: { container: record.id, pidFile: join(bundle, 'pid') },
    };
  }

  #finish(exec: ExecRecord, exitCode: number): void {
    const { layout, monitor, store } = this.#context;
    const record = store.get(exec.container);
    store.transaction(() => {
      this.#store.save({ ...exec, exitCode, endedAt: this.#context.clock.now() });
      if (record && exec.started) emitContainer(this.#context, record, 'exec_die', { execID: exec.id, exitCode: String(exitCode) });
    });
    this.#exits.get(exec.id)?.resolve();
    this.#exits.delete(exec.id);
    // The client need not wait for the files to go; what a crash leaves goes with the container.
    setImmediate(() => {
      monitor.forgetExit(layout.exits, exec.id);
      rmSync(this.#bundle(exec), { recursive: true, force: true });
    });
  }

  #exit(id: ExecId): PromiseWithResolvers<void> {
    const known = this.#exits.get(id);
    if (known) return known;
    const exit = Promise.withResolvers<void>();
    if (this.#store.get(id)?.exitCode !== undefined) exit.resolve();
    return exit;
  }

  /** The output ended: the status is there or about to be. */
  async #statusKnown(id: ExecId, exited: Promise<void>): Promise<void> {
    const { layout, monitor } = this.#context;
    const status = monitor.readExit(layout.exits, id);
    if (status) this.ended(id, status);
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, STATUS_PATIENCE);
    await Promise.race([exited, promise]);
    clearTimeout(timer);
  }

  #bundle(exec: Pick<ExecRecord, 'id' | 'container'>): string {
    return join(this.#context.layout.bundle(exec.container), 'exec', exec.id);
  }

  #find(id: string): ExecRecord {
    const exec = this.#store.get(asExecId(id));
    if (!exec) throw notFound(`No such exec instance: ${id}`);
    return exec;
  }
}

/** `given` is what the client called it. */
export function requireRunning({ id, life }: ContainerRecord, given: string = id): void {
  if (life.status === 'paused') throw conflict(`Container ${given} is paused, unpause the container before exec`);
  if (life.status === 'restarting') throw conflict(`Container ${id} is restarting, wait until the container is running`);
  if (life.status !== 'running') throw conflict(`container ${id} is not running`);
}

/** Docker ends the text with a blank when there are no arguments. */
function commandText({ Cmd = [] }: ExecCreateRequest): string {
  const [program = '', ...args] = Cmd;
  return `${program} ${args.join(' ')}`;
}

interface ExecSessionOptions {
  tty: boolean;
  connection: AttachConnection | undefined;
  wanted: { stdout: boolean; stderr: boolean };
  detachKeys: Uint8Array;
  /** Resolves when the exit status is recorded, so that a client that inspects after the output finds it. */
  ended: () => Promise<void>;
  detached: () => void;
}

class ExecSession implements StdioSession {
  readonly tty: boolean;
  readonly detachKeys: Uint8Array;
  readonly output: AsyncIterable<OutputChunk>;
  readonly #options: ExecSessionOptions;
  #closed = false;

  constructor(options: ExecSessionOptions) {
    this.#options = options;
    this.tty = options.tty;
    this.detachKeys = options.detachKeys;
    this.output = { [Symbol.asyncIterator]: () => this.#chunks() };
  }

  async write(data: Uint8Array): Promise<void> {
    await this.#options.connection?.write(data);
  }

  detached(): void {
    this.#options.detached();
  }

  endInput(): void {
    this.#options.connection?.endInput();
  }

  close(): void {
    this.#closed = true;
    this.#options.connection?.close();
  }

  async *#chunks(): AsyncGenerator<OutputChunk> {
    const { connection, wanted, ended } = this.#options;
    if (connection) for await (const chunk of connection.output) if (wanted[chunk.stream]) yield chunk;
    if (!this.#closed) await ended();
  }
}

function refusedSession(tty: boolean, message: string): StdioSession {
  return {
    tty,
    detachKeys: new Uint8Array(),
    output: (async function* () {
      yield { stream: 'stdout' as const, data: Buffer.from(`${message}\r\n`) };
    })(),
    write: async () => {},
    endInput: () => {},
    close: () => {},
  };
}
