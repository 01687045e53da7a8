import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rfc3339Nano } from '#base/clock.ts';
import { codeOf, conflict, EngineError, invalid, messageOf, notModified, wrap } from '#base/errors.ts';
import { initRefusal } from '#host/refusal.ts';
import type { MonitoredProcess, RuntimeRefusal } from '#host/runtime.ts';
import type { ContainerId } from '#spec/ids.ts';
import type { RuntimeSpec } from '#spec/oci-runtime.ts';
import { removeBundle } from './bundle.ts';
import { emitContainer, type ContainerContext } from './context.ts';
import type { ContainerRecord } from './container-record.ts';
import type { ProcessFacts } from './container-state.ts';
import { legacyLinks, linkedIds, linkEnvironment, refreshLinks } from './links.ts';
import { logPolicy } from './logs/log-config.ts';
import { namespaceChoices, networkPlan, shmPlan, type NetworkPlan } from './namespaces.ts';
import { prepareSpec } from './oci/prepare.ts';
import { renderSpec } from './oci/render.ts';
import type { Sandbox } from './ports.ts';
import { fileRequest, sandboxRequest } from './sandbox-request.ts';
import { volumeFillers } from './volume-fill.ts';

/**
 * Starts a container that does not run; the caller holds its lock. What is independent happens side by side: the network
 * comes up in its thread while the root is mounted and the spec compiled. On failure everything is undone, the record
 * keeps Docker's exit code and text (127 not found, 126 not executable, else 128) and the error is thrown.
 */
export async function startContainer(context: ContainerContext, id: ContainerId): Promise<ContainerRecord> {
  const { store } = context;
  const before = store.require(id);
  checkStartable(before);
  const record = store.change(id, { starting: true });
  await using undo = new AsyncDisposableStack();
  let started: ContainerRecord;
  try {
    const process = await make(context, record, undo);
    started = store.transaction(() => {
      const running = store.change(id, {
        life: { status: 'running', process: identify(context, process) },
        starting: false,
        exitCode: 0,
        error: '',
        oomKilled: false,
        startedAt: process.startedAt,
        stoppedByUser: false,
        health: hasHealthcheck(record) ? { Status: 'starting', FailingStreak: 0, Log: [] } : undefined,
      });
      emitContainer(context, running, 'start');
      return running;
    });
  } catch (error) {
    await undo.disposeAsync();
    throw failed(context, record, error);
  }
  undo.move();
  refreshLinks(context, started);
  // Who attached while the program was let go.
  await context.attachments.connect(id, context.layout.bundle(id));
  return started;
}

function checkStartable({ life, id }: ContainerRecord): void {
  switch (life.status) {
    case 'running':
      throw notModified(`container ${id} is already running`);
    case 'paused':
      throw conflict('cannot start a paused container, try unpause instead');
    case 'removing':
    case 'dead':
      throw conflict('container is marked for removal and cannot be started');
    default:
  }
}

async function make(context: ContainerContext, record: ContainerRecord, undo: AsyncDisposableStack): Promise<MonitoredProcess & { startedAt: string }> {
  const { layout, monitor, rootfs, attachments } = context;
  const { id, config, hostConfig } = record;
  const runtime = context.runtime(hostConfig.Runtime ?? undefined);
  const log = logPolicy({ type: hostConfig.LogConfig?.Type ?? '', options: hostConfig.LogConfig?.Config ?? {} }, { labels: config.Labels ?? {}, env: config.Env ?? [] });
  const network = networkPlan(context, record);
  const namespaces = namespaceChoices(context, record, network);
  if (context.facts.cgroupVersion === 1) checkShares(hostConfig.CpuShares ?? 0);
  const bundle = layout.bundle(id);
  monitor.forgetExit(layout.exits, id);

  const sandbox = bringUp(context, record, network, undo);
  const folder = layout.container(id);
  removeBundle(context.mounts, bundle);
  mkdirSync(bundle, { recursive: true, mode: 0o711 });
  undo.defer(() => removeBundle(context.mounts, bundle));
  const root = rootfs.acquire(record);
  undo.defer(() => rootfs.release(id));
  const shm = shmPlan(context, record);
  if (shm?.make) makeShm(context, record, shm.source, undo);
  if (record.mounts.some(({ type }) => type === 'volume')) {
    const folders = await context.volumes.activate(id, { user: 'run', fillers: volumeFillers(record.mounts, root, context.jail), mounts: record.mounts });
    undo.defer(() => context.volumes.deactivate(id, 'run'));
    record = inFolders(context, record, folders);
  }
  const files = fileFolder(context, network, folder);
  using prepared = prepareSpec({
    id,
    bundle,
    config: { ...config, Env: [...linkEnvironment(context, record), ...(config.Env ?? [])] },
    hostConfig,
    facts: context.facts,
    defaults: context.defaults,
    rootfs: root,
    mounts: record.mounts,
    imageLayers: imageLayers(context, record),
    files: { hosts: join(files, 'hosts'), hostname: join(files, 'hostname'), resolvConf: join(files, 'resolv.conf') },
    namespaces: network.kind === 'sandbox' ? { ...namespaces, network: { kind: 'join', path: '' } } : namespaces,
    cgroupsPath: cgroupPath(context, record),
    shmSource: shm?.source,
    consoleSize: hostConfig.ConsoleSize ? [hostConfig.ConsoleSize[0] ?? 0, hostConfig.ConsoleSize[1] ?? 0] : undefined,
  });
  writeNetworkFiles(context, record, network, await sandbox, prepared.spec);
  const uncompiled = runtime.name === 'crun' ? context.filters.apply(prepared.spec) : undefined;
  writeFileSync(join(bundle, 'config.json'), renderSpec(prepared.spec), { mode: 0o600 });

  const process = await monitor.launch({
    id,
    bundle,
    runtime: runtime.path,
    runtimeState: layout.runtimeState,
    exitDir: layout.exits,
    terminal: config.Tty ?? false,
    stdin: config.OpenStdin ?? false,
    stdinStaysOpen: !(config.StdinOnce ?? false),
    log: log.stored ? { path: join(folder, 'log'), maxBytes: undefined } : undefined,
  });
  undo.defer(async () => {
    await runtime.delete(id);
    await monitor.settle(bundle);
    monitor.forgetExit(layout.exits, id);
  });
  if (uncompiled !== undefined) context.filters.remember(uncompiled, join(layout.runtimeState, id));
  await attachments.connect(id, bundle);
  // Before the program runs: a short one may have ended when the runtime answers.
  const startedAt = rfc3339Nano(context.clock.nowNanos());
  await runtime.start(id);
  return { ...process, startedAt };
}

/** The kernel would take the nearest value it knows in silence; Docker's runtime reads it back and refuses. */
function checkShares(shares: number): void {
  const [kind, limit] = shares === 1 ? ['minimum', 2] : shares > 262_144 ? ['maximum', 262_144] : [];
  if (kind !== undefined) throw invalid(initRefusal(`error setting cgroup config for procHooks process: the ${kind} allowed cpu-shares is ${limit}`));
}

/** Begins making the sandbox; what it made is undone even when something else fails first. */
function bringUp(context: ContainerContext, record: ContainerRecord, network: NetworkPlan, undo: AsyncDisposableStack): Promise<Sandbox | undefined> {
  if (network.kind !== 'sandbox') return Promise.resolve(undefined);
  const up = context.networks.up(sandboxRequest(record, legacyLinks(context, record), linkedIds(context, record))).catch((error: unknown) => {
    throw wrap(error, 'failed to set up container networking');
  });
  // The rejection is seen where it is awaited, which an earlier failure may prevent.
  up.catch(() => {});
  undo.defer(async () => {
    await up.catch(() => {});
    await context.networks.down(record.id);
  });
  return up;
}

/** The record with where its volumes are: a plugin says so only when it mounts. */
function inFolders({ store }: ContainerContext, record: ContainerRecord, folders: ReadonlyMap<string, string>): ContainerRecord {
  const mounts = record.mounts.map((mount) => (mount.type === 'volume' ? { ...mount, source: folders.get(mount.name) ?? mount.source } : mount));
  return mounts.some(({ source }, index) => source !== record.mounts[index]?.source) ? store.redefine(record.id, { mounts }) : record;
}

function imageLayers({ images }: ContainerContext, { mounts }: ContainerRecord): ReadonlyMap<string, readonly string[]> {
  return new Map(mounts.flatMap(({ type, source }) => (type === 'image' ? [[source, images.lookup(source).layers] as const] : [])));
}

function makeShm(context: ContainerContext, record: ContainerRecord, source: string, undo: AsyncDisposableStack): void {
  mkdirSync(source, { recursive: true });
  context.mounts.tmpfs(source, `mode=1777,size=${record.hostConfig.ShmSize ?? context.defaults.shmSize}`);
  undo.defer(() => void context.mounts.unmount(source));
}

/** Whose hosts, hostname and resolv.conf it sees. */
function fileFolder({ layout }: ContainerContext, network: NetworkPlan, own: string): string {
  return network.kind === 'container' ? layout.container(network.other.id) : own;
}

/** Writes the three files the container sees, and the sandbox's namespace into the spec. */
function writeNetworkFiles(context: ContainerContext, record: ContainerRecord, network: NetworkPlan, sandbox: Sandbox | undefined, spec: RuntimeSpec): void {
  if (network.kind === 'container') return;
  const folder = context.layout.container(record.id);
  writeFileSync(join(folder, 'hostname'), `${record.config.Hostname ?? ''}\n`);
  const files = sandbox ?? context.networks.hostFiles(fileRequest(record, legacyLinks(context, record)), network.kind === 'host' ? 'host' : 'none');
  writeFileSync(join(folder, 'hosts'), files.hosts);
  writeFileSync(join(folder, 'resolv.conf'), files.resolvConf);
  if (sandbox === undefined) return;
  for (const namespace of spec.linux.namespaces) if (namespace.type === 'network') namespace.path = sandbox.netnsPath;
}

/** `/gantry/<id>`, or below `--cgroup-parent`. */
export function cgroupPath(context: Pick<ContainerContext, 'defaults' | 'cgroupParent'>, { id, hostConfig }: ContainerRecord): string {
  return join('/', hostConfig.CgroupParent || context.defaults.cgroupParent || context.cgroupParent, id);
}

function identify({ processes }: ContainerContext, { pid, monitorPid }: MonitoredProcess): ProcessFacts {
  // A program that ended already has no start time any more; its exit is on the way.
  return { pid, startTime: processes.startTime(pid) ?? 0, monitorPid, monitorStartTime: processes.startTime(monitorPid) ?? 0 };
}

export function hasHealthcheck({ config }: Pick<ContainerRecord, 'config'>): boolean {
  // Any other word is accepted and never probed, as in dockerd.
  const kind = config.Healthcheck?.Test?.[0];
  return kind === 'CMD' || kind === 'CMD-SHELL';
}

/** Notes the failure in the record; everything was undone. */
function failed(context: ContainerContext, record: ContainerRecord, error: unknown): EngineError {
  const { store, attachments, waits } = context;
  attachments.release(record.id);
  const refusal = error instanceof EngineError ? (error.details['refusal'] as RuntimeRefusal | undefined) : undefined;
  const exitCode = refusal?.exitCode ?? 128;
  if (store.get(record.id)) {
    store.change(record.id, {
      starting: false,
      exitCode,
      error: messageOf(error),
      ...(record.life.status === 'restarting' ? { life: { status: 'exited' as const } } : {}),
    });
  }
  // Who waits for the end of a run that never began goes on waiting, unless it was a restart: that run is over for good.
  if (record.life.status === 'restarting') waits.exited(record.id, { StatusCode: exitCode, Error: { Message: messageOf(error) } });
  context.log.warn('a container did not start', { container: record.id, error });
  return error instanceof EngineError ? error : new EngineError(codeOf(error), messageOf(error), { cause: error });
}
