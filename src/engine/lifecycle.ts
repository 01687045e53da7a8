import { conflict, EngineError, invalid, isErrno, notModified } from '#base/errors.ts';
import { killMonitor } from '#host/conmon.ts';
import type { ExitStatus } from '#host/runtime.ts';
import type { ContainerId } from '#spec/ids.ts';
import type { ContainerWaitResponse } from '#spec/wire/container.ts';
import { emitContainer, type ContainerContext } from './context.ts';
import type { ContainerRecord } from './container-record.ts';
import { countsAsRunning, hasProcess } from './container-state.ts';
import type { Health } from './health.ts';
import { parseSignal } from './oci/signals.ts';
import { removeContainer } from './remove.ts';
import { settleExit } from './settle.ts';
import { startContainer } from './start.ts';

const SIGKILL = 9;
const SIGTERM = 15;
const DEFAULT_TIMEOUT = 10;
/** Milliseconds that a killed process may take to be gone before stronger means, and then before giving up. */
const KILL_PATIENCE = 10_000;

/** Moves containers along the table of states: starts, ends, restarts and removes them. */
export class Lifecycle {
  readonly #context: ContainerContext;
  readonly #health: Pick<Health, 'watch' | 'forget'>;
  readonly #restarts = new Map<ContainerId, NodeJS.Timeout>();
  /** Containers that a user's restart takes down and up: neither policy nor --rm act on their end. */
  readonly #restarting = new Set<ContainerId>();

  constructor(context: ContainerContext, health: Pick<Health, 'watch' | 'forget'>) {
    this.#context = context;
    this.#health = health;
  }

  /** Throws not_modified when it runs. A container with --rm whose start fails is removed, as Docker does. */
  async start(id: ContainerId): Promise<void> {
    await this.#context.changes.run(id, async () => {
      const { store } = this.#context;
      const { life } = store.require(id);
      if (!countsAsRunning(life.status)) store.change(id, { restartCount: 0, restartDelay: 0 });
      this.#cancelRestart(id);
      await this.#startLocked(id);
    });
  }

  async #startLocked(id: ContainerId): Promise<void> {
    const { store } = this.#context;
    try {
      this.#health.watch(await startContainer(this.#context, id));
    } catch (error) {
      const record = store.get(id);
      if (record?.hostConfig.AutoRemove === true && (record.life.status === 'created' || record.life.status === 'exited')) {
        await removeContainer(this.#context, record, { volumes: true });
      }
      throw error;
    }
  }

  /** A container's process ended. Safe to tell twice. */
  async ended(id: ContainerId, status: ExitStatus): Promise<void> {
    this.#health.forget(id);
    await this.#context.changes.run(id, async () => {
      const settled = await settleExit(this.#context, id, status, { keepStopped: this.#restarting.has(id) });
      if (settled === undefined) return;
      const { record, restartIn } = settled;
      if (restartIn !== undefined) this.restartAfter(id, restartIn);
      else if (record.hostConfig.AutoRemove === true && !this.#restarting.has(id)) await removeContainer(this.#context, record, { volumes: true });
    });
  }

  /** Starts a container in state restarting after `delay` milliseconds. */
  restartAfter(id: ContainerId, delay: number): void {
    clearTimeout(this.#restarts.get(id));
    this.#restarts.set(id, setTimeout(() => void this.#restartNow(id), Math.max(0, delay)));
  }

  async #restartNow(id: ContainerId): Promise<void> {
    this.#restarts.delete(id);
    await this.#context.changes.run(id, async () => {
      if (this.#context.store.get(id)?.life.status !== 'restarting') return;
      // The failure is in the record and the log; Docker gives up here, too.
      await this.#startLocked(id).catch(() => {});
    });
  }

  #cancelRestart(id: ContainerId): void {
    clearTimeout(this.#restarts.get(id));
    this.#restarts.delete(id);
  }

  /** Signal, patience, SIGKILL, then every process of its cgroup. Throws not_modified when it does not run. */
  async stop(id: ContainerId, options: { signal: string | undefined; timeout: number | undefined }): Promise<void> {
    const { store } = this.#context;
    const record = store.require(id);
    if (!countsAsRunning(record.life.status)) throw notModified(`container ${id} is already stopped`);
    const signal = parseSignal(options.signal || record.config.StopSignal || String(SIGTERM));
    const timeout = options.timeout ?? record.config.StopTimeout ?? DEFAULT_TIMEOUT;
    store.change(id, { stoppedByUser: true });
    if (record.life.status === 'restarting') {
      await this.#abandonRestart(id);
    } else {
      await this.#end(record, signal, timeout);
    }
    const stopped = store.get(id) ?? record;
    emitContainer(this.#context, stopped, 'stop');
  }

  async #abandonRestart(id: ContainerId): Promise<void> {
    this.#cancelRestart(id);
    await this.#context.changes.run(id, async () => {
      const { store, waits } = this.#context;
      const record = store.get(id);
      // The restart may have won the race.
      if (record && hasProcess(record.life)) await this.#kill(record);
      else if (record?.life.status === 'restarting') {
        store.change(id, { life: { status: 'exited' } });
        waits.exited(id, { StatusCode: record.exitCode });
      }
    });
  }

  async #end(record: ContainerRecord, signal: number, timeout: number): Promise<void> {
    const { id } = record;
    const { signal: forget, abort } = abortable();
    try {
      const ended = this.#context.waits.next(id, 'next-exit', forget);
      await this.#signal(record, signal);
      await this.#thaw(record);
      if (await resolvesWithin(ended, timeout < 0 ? undefined : timeout * 1000)) return;
      await this.#forceEnd(record, ended);
    } finally {
      abort();
    }
  }

  /** SIGKILL to its first process, then to all that are left. Throws when they cannot die (a hung disk, a debugger). */
  async #forceEnd(record: ContainerRecord, ended: Promise<ContainerWaitResponse>): Promise<void> {
    const { id, hostConfig } = record;
    await this.#signal(record, SIGKILL);
    await this.#thaw(record);
    if (await resolvesWithin(ended, KILL_PATIENCE)) return;
    const runtime = this.#context.runtime(hostConfig.Runtime ?? undefined);
    await runtime.kill(id, SIGKILL, true);
    if (await resolvesWithin(ended, KILL_PATIENCE)) return;
    const pid = hasProcess(record.life) ? record.life.process.pid : 0;
    throw new EngineError('internal', `tried to kill container, but did not receive an exit event: process ${pid} of container ${id} is stuck in the kernel`);
  }

  async #signal(record: ContainerRecord, signal: number): Promise<void> {
    await this.#deliver(record, signal);
    emitContainer(this.#context, record, 'kill', { signal: String(signal) });
  }

  async #deliver({ id, hostConfig }: ContainerRecord, signal: number): Promise<void> {
    try {
      await this.#context.runtime(hostConfig.Runtime ?? undefined).kill(id, signal);
    } catch (error) {
      if (!isErrno(error, 'ESRCH')) throw error;
    }
  }

  /** A frozen process takes no signal, not even SIGKILL on cgroup v1. */
  async #thaw({ id, life, hostConfig }: ContainerRecord): Promise<void> {
    if (life.status !== 'paused') return;
    await this.#context.runtime(hostConfig.Runtime ?? undefined).resume(id).catch((error: unknown) => {
      this.#context.log.warn('a paused container did not thaw to be ended', { container: id, error });
    });
  }

  async #kill(record: ContainerRecord): Promise<void> {
    await this.#signal(record, SIGKILL);
  }

  async restart(id: ContainerId, options: { signal: string | undefined; timeout: number | undefined }): Promise<void> {
    const { store } = this.#context;
    const record = store.require(id);
    this.#restarting.add(id);
    try {
      if (hasProcess(record.life)) {
        await this.stop(id, options);
      } else if (record.life.status === 'restarting') {
        this.#cancelRestart(id);
      }
      await this.start(id);
    } finally {
      this.#restarting.delete(id);
    }
    emitContainer(this.#context, store.require(id), 'restart');
  }

  /** `given` is what the client called the container. */
  async kill(id: ContainerId, given: string, signalText: string | undefined): Promise<void> {
    const { store } = this.#context;
    let signal: number;
    try {
      signal = parseSignal(signalText || 'KILL');
    } catch (error) {
      throw invalid(`cannot kill container: ${given}: ${(error as Error).message}`, { cause: error });
    }
    const record = store.require(id);
    if (record.life.status === 'restarting' && signal === SIGKILL) {
      store.change(id, { stoppedByUser: true });
      await this.#abandonRestart(id);
      return;
    }
    if (!hasProcess(record.life)) throw conflict(`cannot kill container: ${given}: container ${id} is not running`);
    const stopSignal = record.config.StopSignal;
    // Docker: without a stop signal of its own any signal counts as the user's wish to end it.
    if (signal === SIGKILL || !stopSignal || parseSignal(stopSignal) === signal) store.change(id, { stoppedByUser: true });
    if (signal !== SIGKILL) {
      await this.#signal(record, signal);
      return;
    }
    const { signal: forget, abort } = abortable();
    try {
      const ended = this.#context.waits.next(id, 'next-exit', forget);
      await this.#forceEnd(record, ended);
    } finally {
      abort();
    }
  }

  async pause(id: ContainerId): Promise<void> {
    const { store } = this.#context;
    const record = this.#requireRunning(id);
    if (record.life.status === 'paused') throw conflict(`Container ${id} is already paused`);
    if (!hasProcess(record.life)) throw conflict(`Container ${id} is restarting, wait until the container is running`);
    await this.#context.runtime(record.hostConfig.Runtime ?? undefined).pause(id);
    store.transaction(() => {
      const { life } = store.require(id);
      // It may have ended before it froze.
      if (hasProcess(life)) emitContainer(this.#context, store.change(id, { life: { status: 'paused', process: life.process } }), 'pause');
    });
  }

  async unpause(id: ContainerId): Promise<void> {
    const { store } = this.#context;
    const record = store.require(id);
    if (record.life.status !== 'paused') throw new EngineError('internal', `Container ${id} is not paused`);
    await this.#context.runtime(record.hostConfig.Runtime ?? undefined).resume(id);
    store.transaction(() => {
      const { life } = store.require(id);
      if (hasProcess(life)) emitContainer(this.#context, store.change(id, { life: { status: 'running', process: life.process } }), 'unpause');
    });
  }

  #requireRunning(id: ContainerId): ContainerRecord {
    const record = this.#context.store.require(id);
    if (!countsAsRunning(record.life.status)) throw conflict(`container ${id} is not running`);
    return record;
  }

  /** A running container is refused unless forced, which kills it, even while it starts. */
  async remove(id: ContainerId, options: { volumes: boolean; force: boolean }): Promise<void> {
    const { store, changes, layout } = this.#context;
    for (;;) {
      const record = store.require(id);
      if (record.life.status === 'removing') throw conflict(`removal of container ${record.name} is already in progress`);
      if (countsAsRunning(record.life.status)) {
        if (!options.force) throw conflict(refusal(record));
        await this.#killForRemoval(record);
      } else if (record.starting && options.force) {
        // A runtime that hangs would keep the lock until its deadline.
        killMonitor(layout.bundle(id));
      }
      const done = await changes.run(id, async () => {
        const now = store.get(id);
        // --rm may have removed it after the kill.
        if (now === undefined) return true;
        // A start that was under way, or a restart policy, was quicker.
        if (countsAsRunning(now.life.status)) return false;
        await removeContainer(this.#context, now, options);
        return true;
      });
      if (done) return;
    }
  }

  async #killForRemoval(record: ContainerRecord): Promise<void> {
    const { store, waits } = this.#context;
    store.change(record.id, { stoppedByUser: true });
    if (!hasProcess(record.life)) {
      await this.#abandonRestart(record.id);
      return;
    }
    const { signal, abort } = abortable();
    try {
      const ended = waits.next(record.id, 'next-exit', signal);
      await this.#forceEnd(record, ended);
    } finally {
      abort();
    }
  }

  /** Ends timers; containers go on. */
  close(): void {
    for (const timer of this.#restarts.values()) clearTimeout(timer);
    this.#restarts.clear();
  }
}

function refusal({ name, life }: ContainerRecord): string {
  const why = life.status === 'paused' ? 'container is paused and must be unpaused first' : `container is ${life.status}: stop the container before removing or force remove`;
  return `cannot remove container "/${name}": ${why}`;
}

function abortable(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}

async function resolvesWithin(task: Promise<unknown>, milliseconds: number | undefined): Promise<boolean> {
  if (milliseconds === undefined) {
    await task;
    return true;
  }
  const { promise, resolve } = Promise.withResolvers<false>();
  const timer = setTimeout(() => resolve(false), milliseconds);
  try {
    return await Promise.race([task.then(() => true as const), promise]);
  } finally {
    clearTimeout(timer);
  }
}
