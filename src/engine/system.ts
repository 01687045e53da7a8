import { readFileSync, readdirSync } from 'node:fs';
import { hostname, release, totalmem } from 'node:os';
import { rfc3339Nano } from '#base/clock.ts';
import type { CgroupFacts } from '#host/cgroup.ts';
import type { HostFacts } from '#host/facts.ts';
import type { EventMessage, SystemInfo, SystemVersion } from '#spec/wire/system.ts';
import type { ContainerSummary } from '#spec/wire/container.ts';
import type { ImageSummary } from '#spec/wire/image.ts';
import type { BuildCacheRecord } from '#spec/wire/build.ts';
import type { Volume } from '#spec/wire/volume.ts';
import type { ContainerContext } from './context.ts';
import type { Events } from './events.ts';
import { availableLogDrivers } from './logs/log-config.ts';

export interface SystemOptions {
  context: Pick<ContainerContext, 'store' | 'clock' | 'layout' | 'facts' | 'defaults'>;
  events: Pick<Events, 'stream' | 'listeners'>;
  cgroups: CgroupFacts;
  /** Ours, of the oldest and newest API, and of programs we use by name. */
  versions: { engine: string; api: string; minApi: string; programs: () => Promise<Record<string, string>> };
  /** Id of this engine's data, kept over restarts. */
  id: string;
  debug: boolean;
  labels: readonly string[];
  /** Paths by runtime name. */
  runtimes: Readonly<Record<string, string>>;
  firewall: string;
  insecureRegistries: readonly string[];
  registryMirrors: readonly string[];
  proxies: { http: string; https: string; no: string };
  addressPools: readonly { Base: string; Size: number }[];
  /** Sentences about what is wrong with this machine or configuration. */
  warnings: readonly string[];
  imageCount: () => Promise<number>;
  usage: {
    images(): Promise<{ layersSize: number; images: ImageSummary[] }>;
    containers(): Promise<ContainerSummary[]>;
    volumes(): Promise<Volume[]>;
    buildCache(): Promise<BuildCacheRecord[]>;
  };
}

type DiskPart = 'container' | 'image' | 'volume' | 'build-cache';

/** What the engine says about itself and its machine. */
export class System {
  readonly #options: SystemOptions;

  constructor(options: SystemOptions) {
    this.#options = options;
  }

  events(options: Parameters<Events['stream']>[0], signal: AbortSignal): AsyncIterable<EventMessage> {
    return this.#options.events.stream(options, signal);
  }

  async version(): Promise<SystemVersion> {
    const { versions, context } = this.#options;
    const programs = await versions.programs();
    const facts = {
      ApiVersion: versions.api,
      MinAPIVersion: versions.minApi,
      GitCommit: '',
      Os: 'linux',
      Arch: context.facts.architecture,
      KernelVersion: release(),
      BuildTime: '',
    };
    return {
      Platform: { Name: `Gantry ${versions.engine}` },
      Version: versions.engine,
      GoVersion: '',
      Experimental: false,
      ...facts,
      Components: [
        { Name: 'Engine', Version: versions.engine, Details: { ...facts, Experimental: 'false', GoVersion: '' } },
        { Name: 'node', Version: process.versions.node, Details: { GitCommit: '' } },
        ...Object.entries(programs).map(([Name, Version]) => ({ Name, Version, Details: { GitCommit: '' } })),
      ],
    };
  }

  async info(): Promise<SystemInfo> {
    const { context, cgroups, events, versions, ...rest } = this.#options;
    const { facts, defaults, layout } = context;
    const counts = this.#counts();
    const os = operatingSystem();
    return {
      ID: rest.id,
      Containers: counts.all,
      ContainersRunning: counts.running,
      ContainersPaused: counts.paused,
      ContainersStopped: counts.all - counts.running - counts.paused,
      Images: await rest.imageCount(),
      Driver: 'overlay2',
      DriverStatus: [
        ['Backing Filesystem', fileSystemOf(layout.root)],
        ['Supports d_type', 'true'],
        ['Using metacopy', 'false'],
        ['Native Overlay Diff', 'true'],
        ['userxattr', String(facts.rootless)],
      ],
      Plugins: { Volume: ['local'], Network: ['bridge', 'host', 'ipvlan', 'macvlan', 'null'], Authorization: [], Log: availableLogDrivers() },
      MemoryLimit: cgroups.memoryLimit,
      SwapLimit: cgroups.swapLimit,
      CpuCfsPeriod: cgroups.cpuCfsPeriod,
      CpuCfsQuota: cgroups.cpuCfsQuota,
      CPUShares: cgroups.cpuShares,
      CPUSet: cgroups.cpuSet,
      PidsLimit: cgroups.pidsLimit,
      OomKillDisable: cgroups.oomKillDisable,
      IPv4Forwarding: readText('/proc/sys/net/ipv4/ip_forward').trim() === '1',
      Debug: rest.debug,
      NFd: countOf('/proc/self/fd'),
      NGoroutines: countOf('/proc/self/task'),
      SystemTime: rfc3339Nano(context.clock.nowNanos()),
      LoggingDriver: defaults.logConfig.Type,
      CgroupDriver: cgroups.driver,
      CgroupVersion: cgroups.version,
      NEventsListener: events.listeners,
      KernelVersion: release(),
      OperatingSystem: os.name,
      OSVersion: os.version,
      OSType: 'linux',
      Architecture: machineName(process.arch),
      NCPU: facts.cpus,
      MemTotal: totalmem(),
      IndexServerAddress: 'https://index.docker.io/v1/',
      RegistryConfig: registries(rest.insecureRegistries, rest.registryMirrors),
      GenericResources: null,
      DockerRootDir: layout.root,
      HttpProxy: rest.proxies.http,
      HttpsProxy: rest.proxies.https,
      NoProxy: rest.proxies.no,
      Name: hostname(),
      Labels: [...rest.labels],
      ExperimentalBuild: false,
      ServerVersion: versions.engine,
      Runtimes: Object.fromEntries(Object.entries(rest.runtimes).map(([name, path]) => [name, { path }])),
      DefaultRuntime: defaults.defaultRuntime,
      Swarm: { NodeID: '', NodeAddr: '', LocalNodeState: 'inactive', ControlAvailable: false, Error: '', RemoteManagers: null },
      LiveRestoreEnabled: true,
      Isolation: '',
      InitBinary: facts.initBinary ?? '',
      ContainerdCommit: { ID: '' },
      RuncCommit: { ID: '' },
      InitCommit: { ID: '' },
      SecurityOptions: securityOptions(facts, defaults.seccompProfile),
      DefaultAddressPools: [...rest.addressPools],
      FirewallBackend: { Driver: rest.firewall },
      CDISpecDirs: [...facts.cdiDirs],
      Warnings: rest.warnings.length > 0 ? [...rest.warnings] : null,
    };
  }

  async diskUsage(types: DiskPart[]): Promise<{ layersSize: number; images: ImageSummary[]; containers: ContainerSummary[]; volumes: Volume[]; buildCache: BuildCacheRecord[] }> {
    const { usage } = this.#options;
    const wanted = (part: DiskPart): boolean => types.length === 0 || types.includes(part);
    const [images, containers, volumes, buildCache] = await Promise.all([
      wanted('image') ? usage.images() : { layersSize: 0, images: [] },
      wanted('container') ? usage.containers() : [],
      wanted('volume') ? usage.volumes() : [],
      wanted('build-cache') ? usage.buildCache() : [],
    ]);
    return { ...images, containers, volumes, buildCache };
  }

  #counts(): { all: number; running: number; paused: number } {
    const counts = { all: 0, running: 0, paused: 0 };
    for (const { life } of this.#options.context.store.all()) {
      counts.all++;
      if (life.status === 'paused') counts.paused++;
      else if (life.status === 'running' || life.status === 'restarting') counts.running++;
    }
    return counts;
  }
}

function registries(insecure: readonly string[], mirrors: readonly string[]): NonNullable<SystemInfo['RegistryConfig']> {
  const isRange = (text: string): boolean => /^[\d.:a-f]+\/\d+$/i.test(text);
  return {
    InsecureRegistryCIDRs: ['::1/128', '127.0.0.0/8', ...insecure.filter(isRange)],
    IndexConfigs: {
      'docker.io': { Name: 'docker.io', Mirrors: [...mirrors], Secure: true, Official: true },
      ...Object.fromEntries(insecure.filter((name) => !isRange(name)).map((Name) => [Name, { Name, Mirrors: [], Secure: false, Official: false }])),
    },
    Mirrors: [...mirrors],
  };
}

function securityOptions(facts: HostFacts, profile: string | undefined): string[] {
  return [
    ...(facts.apparmor ? ['name=apparmor'] : []),
    ...(facts.seccomp ? [`name=seccomp,profile=${profile === undefined ? 'builtin' : profile === 'unconfined' ? 'unconfined' : 'custom'}`] : []),
    ...(facts.selinux ? ['name=selinux'] : []),
    ...(facts.rootless ? ['name=rootless'] : []),
    ...(facts.cgroupVersion === 2 ? ['name=cgroupns'] : []),
  ];
}

function operatingSystem(): { name: string; version: string } {
  const text = readText('/etc/os-release') || readText('/usr/lib/os-release');
  const value = (key: string): string => new RegExp(`^${key}=(?:"([^"]*)"|(.*))$`, 'm').exec(text)?.slice(1).find((part) => part !== undefined) ?? '';
  return { name: value('PRETTY_NAME') || 'Linux', version: value('VERSION_ID') };
}

/** The type of the file system that holds a path, as Docker names it. */
function fileSystemOf(path: string): string {
  let best = { target: '', type: 'unknown' };
  for (const line of readText('/proc/self/mounts').split('\n')) {
    const [, target = '', type = ''] = line.split(' ');
    if ((path === target || path.startsWith(target === '/' ? '/' : `${target}/`)) && target.length >= best.target.length) best = { target, type };
  }
  return best.type.startsWith('ext') ? 'extfs' : best.type;
}

const machineName = (arch: string): string => ({ x64: 'x86_64', arm64: 'aarch64' })[arch] ?? arch;

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function countOf(folder: string): number {
  try {
    return readdirSync(folder).length;
  } catch {
    return 0;
  }
}
