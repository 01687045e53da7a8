/** What others see of a sandbox record. */
import type { PortMap } from '#spec/wire/container.ts';
import type { EndpointSettings } from '#spec/wire/network.ts';
import type { PublishedPort } from './firewall-state.ts';
import type { EndpointRecord, PortRecord, SandboxRecord } from './record.ts';

/** The endpoint whose gateway is the default route: the highest gateway priority, then the first network by name. */
export function gatewayEndpoint(endpoints: readonly EndpointRecord[]): EndpointRecord | undefined {
  return endpoints
    .filter((endpoint) => endpoint.gateway !== undefined)
    .toSorted((a, b) => (b.settings.GwPriority ?? 0) - (a.settings.GwPriority ?? 0) || (a.networkName < b.networkName ? -1 : 1))[0];
}

/** Nothing is published without a way out. */
export function publishedPorts(sandbox: SandboxRecord): PublishedPort[] {
  const target = gatewayEndpoint(sandbox.endpoints);
  if (target === undefined) return [];
  return sandbox.ports.map(({ protocol, hostAddress, hostPort, containerPort }) => ({
    protocol, hostAddress, hostPort, containerPort, address: target.address,
  }));
}

export function viewPorts(ports: readonly PortRecord[], exposed: readonly string[]): PortMap {
  const map: PortMap = Object.fromEntries(exposed.map((port) => [port, null]));
  for (const { containerPort, protocol, hostAddress, hostPort } of ports) {
    (map[`${containerPort}/${protocol}`] ??= []).push({ HostIp: hostAddress, HostPort: String(hostPort) });
  }
  return map;
}

export function viewEndpoint(endpoint: EndpointRecord, sandbox: SandboxRecord): EndpointSettings {
  const { settings } = endpoint;
  return {
    IPAMConfig: settings.IPAMConfig,
    Links: settings.Links,
    Aliases: settings.Aliases,
    MacAddress: endpoint.mac,
    DriverOpts: settings.DriverOpts ?? null,
    GwPriority: settings.GwPriority ?? 0,
    NetworkID: endpoint.network,
    EndpointID: endpoint.id,
    Gateway: endpoint.gateway ?? '',
    IPAddress: endpoint.address,
    IPPrefixLen: endpoint.prefix,
    IPv6Gateway: '',
    GlobalIPv6Address: '',
    GlobalIPv6PrefixLen: 0,
    DNSNames: hasNames(endpoint) ? dnsNames(endpoint, sandbox) : undefined,
  };
}

/** The default bridge has no names. */
export const hasNames = ({ networkName }: Pick<EndpointRecord, 'networkName'>): boolean => networkName !== 'bridge';

/** What the container is called on a network; its own name first. */
export function dnsNames(endpoint: EndpointRecord, sandbox: SandboxRecord): string[] {
  const names = [sandbox.name, ...(endpoint.settings.Aliases ?? []), sandbox.container.slice(0, 12), sandbox.hostname];
  return [...new Set(names)].filter((name) => name !== '');
}
