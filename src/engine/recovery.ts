import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { rfc3339Nano } from '#base/clock.ts';
import type { ContainerId } from '#spec/ids.ts';
import type { ExitStatus } from '#host/runtime.ts';
import { killMonitor } from '#host/conmon.ts';
import { monitorFiles, readPid } from '#host/monitor-files.ts';
import { bundleGraves, removeBundle } from './bundle.ts';
import { emitContainer, type ContainerContext } from './context.ts';
import type { ContainerRecord } from './container-record.ts';
import { hasProcess, type ProcessFacts } from './container-state.ts';
import type { Execs } from './execs.ts';
import type { Health } from './health.ts';
import type { Lifecycle } from './lifecycle.ts';
import { graveFolder, removeContainer } from './remove.ts';
import { startsAtBoot } from './restart-policy.ts';

export interface RecoveryOptions {
  context: ContainerContext;
  lifecycle: Lifecycle;
  health: Health;
  execs: Execs;
}

/** What a start of the engine found, for the log and tests. */
export interface RecoveryReport {
  running: number;
  ended: number;
  rolledBack: number;
  removed: number;
  /** The machine (or the user's session) came up since the last engine. */
  booted: boolean;
}

/** The status of a container that ended unseen: killed behind our back, or with the machine. Docker's figure. */
const UNKNOWN_EXIT = 255;

/**
 * Every start of the engine: compares the records with the processes, mounts and folders there are, and finishes or rolls
 * back what was half done. Afterwards exits are watched by the caller. Needs networks and volumes to be ready.
 */
export async function recoverContainers(options: RecoveryOptions): Promise<RecoveryReport> {
  const { context, lifecycle, health, execs } = options;
  const { store, layout, volumes, networks, rootfs, log } = context;
  for (const folder of [layout.containers, layout.exits, layout.runtimeState, join(layout.run, 'containers')]) {
    mkdirSync(folder, { recursive: true, mode: 0o711 });
  }
  const report: RecoveryReport = { running: 0, ended: 0, rolledBack: 0, removed: 0, booted: isBoot(context) };
  const alive = new Set<ContainerId>();
  const ended: { id: ContainerId; status: ExitStatus }[] = [];
  const halfMade: ContainerRecord[] = [];
  for (const record of store.all()) {
    if (record.starting) {
      const exit = context.monitor.readExit(layout.exits, record.id);
      const process = letGo(context, record) ? identify(context, record, exit !== undefined) : undefined;
      if (process === undefined) {
        halfMade.push(record);
      } else {
        finishStart(context, record, process);
        if (exit) ended.push({ id: record.id, status: exit });
        else alive.add(record.id);
      }
    } else if (hasProcess(record.life)) {
      const { pid, startTime } = record.life.process;
      const exit = context.monitor.readExit(layout.exits, record.id);
      if (context.processes.isAlive(pid, startTime) && startTime > 0 && exit === undefined) alive.add(record.id);
      else ended.push({ id: record.id, status: exit ?? unseen(context) });
    }
  }
  report.running = alive.size;
  rootfs.recover(alive);
  await networks.recover(alive);
  await volumes.recover({ known: new Set([...store.all()].map(({ id }) => id)), running: alive });
  await Promise.all(halfMade.map((record) => rollBack(context, record)));
  report.rolledBack = halfMade.length;
  removeStrays(context, alive);
  execs.recover();
  for (const { id, status } of ended) {
    execs.containerEnded(id);
    await lifecycle.ended(id, status);
  }
  report.ended = ended.length;
  for (const record of [...store.all()]) {
    const { id, life } = record;
    const doomed = unfinishedRemoval(record);
    if (doomed !== undefined) {
      await context.changes.run(id, () => removeContainer(context, record, doomed)).catch((error: unknown) => log.error('a container could not be removed', { container: id, error }));
      report.removed++;
    } else if (life.status === 'restarting') {
      lifecycle.restartAfter(id, life.at - context.clock.now());
    } else if (alive.has(id)) {
      health.watch(record);
    }
  }
  if (report.booted) startAtBoot(context, lifecycle, ended.map(({ id }) => id));
  log.info('containers are recovered', { ...report });
  return report;
}

/** With what a removal was begun, or would have been had the engine not ended between a --rm container's end and it. */
function unfinishedRemoval({ life, hostConfig, error }: ContainerRecord): { volumes: boolean } | undefined {
  if (life.status === 'removing') return { volumes: life.volumes };
  const over = life.status === 'exited' || (life.status === 'created' && error !== '');
  return over && hostConfig.AutoRemove === true ? { volumes: true } : undefined;
}

const unseen = ({ clock }: ContainerContext): ExitStatus => ({ code: UNKNOWN_EXIT, at: clock.nowNanos(), oomKilled: false });

/** The run folder does not outlive a boot; a mark in it tells. */
function isBoot({ layout }: ContainerContext): boolean {
  const mark = join(layout.run, 'boot');
  const bootId = readText('/proc/sys/kernel/random/boot_id');
  if (readText(mark) === bootId) return false;
  writeFileSync(mark, bootId);
  return true;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Whether the program of a start that was not recorded was let go: the runtime's fifo stands until then. */
function letGo({ layout }: ContainerContext, { id }: ContainerRecord): boolean {
  const folder = join(layout.runtimeState, id);
  const isKnown = ['status', 'state.json'].some((name) => existsSync(join(folder, name)));
  return isKnown && !existsSync(join(folder, 'exec.fifo'));
}

/** Its process, when it lives or has `ended` with a known status. */
function identify({ layout, processes }: ContainerContext, { id }: ContainerRecord, ended: boolean): ProcessFacts | undefined {
  const bundle = layout.bundle(id);
  const pid = readPid(monitorFiles.pid(bundle)) ?? 0;
  const startTime = processes.startTime(pid);
  if (startTime === undefined && !ended) return undefined;
  const monitorPid = readPid(monitorFiles.monitorPid(bundle)) ?? 0;
  return { pid, startTime: startTime ?? 0, monitorPid, monitorStartTime: processes.startTime(monitorPid) ?? 0 };
}

function finishStart(context: ContainerContext, { id, config }: ContainerRecord, process: ProcessFacts): void {
  const { store, layout } = context;
  const checks = config.Healthcheck?.Test?.[0];
  store.transaction(() => {
    const record = store.change(id, {
      life: { status: 'running', process },
      starting: false,
      exitCode: 0,
      error: '',
      // Written when the process was made, a moment before it was let go.
      startedAt: rfc3339Nano(statSync(monitorFiles.pid(layout.bundle(id)), { bigint: true }).mtimeNs),
      stoppedByUser: false,
      health: checks === undefined || checks === 'NONE' ? undefined : { Status: 'starting', FailingStreak: 0, Log: [] },
    });
    emitContainer(context, record, 'start');
  });
}

/** Takes away what a half-made start left. One with --rm goes altogether; nobody waits for it any more. */
async function rollBack(context: ContainerContext, record: ContainerRecord): Promise<void> {
  const { store, layout, monitor, mounts, rootfs, networks, volumes, log } = context;
  const { id } = record;
  try {
    killMonitor(layout.bundle(id));
    await context.runtime(record.hostConfig.Runtime ?? undefined).delete(id);
    await monitor.settle(layout.bundle(id));
    monitor.forgetExit(layout.exits, id);
    await networks.down(id);
    rootfs.release(id);
    await volumes.deactivate(id, 'run');
    removeBundle(mounts, layout.bundle(id));
  } catch (error) {
    log.error('a half-made start could not be undone', { container: id, error });
  }
  const back = store.change(id, { starting: false, ...(record.life.status === 'restarting' ? {} : { error: 'the engine ended while the container was starting' }) });
  if (record.hostConfig.AutoRemove === true) await removeContainer(context, back, { volumes: true });
}

/** Bundles, exit files and folders that no record knows. */
function removeStrays(context: ContainerContext, alive: ReadonlySet<ContainerId>): void {
  const { store, layout, mounts, log } = context;
  const bundles = join(layout.run, 'containers');
  for (const name of readdirSync(bundles)) {
    if (!alive.has(name as ContainerId)) removeBundle(mounts, join(bundles, name));
  }
  for (const name of readdirSync(layout.containers)) {
    if (store.get(name as ContainerId) === undefined) removeBundle(mounts, join(layout.containers, name));
  }
  for (const name of readdirSync(layout.runtimeState)) {
    if (store.get(name as ContainerId) === undefined) {
      context.runtime(undefined).delete(name).catch((error: unknown) => log.warn('a stray runtime container was not removed', { container: name, error }));
    }
  }
  for (const graves of [graveFolder(context), bundleGraves(layout)]) {
    // One by one: new ones come meanwhile.
    for (const name of existsSync(graves) ? readdirSync(graves) : []) {
      rm(join(graves, name), { recursive: true, force: true }).catch((error: unknown) => log.warn('a removed container left files', { error }));
    }
  }
}

function startAtBoot({ store, log }: ContainerContext, lifecycle: Lifecycle, justEnded: readonly ContainerId[]): void {
  for (const { id, life, hostConfig, exitCode, stoppedByUser, startedAt } of [...store.all()]) {
    if (life.status !== 'exited' || justEnded.includes(id)) continue;
    if (!startsAtBoot(hostConfig.RestartPolicy, { exitCode, stoppedByUser, ran: !startedAt.startsWith('0001') })) continue;
    lifecycle.start(id).catch((error: unknown) => log.error('a container did not start at boot', { container: id, error }));
  }
}
