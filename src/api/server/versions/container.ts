import type { ContainerInspectResponse, ContainerSummary } from '#spec/wire/container.ts';
import type { EndpointSettings } from '#spec/wire/network.ts';
import { versionBelow } from '../../version.ts';

/** GET /containers/{id}/json as a client of this version knows it. */
export function adaptContainer(container: ContainerInspectResponse, version: string): ContainerInspectResponse {
  const adapted = withWholeEndpoints(container);
  if (versionBelow(version, '1.48')) delete adapted.ImageManifestDescriptor;
  const { NetworkSettings: settings } = adapted;
  if (settings !== undefined) {
    const networks = settings.Networks ?? {};
    const legacy = { ...settings, ...topLevelAddress(networks['bridge']) };
    if (versionBelow(version, '1.45')) legacy.Networks = withShortIdAliases(networks, container);
    adapted.NetworkSettings = legacy;
  }
  if (versionBelow(version, '1.52') && container.GraphDriver == null && container.Storage?.RootFS?.Snapshot?.Name !== undefined) {
    adapted.GraphDriver = { Name: container.Storage.RootFS.Snapshot.Name, Data: {} };
    delete adapted.Storage;
  }
  return adapted;
}

/** One entry of GET /containers/json. */
export function adaptContainerSummary(summary: ContainerSummary, version: string): ContainerSummary {
  if (!versionBelow(version, '1.52')) return summary;
  const adapted = { ...summary };
  // Deleting an absent property would still slow the object down.
  if (adapted.Health !== undefined) delete adapted.Health;
  if (adapted.ImageManifestDescriptor !== undefined && versionBelow(version, '1.48')) delete adapted.ImageManifestDescriptor;
  if (adapted.HostConfig?.Annotations !== undefined && versionBelow(version, '1.46')) {
    const { Annotations: _, ...rest } = adapted.HostConfig;
    adapted.HostConfig = rest;
  }
  return adapted;
}

/**
 * The default bridge's address beside `Networks`, empty when the container is not on that bridge. Docker has it until 1.51;
 * here it stays: libraries take the newest version that they are offered, and the scripts above them read these fields.
 */
function topLevelAddress(bridge: EndpointSettings | undefined): Record<string, unknown> {
  return {
    Bridge: '',
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: bridge?.EndpointID ?? '',
    Gateway: bridge?.Gateway ?? '',
    GlobalIPv6Address: bridge?.GlobalIPv6Address ?? '',
    GlobalIPv6PrefixLen: bridge?.GlobalIPv6PrefixLen ?? 0,
    IPAddress: bridge?.IPAddress ?? '',
    IPPrefixLen: bridge?.IPPrefixLen ?? 0,
    IPv6Gateway: bridge?.IPv6Gateway ?? '',
    MacAddress: bridge?.MacAddress ?? '',
  };
}

/** Go prints what an endpoint does not have as null; clients written for that look at the fields without asking. */
function withWholeEndpoints(container: ContainerInspectResponse): ContainerInspectResponse {
  const { NetworkSettings: settings } = container;
  if (settings?.Networks === undefined) return { ...container };
  const whole = Object.fromEntries(
    Object.entries(settings.Networks).map(([name, endpoint]) => [name, { ...ABSENT_IN_ENDPOINT, ...endpoint } as EndpointSettings]),
  );
  return { ...container, NetworkSettings: { ...settings, Networks: whole } };
}

const ABSENT_IN_ENDPOINT = { IPAMConfig: null, Links: null, Aliases: null, DriverOpts: null, DNSNames: null };

/** Until 1.44 the names by which others find a container were listed with its aliases. */
function withShortIdAliases(networks: Record<string, EndpointSettings>, container: ContainerInspectResponse): Record<string, EndpointSettings> {
  const own = [container.Id?.slice(0, 12), container.Config?.Hostname].filter((name) => name !== undefined && name !== '');
  return Object.fromEntries(
    Object.entries(networks).map(([name, endpoint]) =>
      name === 'bridge' || name === 'host' || name === 'none'
        ? [name, endpoint]
        : [name, { ...endpoint, Aliases: [...new Set([...(endpoint.Aliases ?? []), ...own])] as string[] }],
    ),
  );
}
