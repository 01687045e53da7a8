import type { HostConfig, Resources } from '#spec/wire/container.ts';
import type { HostFacts } from '#host/facts.ts';
import { defaultMaskedPaths, defaultReadonlyPaths } from './default-paths.ts';
import type { ContainerDefaults } from './input.ts';

const MIN_CPU_SHARES = 2;
const MAX_CPU_SHARES = 262_144;

/**
 * The host configuration with every default filled in: what inspect shows and the compiler reads. Lists that the client
 * left out stay null-like (absent), as clients tell the two apart. Expects a validated configuration.
 */
export function effectiveHostConfig(given: HostConfig, defaults: ContainerDefaults, facts: HostFacts): HostConfig {
  const privileged = given.Privileged === true;
  return {
    Binds: given.Binds,
    ContainerIDFile: given.ContainerIDFile ?? '',
    LogConfig: given.LogConfig?.Type
      ? { Type: given.LogConfig.Type, Config: given.LogConfig.Config ?? {} }
      : { Type: defaults.logConfig.Type, Config: { ...defaults.logConfig.Config, ...given.LogConfig?.Config } },
    NetworkMode: given.NetworkMode === undefined || given.NetworkMode === '' || given.NetworkMode === 'default' ? 'bridge' : given.NetworkMode,
    PortBindings: given.PortBindings === undefined ? undefined : normalisePorts(given.PortBindings),
    RestartPolicy: { Name: given.RestartPolicy?.Name || 'no', MaximumRetryCount: given.RestartPolicy?.MaximumRetryCount ?? 0 },
    AutoRemove: given.AutoRemove ?? false,
    VolumeDriver: given.VolumeDriver ?? '',
    VolumesFrom: given.VolumesFrom,
    ...(given.Mounts === undefined ? {} : { Mounts: given.Mounts }),
    ConsoleSize: [given.ConsoleSize?.[0] ?? 0, given.ConsoleSize?.[1] ?? 0],
    ...(given.Annotations && Object.keys(given.Annotations).length > 0 ? { Annotations: given.Annotations } : {}),
    CapAdd: given.CapAdd === undefined ? undefined : normaliseCapabilities(given.CapAdd),
    CapDrop: given.CapDrop === undefined ? undefined : normaliseCapabilities(given.CapDrop),
    CgroupnsMode: given.CgroupnsMode || defaultCgroupns(privileged, defaults, facts),
    Dns: given.Dns,
    DnsOptions: given.DnsOptions,
    DnsSearch: given.DnsSearch,
    ExtraHosts: given.ExtraHosts,
    GroupAdd: given.GroupAdd,
    IpcMode: given.IpcMode || defaults.ipcMode,
    Cgroup: given.Cgroup ?? '',
    Links: given.Links,
    OomScoreAdj: given.OomScoreAdj ?? 0,
    PidMode: given.PidMode ?? '',
    Privileged: privileged,
    PublishAllPorts: given.PublishAllPorts ?? false,
    ReadonlyRootfs: given.ReadonlyRootfs ?? false,
    SecurityOpt: given.SecurityOpt,
    ...(given.StorageOpt ? { StorageOpt: given.StorageOpt } : {}),
    ...(given.Tmpfs ? { Tmpfs: given.Tmpfs } : {}),
    UTSMode: given.UTSMode ?? '',
    UsernsMode: given.UsernsMode ?? '',
    ShmSize: given.ShmSize || defaults.shmSize,
    ...(given.Sysctls && Object.keys(given.Sysctls).length > 0 ? { Sysctls: given.Sysctls } : {}),
    Runtime: given.Runtime || defaults.defaultRuntime,
    Isolation: given.Isolation ?? '',
    ...effectiveResources(given, facts),
    ...(typeof given.Init === 'boolean' ? { Init: given.Init } : {}),
    // A privileged container sees everything; an empty list from the client means the same.
    MaskedPaths: given.MaskedPaths ?? (privileged ? undefined : [...defaultMaskedPaths]),
    ReadonlyPaths: given.ReadonlyPaths ?? (privileged ? undefined : [...defaultReadonlyPaths]),
  };
}

/** The resource part, for create and (over the old values) for update. */
export function effectiveResources(given: Resources, facts: Pick<HostFacts, 'controlFiles' | 'cgroupVersion'>): Resources {
  const memory = given.Memory ?? 0;
  const swapCounted = hasSwapAccounting(facts);
  return {
    CpuShares: clampShares(given.CpuShares ?? 0),
    Memory: memory,
    NanoCpus: given.NanoCpus ?? 0,
    CgroupParent: given.CgroupParent ?? '',
    BlkioWeight: given.BlkioWeight ?? 0,
    BlkioWeightDevice: given.BlkioWeightDevice,
    BlkioDeviceReadBps: given.BlkioDeviceReadBps,
    BlkioDeviceWriteBps: given.BlkioDeviceWriteBps,
    BlkioDeviceReadIOps: given.BlkioDeviceReadIOps,
    BlkioDeviceWriteIOps: given.BlkioDeviceWriteIOps,
    CpuPeriod: given.CpuPeriod ?? 0,
    CpuQuota: given.CpuQuota ?? 0,
    CpuRealtimePeriod: given.CpuRealtimePeriod ?? 0,
    CpuRealtimeRuntime: given.CpuRealtimeRuntime ?? 0,
    CpusetCpus: given.CpusetCpus ?? '',
    CpusetMems: given.CpusetMems ?? '',
    Devices: given.Devices,
    DeviceCgroupRules: given.DeviceCgroupRules,
    DeviceRequests: given.DeviceRequests,
    MemoryReservation: given.MemoryReservation ?? 0,
    // As much swap as memory, so that a limit of 100 MB does not become 100 MB of RAM and all of the swap.
    MemorySwap: given.MemorySwap || (memory > 0 && swapCounted ? memory * 2 : 0),
    MemorySwappiness: given.MemorySwappiness === -1 ? undefined : given.MemorySwappiness,
    OomKillDisable: given.OomKillDisable ?? false,
    PidsLimit: given.PidsLimit && given.PidsLimit > 0 ? given.PidsLimit : undefined,
    Ulimits: given.Ulimits,
    CpuCount: given.CpuCount ?? 0,
    CpuPercent: 0,
    IOMaximumIOps: given.IOMaximumIOps ?? 0,
    IOMaximumBandwidth: given.IOMaximumBandwidth ?? 0,
  };
}

/** Whether the kernel counts swap for containers. */
export function hasSwapAccounting(facts: Pick<HostFacts, 'controlFiles' | 'cgroupVersion'>): boolean {
  return facts.controlFiles.includes(facts.cgroupVersion === 2 ? 'memory.swap.max' : 'memory.memsw.limit_in_bytes');
}

function clampShares(shares: number): number {
  if (shares === 0) return 0;
  return Math.min(Math.max(shares, MIN_CPU_SHARES), MAX_CPU_SHARES);
}

function defaultCgroupns(privileged: boolean, defaults: ContainerDefaults, facts: HostFacts): 'private' | 'host' {
  return defaults.cgroupnsMode ?? (facts.cgroupVersion === 2 && !privileged ? 'private' : 'host');
}

function normaliseCapabilities(names: readonly string[]): string[] {
  return [...new Set(names.map((name) => {
    const upper = name.toUpperCase();
    if (upper === 'ALL' || upper === 'CAP_ALL') return 'ALL';
    return upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
  }))].sort();
}

function normalisePorts(ports: NonNullable<HostConfig['PortBindings']>): NonNullable<HostConfig['PortBindings']> {
  return Object.fromEntries(
    Object.entries(ports).map(([port, bindings]) => [
      port.includes('/') ? port : `${port}/tcp`,
      bindings?.map(({ HostIp = '', HostPort = '' }) => ({ HostIp, HostPort })) ?? null,
    ]),
  );
}
