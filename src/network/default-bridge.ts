/** The networks that are always there: bridge as daemon.json says, host and none. */
import { systemClock, rfc3339Nano } from '#base/clock.ts';
import { invalid } from '#base/errors.ts';
import { newId } from '#base/ids.ts';
import type { NetworkKernel, NetworkSight } from '#host/network-kernel.ts';
import { asNetworkId } from '#spec/ids.ts';
import { chooseSubnet, type AddressPool } from './address-pool.ts';
import { contains, formatSubnet, parseAddress, parseSubnet, type Family, type Subnet } from './ip.ts';
import { networkSubnets, takenSubnets } from './network-plan.ts';
import type { NetworkConfig } from './options.ts';
import { poolOf } from './pool-request.ts';
import type { BridgeAttachment, NetworkRecord, PoolRecord } from './record.ts';
import type { Registry } from './registry.ts';

interface Given {
  kernel: NetworkKernel;
  config: NetworkConfig;
  pools: readonly AddressPool[];
  instance: string;
}

export async function ensurePredefined(registry: Registry, given: Given): Promise<void> {
  const { config } = given;
  const plain = {
    version: 2, created: rfc3339Nano(systemClock.nowNanos()), internal: false, attachable: false, options: {}, labels: {}, ipv4: true, ipv6: false,
    configOnly: false, configFrom: '', ipamDriver: 'default', ipamOptions: undefined, pools: [], via: undefined,
  } as const;
  if (registry.find('none') === undefined) registry.saveNetwork({ ...plain, pools: [], id: asNetworkId(newId()), name: 'none', driver: 'null' });
  if (registry.find('host') === undefined) registry.saveNetwork({ ...plain, pools: [], id: asNetworkId(newId()), name: 'host', driver: 'host' });
  const former = registry.find('bridge');
  if (config.bridgeName === 'none') {
    if (former !== undefined && registry.endpointsOn(former.id).length === 0) registry.deleteNetwork(former);
    return;
  }
  // Containers that are running keep the network that they know, whatever the configuration says now.
  if (former !== undefined && registry.endpointsOn(former.id).length > 0) return;
  const sight = await given.kernel.observe();
  const via = attachment(given);
  const pools = defaultPools(registry, given, sight, former);
  const record: NetworkRecord = { ...plain, id: asNetworkId(newId()), name: 'bridge', driver: 'bridge', ...former, ipv6: config.ipv6 ?? false, options: optionsOf(via), via, pools };
  if (JSON.stringify(record) !== JSON.stringify(former)) registry.saveNetwork(record);
}

function attachment({ config, instance }: Given): BridgeAttachment {
  return {
    kind: 'bridge', name: config.bridgeName ?? (instance === '' ? 'gantry0' : `gtr${instance}`), owned: config.bridgeName === undefined, mtu: config.mtu,
    masquerade: config.masquerade ?? true, communication: config.communication ?? true, hostAddress: config.hostAddress ?? '0.0.0.0', mode4: 'nat', mode6: 'nat',
    source4: undefined, source6: undefined, trusted: [], address4: true, interfacePrefix: 'eth',
  };
}

function defaultPools(registry: Registry, { config, pools }: Given, sight: NetworkSight, former: NetworkRecord | undefined): PoolRecord[] {
  const taken = [...takenSubnets(sight), ...networkSubnets(registry.networks().filter(({ name }) => name !== 'bridge'))];
  const free = (family: Family): Subnet => chooseSubnet(pools, family, taken);
  const formerPool = (family: Family): PoolRecord | undefined => former?.pools.find((pool) => pool.family === family);
  const chosen = config.bridgeAddress ?? (config.bridgeName === undefined ? undefined : addressOf(config.bridgeName, sight));
  const four = chosen === undefined ? formerPool(4) ?? poolOf(free(4), {}, false) : poolAt(chosen);
  return [
    withRange({ ...four, range: undefined, gateway: config.bridgeAddress === undefined && config.gateway !== undefined ? config.gateway : four.gateway }, config.fixedRange),
    ...(config.ipv6 ? [sixth(config, formerPool(6), () => free(6))] : []),
  ];
}

/** `fixed-cidr-v6` is the subnet, `bip6` the host's address in it. */
function sixth({ bridgeAddress6, fixedRange6, gateway6 }: NetworkConfig, former: PoolRecord | undefined, free: () => Subnet): PoolRecord {
  if (bridgeAddress6 !== undefined) return withRange(poolAt(bridgeAddress6), fixedRange6);
  const pool = fixedRange6 === undefined ? (former ?? poolOf(free(), {}, false)) : poolOf(subnetOption('fixed-cidr-v6', fixedRange6, 6), {}, false);
  return { ...pool, gateway: gateway6 ?? pool.gateway };
}

/** The pool in which the host has this address: `192.168.5.1/24`. */
function poolAt(text: string): PoolRecord {
  const [address = ''] = text.split('/');
  const subnet = parseSubnet(text);
  if (subnet === undefined || parseAddress(address) === undefined) throw invalid(`invalid bip ${JSON.stringify(text)}: expected an address with a prefix, e.g. 192.168.5.1/24`);
  return poolOf(subnet, { Gateway: address }, false);
}

function withRange(pool: PoolRecord, range: string | undefined): PoolRecord {
  if (range === undefined) return pool;
  const inner = subnetOption('fixed-cidr', range, pool.family);
  const outer = parseSubnet(pool.subnet);
  if (outer === undefined || !contains(outer, { family: inner.family, value: inner.base })) throw invalid(`the range ${range} is not within the default bridge's subnet ${pool.subnet}`);
  return { ...pool, range: formatSubnet(inner) };
}

function subnetOption(name: string, text: string, family: Family): Subnet {
  const subnet = parseSubnet(text);
  if (subnet?.family !== family) throw invalid(`invalid ${name} ${JSON.stringify(text)}: expected a subnet of IPv${family}`);
  return subnet;
}

/** Address and prefix of a bridge that the administrator made. */
function addressOf(name: string, { links, addresses }: NetworkSight): string {
  const link = links.find((item) => item.name === name);
  if (link === undefined) throw invalid(`the configured bridge ${name} does not exist: make it, or leave out the option "bridge"`);
  const own = addresses.find((item) => item.index === link.index && !item.address.includes(':'));
  if (own === undefined) throw invalid(`the configured bridge ${name} has no IPv4 address: give it one`);
  return `${own.address}/${own.prefix}`;
}

function optionsOf(bridge: BridgeAttachment): Record<string, string> {
  return {
    'com.docker.network.bridge.default_bridge': 'true',
    'com.docker.network.bridge.enable_icc': String(bridge.communication),
    'com.docker.network.bridge.enable_ip_masquerade': String(bridge.masquerade),
    'com.docker.network.bridge.host_binding_ipv4': bridge.hostAddress,
    'com.docker.network.bridge.name': bridge.name,
    'com.docker.network.driver.mtu': String(bridge.mtu ?? 1500),
  };
}
