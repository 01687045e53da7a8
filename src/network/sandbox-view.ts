/** What others see of a sandbox record. */
import type { PortMap } from '#spec/wire/container.ts';
import type { EndpointSettings } from '#spec/wire/network.ts';
import type { LinkedPort, PublishedPort } from './firewall-state.ts';
import type { Family } from './ip.ts';
import { familyOf, parsePort } from './port-request.ts';
import type { EndpointRecord, PortRecord, SandboxRecord } from './record.ts';

/** The endpoint whose gateway is the default route: the highest gateway priority, then the first network by name. */
export function gatewayEndpoint(endpoints: readonly EndpointRecord[], family: Family = 4): EndpointRecord | undefined {
  return endpoints
    .filter((endpoint) => (family === 4 ? endpoint.gateway : endpoint.gateway6) !== undefined)
    .toSorted((a, b) => (b.settings.GwPriority ?? 0) - (a.settings.GwPriority ?? 0) || (a.networkName < b.networkName ? -1 : 1))[0];
}

/** The kernel's part of the published ports. Nothing is published without a way out. */
export function publishedPorts(sandbox: SandboxRecord): PublishedPort[] {
  return sandbox.ports.flatMap(({ protocol, hostAddress, hostPort, containerPort }) => {
    const family = familyOf(hostAddress);
    const target = gatewayEndpoint(sandbox.endpoints, family);
    const address = family === 4 ? target?.address : target?.address6;
    // What comes to ::1 cannot be translated: the engine forwards it.
    if (address === undefined || target?.driver !== 'bridge' || hostAddress === '::1') return [];
    return [{ family, protocol, hostAddress, hostPort, containerPort, address }];
  });
}

/** Where the engine forwards what it accepts on a published port of IPv6: to IPv4 when the container has nothing else. */
export function forwardTarget(sandbox: SandboxRecord, port: PortRecord): { address: string; port: number } | undefined {
  const four = gatewayEndpoint(sandbox.endpoints, 4)?.address;
  const address = familyOf(port.hostAddress) === 4 ? four : (gatewayEndpoint(sandbox.endpoints, 6)?.address6 ?? four);
  return address === undefined ? undefined : { address, port: port.containerPort };
}

/** Exposed and published ports of the containers that this one was linked to, on the network that both are in. */
export function linkedPorts(sandbox: SandboxRecord, others: readonly SandboxRecord[]): LinkedPort[] {
  return others.flatMap((other) =>
    other.endpoints.flatMap(({ network, address: to }) => {
      const from = sandbox.endpoints.find((endpoint) => endpoint.network === network)?.address;
      if (from === undefined || to === undefined) return [];
      const ports = [...other.exposed.map(parsePort), ...other.ports.map(({ containerPort: port, protocol }) => ({ port, protocol }))];
      return ports.map(({ port, protocol }) => ({ from, to, protocol, port }));
    }),
  );
}

export function viewPorts(ports: readonly PortRecord[], exposed: readonly string[]): PortMap {
  const map: PortMap = Object.fromEntries(exposed.map((port) => [port, null]));
  for (const { containerPort, protocol, hostAddress, hostPort } of ports) {
    (map[`${containerPort}/${protocol}`] ??= []).push({ HostIp: hostAddress, HostPort: hostPort === 0 ? '' : String(hostPort) });
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
    IPAddress: endpoint.address ?? '',
    IPPrefixLen: endpoint.prefix,
    IPv6Gateway: endpoint.gateway6 ?? '',
    GlobalIPv6Address: endpoint.address6 ?? '',
    GlobalIPv6PrefixLen: endpoint.prefix6,
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
