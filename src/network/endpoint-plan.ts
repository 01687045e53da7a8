/** From a network and a container's wishes to an endpoint's record, and from there to what the kernel is to make. */
import { randomBytes } from 'node:crypto';
import { EngineError, invalid } from '#base/errors.ts';
import type { InterfacePlan, InterfaceSource, RoutePlan } from '#host/netns.ts';
import type { EndpointSettings } from '#spec/wire/network.ts';
import { allocateAddress, claimAddress, macOf, type TakenAddresses } from './address-pool.ts';
import { checkEndpointSettings, interfaceName, interfaceSysctls } from './endpoint-settings.ts';
import { parseSubnet, type Family } from './ip.ts';
import type { EndpointRecord, NetworkRecord, PoolRecord } from './record.ts';
import { gatewayEndpoint } from './sandbox-view.ts';

/** An address that an IPAM plugin gave. */
export interface ClaimedAddress {
  address: string;
  prefix: number;
  pool: PoolRecord;
}

export type Claims = Partial<Record<Family, ClaimedAddress>>;

interface Surroundings {
  taken: TakenAddresses;
  /** Names of the sandbox's other interfaces. */
  used: ReadonlySet<string>;
  /** Name for a host's end that no other has. */
  vethName: () => string;
  claims?: Claims | undefined;
}

/** Decides addresses and names; the caller records them before anything else can. */
export function planEndpoint(network: NetworkRecord, settings: EndpointSettings, { taken, used, vethName, claims = {} }: Surroundings): EndpointRecord {
  const { via } = network;
  if (via === undefined) throw invalid(`a container cannot be given an interface on the ${network.name} network`);
  checkEndpointSettings(network, settings);
  const four = claims[4] ?? assign(network, 4, taken, settings.IPAMConfig?.IPv4Address);
  const six = claims[6] ?? assign(network, 6, taken, settings.IPAMConfig?.IPv6Address);
  const mac = settings.MacAddress ?? '';
  const name = interfaceName(settings) ?? freeName(via.interfacePrefix, used);
  if (used.has(name)) throw invalid(`the container has an interface ${name} already`);
  const way = (given: ClaimedAddress | undefined): string | undefined => (network.internal ? undefined : given?.pool.gateway);
  return {
    id: randomBytes(32).toString('hex'), network: network.id, networkName: network.name, driver: network.driver, interface: name,
    hostLink: via.kind === 'bridge' ? vethName() : undefined,
    // ipvlan interfaces share their parent's.
    mac: via.kind === 'ipvlan' ? '' : mac === '' ? macOf(four?.address ?? six?.address ?? randomBytes(8).toString('hex')) : mac.toLowerCase().replaceAll('-', ':'),
    address: four?.address, prefix: four?.prefix ?? 0, gateway: way(four),
    address6: six?.address, prefix6: six?.prefix ?? 0, gateway6: way(six),
    routes: [],
    settings,
  };
}

function assign(network: NetworkRecord, family: Family, taken: TakenAddresses, wanted: string | undefined): ClaimedAddress | undefined {
  const pools = network.pools.filter((pool) => pool.family === family);
  if (pools.length === 0 || network.ipamDriver === 'null') return undefined;
  const { address, pool } = wanted === undefined || wanted === '' ? allocateAddress(network, pools, taken) : claimAddress(pools, taken, wanted);
  return { address, pool, prefix: parseSubnet(pool.subnet)?.prefix ?? 0 };
}

function freeName(stem: string, used: ReadonlySet<string>): string {
  for (let position = 0; ; position++) if (!used.has(`${stem}${position}`)) return `${stem}${position}`;
}

export function interfaceSource({ via, name }: NetworkRecord, { hostLink }: EndpointRecord): InterfaceSource {
  switch (via?.kind) {
    case 'bridge':
      return { kind: 'veth', host: hostLink ?? '', bridge: via.name, isolated: !via.communication };
    case 'macvlan':
      return { kind: 'child', parent: via.parent, driver: 'macvlan', mode: via.mode };
    case 'ipvlan':
      return { kind: 'child', parent: via.parent, driver: 'ipvlan', mode: via.mode, flag: via.flag };
    case 'remote':
      return { kind: 'existing', link: hostLink ?? '' };
    default:
      throw new EngineError('internal', `network ${name} has no interfaces`);
  }
}

export function interfacePlan(network: NetworkRecord, endpoint: EndpointRecord): InterfacePlan {
  const { via } = network;
  const local = endpoint.settings.IPAMConfig?.LinkLocalIPs ?? [];
  return {
    source: interfaceSource(network, endpoint),
    name: endpoint.interface,
    mac: endpoint.mac === '' ? undefined : endpoint.mac,
    addresses: [
      ...(endpoint.address === undefined ? [] : [{ address: endpoint.address, prefix: endpoint.prefix }]),
      ...(endpoint.address6 === undefined ? [] : [{ address: endpoint.address6, prefix: endpoint.prefix6 }]),
      ...local.filter((address) => address !== '').map((address) => ({ address, prefix: address.includes(':') ? 64 : 16 })),
    ],
    mtu: via === undefined || via.kind === 'remote' ? undefined : via.mtu,
    ipv6: endpoint.address6 !== undefined || local.some((address) => address.includes(':')),
    sysctls: interfaceSysctls(endpoint.settings, endpoint.interface),
  };
}

/** The default routes of both families, and what plugins asked for. Layer 3 interfaces send everything out as it is. */
export function routesOf(endpoints: readonly EndpointRecord[], networkOf: (endpoint: EndpointRecord) => NetworkRecord | undefined): RoutePlan[] {
  const defaults = ([4, 6] as const).flatMap((family) => {
    const endpoint = gatewayEndpoint(endpoints, family);
    if (endpoint === undefined) return [];
    const via = networkOf(endpoint)?.via;
    const onLink = via?.kind === 'ipvlan' && via.mode !== 'l2';
    const gateway = family === 4 ? endpoint.gateway : endpoint.gateway6;
    return [{ destination: family === 4 ? '0.0.0.0/0' : '::/0', gateway: onLink ? undefined : gateway, name: endpoint.interface }];
  });
  return [...defaults, ...endpoints.flatMap((endpoint) => endpoint.routes.map((route) => ({ ...route, name: endpoint.interface })))];
}
