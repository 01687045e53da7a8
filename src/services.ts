/** The composition of an engine: every room's parts, plugged into the interfaces that the API declares. */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { systemClock, type Clock } from '#base/clock.ts';
import { invalid } from '#base/errors.ts';
import { KeyedLock } from '#base/keyed-lock.ts';
import type { Log } from '#base/log.ts';
import type { Services } from '#api/services.ts';
import { API_VERSION, MIN_API_VERSION } from '#api/version.ts';
import { buildMigrations } from '#build/cache/schema.ts';
import { Archives } from '#engine/archive.ts';
import { Attachments } from '#engine/attachments.ts';
import { containerLookup } from '#engine/container-lookup.ts';
import { containerMigrations, ContainerStore } from '#engine/container-store.ts';
import { countsAsRunning, hasProcess } from '#engine/container-state.ts';
import type { ContainerRecord } from '#engine/container-record.ts';
import { ContainerWaits } from '#engine/container-waits.ts';
import { Containers } from '#engine/containers.ts';
import type { ContainerContext } from '#engine/context.ts';
import { eventMigrations, Events } from '#engine/events.ts';
import { execMigrations, ExecStore } from '#engine/exec-store.ts';
import { Execs } from '#engine/execs.ts';
import { Health } from '#engine/health.ts';
import { Lifecycle } from '#engine/lifecycle.ts';
import { logPolicy } from '#engine/logs/log-config.ts';
import { LogForwarder, type ForwardedLog } from '#engine/logs/forwarder.ts';
import { expandTag } from '#engine/logs/system-log.ts';
import { LogRotator, type RotatedLog } from '#engine/logs/rotator.ts';
import { recoverContainers, type RecoveryReport } from '#engine/recovery.ts';
import { SeccompCache } from '#engine/oci/seccomp-cache.ts';
import { Rootfs } from '#engine/rootfs.ts';
import { stepMigrations } from '#engine/steps/ledger.ts';
import { System } from '#engine/system.ts';
import { Volumes } from '#engine/volumes.ts';
import { volumeMigrations, VolumeStore } from '#engine/volume-store.ts';
import { Watchdog } from '#engine/watchdog.ts';
import { cgroupFacts, cgroupParent, crunObstacle, detectCgroups, oomKills, prepareCgroups, removeCgroup, type CgroupHierarchies } from '#host/cgroup.ts';
import { createConmon } from '#host/conmon.ts';
import { createCrun, readRuntimeStatus } from '#host/crun.ts';
import { openDatabase } from '#host/database.ts';
import { loadDefaultApparmorProfile } from '#host/apparmor.ts';
import { fileIdentity, readHostFacts } from '#host/facts.ts';
import { createJail } from '#host/jail.ts';
import type { Layout } from '#host/layout.ts';
import { kernelMounts } from '#host/mount.ts';
import { openPlugins } from '#host/plugin-client.ts';
import { pluginFolders } from '#host/plugin-discovery.ts';
import { processes, spawnCollect } from '#host/process.ts';
import type { ExitStatus, Runtime } from '#host/runtime.ts';
import { applyChanges } from '#image/changes.ts';
import { createImages } from '#image/images.ts';
import { registryMigrations } from '#image/registry/schema.ts';
import { imageMigrations } from '#image/schema.ts';
import { createNetworks } from '#network/networks.ts';
import type { ResolverProgram } from '#network/options.ts';
import { networkMigrations } from '#network/store.ts';
import { asContainerId, asExecId } from '#spec/ids.ts';
import type { Settings } from '#spec/daemon/options.ts';
import { randomUUID } from 'node:crypto';
import { createBuilds } from './daemon/builds.ts';
import { containerDefaults, findProgram, networkConfig, runtimePaths } from './daemon/decisions.ts';
import { proxySettings, registryOptions } from './daemon/registry-options.ts';

export interface ServicesOptions {
  layout: Layout;
  log: Log;
  /** Options in daemon.json's terms, checked already. */
  settings: Readonly<Settings>;
  /** The engine's own version. */
  version: string;
  debug: boolean;
  /** Sentences about the configuration, shown by `info`. */
  warnings?: readonly string[];
  clock?: Clock;
  /** Without it names are not served. */
  resolver?: ResolverProgram;
}

export interface EngineServices {
  services: Services;
  /** Finishes or rolls back what was half done, applies restart policies, begins to watch. Once, before serving. */
  recover(): Promise<RecoveryReport>;
  /** Ends this process's part; containers go on. Where none runs, bridges, rules and cgroups of this engine go too. */
  close(): Promise<void>;
}

/** Opens the state and joins all rooms. Nothing of the machine is touched before `recover`. */
export async function createServices(options: ServicesOptions): Promise<EngineServices> {
  const { layout, log, settings, clock = systemClock } = options;
  for (const folder of [layout.root, layout.run, layout.blobs, layout.layers, layout.containers, layout.volumes, layout.tmp]) {
    mkdirSync(folder, { recursive: true, mode: 0o711 });
  }
  // Nobody else finds programs of images and volumes here (CVE-2021-41091), also where the data root itself was made by others.
  for (const folder of [dirname(layout.blobs), layout.layers, layout.containers, layout.volumes, layout.tmp]) chmodSync(folder, 0o700);
  const rootless = process.geteuid?.() !== 0;
  if (!rootless) for (const { what, reason } of prepareCgroups().failed) log.warn('cgroups could not be prepared', { what, reason });
  const cgroups = detectCgroups();
  const facts = readHostFacts({ rootless, cdiDirs: settings['cdi-spec-dirs'] ?? ['/etc/cdi', '/var/run/cdi'], initBinary: settings['init-path'], apparmorDefault: loadDefaultApparmorProfile() });
  const db = openDatabase(layout.database, [
    ...containerMigrations, ...execMigrations, ...eventMigrations, ...imageMigrations, ...registryMigrations, ...networkMigrations, ...volumeMigrations,
    ...stepMigrations, ...buildMigrations,
  ]);
  const events = new Events(db, clock);
  const store = new ContainerStore(db);
  const paths = runtimePaths(settings);
  const obstacle = crunObstacle(cgroups);
  const fallBack = obstacle !== undefined && paths['runc'] !== undefined && settings['default-runtime'] === undefined;
  if (fallBack) log.warn('runc serves in place of crun', { reason: obstacle });
  const defaults = containerDefaults(settings, Object.keys(paths).filter((name) => !fallBack || name !== 'crun'));
  const jail = createJail();
  const { emit } = events;

  const images = createImages({
    layout, db, log, emit, jail, clock, rootless,
    registries: registryOptions(settings, { rootless, version: options.version }),
    usage: () => [...store.all()].map(({ id, image, life }) => ({ id, image, running: countsAsRunning(life.status) })),
  });
  const plugins = openPlugins({ folders: pluginFolders(layout.run) });
  const network = createNetworks({ layout, db, log, emit, plugins, config: networkConfig(settings), containers: containerLookup({ store, layout }), resolver: options.resolver });
  const volumes = new Volumes({
    store: new VolumeStore(db), root: layout.volumes, mounts: kernelMounts, plugins, clock, emit, log,
    measure: (path) => jail.run<'measure'>({ kind: 'measure', path }),
  });
  const runtimes = new Map<string, Runtime>();
  const runtime = (name: string | undefined): Runtime => {
    const wanted = name || defaults.defaultRuntime;
    const known = runtimes.get(wanted);
    if (known) return known;
    const path = paths[wanted];
    if (path === undefined) throw invalid(`unknown or invalid runtime name: ${wanted}`);
    const made = createCrun({ path, name: wanted, stateRoot: layout.runtimeState, cgroups });
    runtimes.set(wanted, made);
    return made;
  };
  const monitor = createConmon({ path: findProgram('conmon') ?? 'conmon', cgroups, oomKilled: (id) => wasOomKilled(layout, cgroups, id) });
  const context: ContainerContext = {
    layout, log, clock, store, events, images, volumes, jail, monitor, runtime, processes, facts, defaults,
    networks: network.sandboxes,
    mounts: kernelMounts,
    waits: new ContainerWaits(),
    attachments: new Attachments(monitor),
    rootfs: new Rootfs({ layout, mounts: kernelMounts, images, overlayOptions: rootless ? ['userxattr'] : [] }),
    filters: new SeccompCache({ folder: join(layout.root, 'filters'), runtime: fileIdentity(paths['crun']) }),
    cgroupParent: cgroupParent(layout.instance),
    changes: new KeyedLock(),
  };
  const execs = new Execs(context, new ExecStore(db));
  const health = new Health(context, execs);
  const lifecycle = new Lifecycle(context, health);
  const archives = new Archives({ jail, rootless });
  const networkId = (name: string): string | undefined => network.idOf(name);
  const containers = new Containers({ context, lifecycle, execs, archives, cgroups, networkId, commitImage: { commit: images.commit, applyChanges } });
  const system = new System({
    context, events, debug: options.debug,
    cgroups: cgroupFacts(cgroups),
    versions: { engine: options.version, api: API_VERSION, minApi: MIN_API_VERSION, programs: programVersions(paths) },
    id: engineId(layout),
    labels: settings.labels ?? [],
    runtimes: paths,
    firewall: 'nftables',
    insecureRegistries: settings['insecure-registries'] ?? [],
    registryMirrors: settings['registry-mirrors'] ?? [],
    proxies: proxySettings(settings),
    addressPools: (settings['default-address-pools'] ?? []).map(({ base, size }) => ({ Base: base, Size: size })),
    warnings: [...(options.warnings ?? []), ...machineWarnings(paths)],
    imageCount: async () => (await images.list({ all: false, filters: new Map(), sharedSize: false })).length,
    usage: {
      images: () => images.diskUsage(),
      containers: () => containers.list({ all: true, limit: undefined, size: true, filters: new Map() }),
      volumes: () => volumes.usage(),
      buildCache: () => builds.service.diskUsage(),
    },
  });

  const builds = createBuilds({ context, images, db, cgroups, runtimePaths: paths, rootless, clock, emit });

  const onExit = (id: string, status: ExitStatus): void => {
    const container = asContainerId(id);
    if (store.get(container) === undefined) execs.ended(asExecId(id), status);
    else lifecycle.ended(container, status).then(() => execs.containerEnded(container), (error: unknown) => log.error('the end of a container could not be settled', { container: id, error }));
  };
  await using stack = new AsyncDisposableStack();
  stack.defer(() => db.close());
  stack.defer(() => images.close());
  stack.defer(() => network.close());
  stack.defer(() => builds.close());
  stack.defer(() => lifecycle.close());
  stack.defer(() => health.close());
  const resources = stack.move();

  return {
    services: {
      containers,
      execs,
      images,
      builds: builds.service,
      volumes,
      networks: network.networks,
      system,
    },
    async recover() {
      await images.recover();
      await builds.recover();
      const report = await recoverContainers({ context, lifecycle, health, execs });
      resources.use(monitor.watchExits(layout.exits, onExit));
      resources.use(new Watchdog(context, onExit));
      const forwarder = resources.use(new LogForwarder({ logs: () => forwardedLogs(context), log }));
      const closed = new AbortController();
      resources.defer(() => closed.abort());
      forwardStarts(context, events, forwarder, closed.signal).catch((error: unknown) => log.error('starts are not watched any more', { error }));
      resources.use(new LogRotator({ logs: () => rotatedLogs(context), reopen: (bundle, path) => monitor.reopenLog(bundle, path), log }));
      return report;
    },
    async close() {
      if (![...store.all()].some(({ life }) => hasProcess(life))) {
        await network.removeAll().catch((error: unknown) => log.warn('networks were not all removed', { error }));
        removeCgroup(cgroups, cgroupParent(layout.instance));
      }
      await resources.disposeAsync();
    },
  };
}

function wasOomKilled(layout: Layout, cgroups: CgroupHierarchies, id: string): boolean {
  const status = readRuntimeStatus(layout.runtimeState, id, cgroups);
  return status !== undefined && oomKills(cgroups, status.cgroupPath) > 0;
}

function* rotatedLogs({ store, layout }: ContainerContext): Generator<RotatedLog> {
  for (const { id, life, hostConfig } of store.all()) {
    if (!hasProcess(life)) continue;
    const policy = logPolicy({ type: hostConfig.LogConfig?.Type ?? '', options: hostConfig.LogConfig?.Config ?? {} }, { labels: {}, env: [] }, () => true);
    if (!policy.stored) continue;
    yield { id, dir: layout.container(id), bundle: layout.bundle(id), maxSize: policy.maxSize, maxFiles: policy.maxFiles, compress: policy.compress };
  }
}

function* forwardedLogs(context: ContainerContext): Generator<ForwardedLog> {
  for (const record of context.store.all()) {
    const entry = forwardedLog(context, record);
    if (entry) yield entry;
  }
}

function forwardedLog({ layout, images }: ContainerContext, { id, name, life, image, config, hostConfig }: ContainerRecord): ForwardedLog | undefined {
  const { Type: driver, Config: given } = hostConfig.LogConfig ?? {};
  if (driver !== 'journald' && driver !== 'syslog') return undefined;
  const options = given ?? {};
  const { attributes } = logPolicy({ type: driver, options }, { labels: config.Labels ?? {}, env: config.Env ?? [] }, () => true);
  const facts = { id, name, image: images.displayName(image, config.Image ?? ''), imageId: image };
  const tag = expandTag(options['tag'] ?? '', facts);
  return { id, dir: layout.container(id), running: hasProcess(life), driver, options, container: { ...facts, tag, attributes } };
}

/** A container with --rm may be gone before the forwarder looks again. */
async function forwardStarts(context: ContainerContext, events: Events, forwarder: LogForwarder, signal: AbortSignal): Promise<void> {
  const filters = new Map([['type', ['container']], ['event', ['start']]]);
  for await (const { Actor } of events.stream({ since: undefined, until: undefined, filters }, signal)) {
    const record = context.store.get(asContainerId(Actor?.ID ?? ''));
    const entry = record && forwardedLog(context, record);
    if (entry) forwarder.consider(entry, true);
  }
}

/** A name for this engine's data that outlives restarts. */
function engineId({ root }: Layout): string {
  const path = join(root, 'engine-id');
  if (existsSync(path)) return readFileSync(path, 'utf8').trim();
  const id = randomUUID();
  writeFileSync(path, `${id}\n`);
  return id;
}

function machineWarnings(paths: Readonly<Record<string, string>>): string[] {
  return [
    ...(findProgram('conmon') === undefined ? ['WARNING: conmon is not installed: containers cannot start'] : []),
    ...Object.entries(paths).filter(([, path]) => !existsSync(path)).map(([name, path]) => `WARNING: runtime ${name} is not at ${path}`),
  ];
}

/** Asked once, when somebody wants to know. */
function programVersions(paths: Readonly<Record<string, string>>): () => Promise<Record<string, string>> {
  let asked: Promise<Record<string, string>> | undefined;
  const ask = async (): Promise<Record<string, string>> => {
    const programs = { conmon: findProgram('conmon'), ...paths };
    const found = await Promise.all(
      Object.entries(programs).map(async ([name, path]) => [name, path === undefined ? undefined : await versionOf(path)] as const),
    );
    return Object.fromEntries(found.flatMap(([name, version]) => (version === undefined ? [] : [[name, version]])));
  };
  return () => (asked ??= ask());
}

async function versionOf(path: string): Promise<string | undefined> {
  try {
    const { stdout } = await spawnCollect(path, ['--version'], { deadline: 2000 });
    return /\d+(?:\.\d+)+[\w.+~-]*/.exec(stdout.toString())?.[0];
  } catch {
    return undefined;
  }
}
