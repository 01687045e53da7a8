import { requireKnownFilters, matchLabels, type Filters } from '#spec/filters.ts';
import type { ContainerId } from '#spec/ids.ts';
import type { EndpointResource, IPAMConfig, NetworkInspect } from '#spec/wire/network.ts';
import { invalid } from '#base/errors.ts';
import { isPredefined } from './network-request.ts';
import type { EndpointRecord, NetworkRecord, PoolRecord, SandboxRecord } from './record.ts';

/** As Engine API 1.24 and newer show a network; `endpoints` are those of running containers. */
export function viewNetwork(
  network: NetworkRecord,
  endpoints: readonly { sandbox: SandboxRecord; endpoint: EndpointRecord }[],
  nameOf: (id: ContainerId) => string | undefined,
): NetworkInspect {
  return {
    Name: network.name,
    Id: network.id,
    Created: network.created,
    Scope: network.via?.kind === 'remote' ? network.via.scope : 'local',
    Driver: network.driver,
    EnableIPv4: network.ipv4,
    EnableIPv6: network.ipv6,
    IPAM: { Driver: network.ipamDriver, Options: network.ipamOptions ?? null, Config: network.pools.map(viewPool) },
    Internal: network.internal,
    Attachable: network.attachable,
    Ingress: false,
    ConfigFrom: { Network: network.configFrom },
    ConfigOnly: network.configOnly,
    Containers: Object.fromEntries(
      endpoints.map(({ sandbox, endpoint }): [string, EndpointResource] => [
        sandbox.container,
        {
          Name: nameOf(sandbox.container) ?? sandbox.name,
          EndpointID: endpoint.id,
          MacAddress: endpoint.mac,
          IPv4Address: endpoint.address === undefined ? '' : `${endpoint.address}/${endpoint.prefix}`,
          IPv6Address: endpoint.address6 === undefined ? '' : `${endpoint.address6}/${endpoint.prefix6}`,
        },
      ]),
    ),
    Options: network.options,
    Labels: network.labels,
  };
}

function viewPool({ subnet, range, gateway, reserved }: PoolRecord): IPAMConfig {
  return {
    Subnet: subnet,
    ...(range === undefined ? {} : { IPRange: range }),
    ...(gateway === undefined ? {} : { Gateway: gateway }),
    ...(Object.keys(reserved).length > 0 ? { AuxiliaryAddresses: reserved } : {}),
  };
}

const LIST_FILTERS = ['dangling', 'driver', 'id', 'label', 'name', 'scope', 'type'];

/** `inUse` tells whether a running container is attached (filter `dangling`). */
export function filterNetworks(networks: readonly NetworkRecord[], filters: Filters, inUse: (network: NetworkRecord) => boolean): NetworkRecord[] {
  requireKnownFilters(filters, LIST_FILTERS);
  for (const type of filters.get('type') ?? []) {
    if (type !== 'custom' && type !== 'builtin') throw invalid(`invalid filter: 'type'='${type}'`);
  }
  const any = (key: string, matches: (value: string) => boolean): boolean => {
    const values = filters.get(key);
    return values === undefined || values.length === 0 || values.some(matches);
  };
  return networks.filter(
    (network) =>
      any('name', (value) => network.name.includes(value)) &&
      any('id', (value) => network.id.startsWith(value)) &&
      any('driver', (value) => network.driver === value) &&
      any('scope', (value) => value === 'local') &&
      any('type', (value) => (value === 'builtin') === isPredefined(network.name)) &&
      any('dangling', (value) => parseBoolean(value) === (!isPredefined(network.name) && !inUse(network))) &&
      matchLabels(filters.get('label'), network.labels),
  );
}

function parseBoolean(text: string): boolean {
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw invalid(`invalid filter 'dangling=[${text}]'`);
}

/** Filters of prune: `until` (a time or an age), `label`, `label!`. */
export function isPrunable(network: NetworkRecord, filters: Filters, now: number): boolean {
  requireKnownFilters(filters, ['until', 'label', 'label!']);
  const until = filters.get('until')?.[0];
  if (until !== undefined && Date.parse(network.created) >= parseMoment(until, now)) return false;
  const without = filters.get('label!') ?? [];
  return matchLabels(filters.get('label'), network.labels) && !without.some((label) => matchLabels([label], network.labels));
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds since the epoch: a Go duration ago, seconds since the epoch, or a date. */
function parseMoment(text: string, now: number): number {
  if (/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) {
    return now - [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)].reduce((sum, [, count, unit]) => sum + Number(count) * (UNITS[unit ?? ''] ?? 0), 0);
  }
  const moment = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text);
  if (Number.isNaN(moment)) throw invalid(`invalid filter: until=${JSON.stringify(text)} is neither a time nor a duration`);
  return moment;
}
