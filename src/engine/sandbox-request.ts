import type { ContainerId } from '#spec/ids.ts';
import type { PortMap } from '#spec/wire/container.ts';
import type { ContainerRecord } from './container-record.ts';
import type { SandboxRequest } from './ports.ts';

type Files = Omit<SandboxRequest, 'endpoints' | 'ports' | 'exposed' | 'linked' | 'sysctls'>;

/** What the network room needs for hosts and resolv.conf. `links` are extra `name:address` entries. */
export function fileRequest(record: ContainerRecord, links: readonly string[] = []): Files {
  const { config, hostConfig } = record;
  return {
    container: record.id,
    name: record.name,
    hostname: config.Hostname ?? '',
    domainname: config.Domainname ?? '',
    dns: hostConfig.Dns ?? [],
    dnsSearch: hostConfig.DnsSearch ?? [],
    dnsOptions: hostConfig.DnsOptions ?? [],
    extraHosts: [...(hostConfig.ExtraHosts ?? []), ...links],
  };
}

export function sandboxRequest(record: ContainerRecord, links: readonly string[] = [], linked: readonly ContainerId[] = []): SandboxRequest {
  const { config, hostConfig } = record;
  const exposed = Object.keys(config.ExposedPorts ?? {}).map((port) => (port.includes('/') ? port : `${port}/tcp`));
  return {
    ...fileRequest(record, links),
    endpoints: Object.entries(record.networks).map(([network, settings]) => ({ network, settings })),
    ports: publishedPorts(hostConfig.PortBindings ?? {}, hostConfig.PublishAllPorts === true ? exposed : []),
    exposed,
    linked,
    sysctls: hostConfig.Sysctls ?? {},
  };
}

/** `--publish-all` gives every exposed port without a binding one that the engine chooses. */
function publishedPorts(bindings: PortMap, all: readonly string[]): PortMap {
  const free = all.filter((port) => !Object.hasOwn(bindings, port));
  return { ...bindings, ...Object.fromEntries(free.map((port) => [port, [{ HostIp: '', HostPort: '' }]])) };
}
