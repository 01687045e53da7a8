import type { ContainerConfig, HostConfig } from '#spec/wire/container.ts';

/** Lists that are null in Docker's answers when the client gave none; old clients read them without asking. */
const nullable = [
  'Binds', 'PortBindings', 'VolumesFrom', 'CapAdd', 'CapDrop', 'Dns', 'DnsOptions', 'DnsSearch', 'ExtraHosts', 'GroupAdd', 'Links',
  'SecurityOpt', 'BlkioWeightDevice', 'BlkioDeviceReadBps', 'BlkioDeviceWriteBps', 'BlkioDeviceReadIOps', 'BlkioDeviceWriteIOps',
  'Devices', 'DeviceCgroupRules', 'DeviceRequests', 'MemorySwappiness', 'PidsLimit', 'Ulimits', 'MaskedPaths', 'ReadonlyPaths',
] as const;

/** The host configuration with every field that Docker shows, null where Docker shows null. */
export function inspectHostConfig(hostConfig: HostConfig): HostConfig {
  const nulls: Record<string, null> = {};
  for (const field of nullable) {
    if (hostConfig[field] === undefined) nulls[field] = null;
  }
  return { ...hostConfig, ...nulls };
}

/** The container configuration likewise. */
export function inspectContainerConfig(config: ContainerConfig): ContainerConfig {
  const nulls: Record<string, null> = {};
  for (const field of ['Env', 'Cmd', 'Volumes', 'Entrypoint', 'OnBuild'] as const) {
    if (config[field] === undefined) nulls[field] = null;
  }
  return { ...config, ...nulls };
}
