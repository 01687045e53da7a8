/** Which subnet a new network gets, and which address a new endpoint. */
import { conflict, EngineError, invalid } from '#base/errors.ts';
import { contains, formatAddress, overlaps, parseAddress, parseSubnet, sizeOf, type Subnet } from './ipv4.ts';
import type { BridgeRecord } from './record.ts';

export interface AddressPool {
  /** `172.20.0.0/14` */
  base: string;
  /** Prefix length of the subnets cut from it. */
  size: number;
}

/** Docker's own, so that people find the addresses they know. */
export const DEFAULT_POOLS: readonly AddressPool[] = [
  { base: '172.17.0.0/16', size: 16 },
  { base: '172.18.0.0/16', size: 16 },
  { base: '172.19.0.0/16', size: 16 },
  { base: '172.20.0.0/14', size: 16 },
  { base: '172.24.0.0/14', size: 16 },
  { base: '172.28.0.0/14', size: 16 },
  { base: '192.168.0.0/16', size: 20 },
];

/** The first subnet of the pools that overlaps none of `taken`. Throws when all are in use. */
export function chooseSubnet(pools: readonly AddressPool[], taken: readonly Subnet[]): Subnet {
  for (const pool of pools) {
    const whole = parseSubnet(pool.base);
    if (whole === undefined || pool.size < whole.prefix || pool.size > 30) {
      throw invalid(`invalid default address pool: base ${JSON.stringify(pool.base)} with size ${pool.size}`);
    }
    const step = sizeOf({ base: 0, prefix: pool.size });
    for (let base = whole.base; base < whole.base + sizeOf(whole); base += step) {
      const candidate = { base, prefix: pool.size };
      if (!taken.some((other) => overlaps(candidate, other))) return candidate;
    }
  }
  throw new EngineError('unavailable', 'all predefined address pools have been fully subnetted');
}

/** Addresses in use in one network: of living endpoints, by number. */
export type TakenAddresses = ReadonlySet<number>;

function subnetOf(bridge: BridgeRecord): Subnet {
  const subnet = parseSubnet(bridge.subnet);
  if (subnet === undefined) throw new EngineError('internal', `the network record has a malformed subnet ${bridge.subnet}`);
  return subnet;
}

function reservedAddresses(bridge: BridgeRecord): Set<number> {
  return new Set([bridge.gateway, ...Object.values(bridge.reserved)].map(parseAddress).filter((address) => address !== undefined));
}

/** The lowest free address of the network's range. */
export function allocateAddress(bridge: BridgeRecord, taken: TakenAddresses): string {
  const subnet = subnetOf(bridge);
  const range = (bridge.range === undefined ? undefined : parseSubnet(bridge.range)) ?? subnet;
  const reserved = reservedAddresses(bridge);
  const last = subnet.base + sizeOf(subnet) - 1;
  for (let address = range.base; address < range.base + sizeOf(range); address++) {
    if (subnet.prefix < 31 && (address === subnet.base || address === last)) continue;
    if (!taken.has(address) && !reserved.has(address)) return formatAddress(address);
  }
  throw new EngineError('unavailable', `could not find an available IP address: all of ${bridge.range ?? bridge.subnet} are in use`);
}

/** Checks an address that a user chose; Docker's words. */
export function claimAddress(bridge: BridgeRecord, taken: TakenAddresses, wanted: string): string {
  if (!bridge.subnetGiven) {
    throw invalid('invalid endpoint settings: user specified IP address is supported only when connecting to networks with user configured subnets');
  }
  const address = parseAddress(wanted);
  if (address === undefined) throw invalid(`invalid endpoint settings: invalid IPv4 address: ${wanted}`);
  const subnet = subnetOf(bridge);
  if (!contains(subnet, address)) {
    throw invalid(`invalid endpoint settings: no configured subnet or ip-range contain the IP address ${wanted}`);
  }
  if (taken.has(address) || reservedAddresses(bridge).has(address)) throw conflict('Address already in use');
  return formatAddress(address);
}

/** 02:42 and the address: the same container address always has the same MAC, so that neighbours' caches stay right. */
export function macOf(address: string): string {
  return ['02', '42', ...address.split('.').map((part) => Number(part).toString(16).padStart(2, '0'))].join(':');
}
