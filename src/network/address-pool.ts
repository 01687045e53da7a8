/** Which subnet a new network gets, and which address a new endpoint. */
import { createHash } from 'node:crypto';
import { EngineError, invalid } from '#base/errors.ts';
import { contains, formatAddress, parseAddress, parseSubnet, sizeOf, widthOf, type Family, type Subnet } from './ip.ts';
import type { NetworkRecord, PoolRecord } from './record.ts';

export interface AddressPool {
  /** `172.20.0.0/14` */
  base: string;
  /** Prefix length of the subnets cut from it. */
  size: number;
}

/** Docker's own, for the default bridge: people find the addresses they know, and room for many containers. */
export const BRIDGE_POOLS: readonly AddressPool[] = [
  { base: '172.17.0.0/16', size: 16 },
  { base: '172.18.0.0/16', size: 16 },
  { base: '172.19.0.0/16', size: 16 },
  { base: '172.20.0.0/14', size: 16 },
  { base: '172.24.0.0/14', size: 16 },
  { base: '172.28.0.0/14', size: 16 },
  { base: '192.168.0.0/16', size: 20 },
];

/** The same ranges in small pieces for all other networks: some thousand of them, with 1021 containers each. */
export const DEFAULT_POOLS: readonly AddressPool[] = BRIDGE_POOLS.slice(1).map(({ base }) => ({ base, size: 22 }));

/** The pools with a ULA prefix of this machine's own (RFC 4193), unless they have IPv6 already. */
export function withUla(pools: readonly AddressPool[], machine: string): readonly AddressPool[] {
  if (pools.some(({ base }) => base.includes(':'))) return pools;
  const digits = createHash('sha256').update(machine).digest('hex').slice(0, 10);
  return [...pools, { base: `fd${digits.slice(0, 2)}:${digits.slice(2, 6)}:${digits.slice(6, 10)}::/48`, size: 64 }];
}

/** The first subnet of the pools that overlaps none of `taken`. Throws when all are in use. */
export function chooseSubnet(pools: readonly AddressPool[], family: Family, taken: readonly Subnet[]): Subnet {
  const others = taken.filter((subnet) => subnet.family === family).toSorted((a, b) => (a.base < b.base ? -1 : 1));
  for (const pool of pools) {
    const whole = parseSubnet(pool.base);
    if (whole === undefined || pool.size < whole.prefix || pool.size > widthOf(whole.family) - 2) {
      throw invalid(`invalid default address pool: base ${JSON.stringify(pool.base)} with size ${pool.size}`);
    }
    if (whole.family !== family) continue;
    const step = sizeOf({ family, prefix: pool.size });
    let { base } = whole;
    for (const other of others) {
      const end = other.base + sizeOf(other);
      if (end <= base) continue;
      if (other.base >= base + step) break;
      // The next piece that begins behind the obstacle.
      base = whole.base + ((end - whole.base + step - 1n) / step) * step;
    }
    if (base + step <= whole.base + sizeOf(whole)) return { family, base, prefix: pool.size };
  }
  throw new EngineError('unavailable', 'all predefined address pools have been fully subnetted');
}

/** Addresses in use in one network: of living endpoints, as canonical text. */
export type TakenAddresses = ReadonlySet<string>;

function subnetOf(pool: PoolRecord): Subnet {
  const subnet = parseSubnet(pool.subnet);
  if (subnet === undefined) throw new EngineError('internal', `the network record has a malformed subnet ${pool.subnet}`);
  return subnet;
}

const isReserved = (pool: PoolRecord, address: string): boolean => pool.gateway === address || Object.values(pool.reserved).includes(address);

/** The lowest free address of the pools' ranges, the first pool first. */
export function allocateAddress(network: Pick<NetworkRecord, 'name' | 'id'>, pools: readonly PoolRecord[], taken: TakenAddresses): { address: string; pool: PoolRecord } {
  for (const pool of pools) {
    const subnet = subnetOf(pool);
    const { family } = subnet;
    const range = (pool.range === undefined ? undefined : parseSubnet(pool.range)) ?? subnet;
    const last = subnet.base + sizeOf(subnet) - 1n;
    const small = subnet.prefix >= widthOf(family) - 1;
    for (let value = range.base; value < range.base + sizeOf(range); value++) {
      // The lowest address is the network's own (or all its routers'), the highest of IPv4 everybody's.
      if (!small && (value === subnet.base || (family === 4 && value === last))) continue;
      const address = formatAddress({ family, value });
      if (!taken.has(address) && !isReserved(pool, address)) return { address, pool };
    }
  }
  throw new EngineError('unavailable', `no available IPv${pools[0]?.family ?? 4} addresses on this network's address pools: ${network.name} (${network.id})`);
}

/** Checks an address that a user chose; Docker's words. */
export function claimAddress(pools: readonly PoolRecord[], taken: TakenAddresses, wanted: string): { address: string; pool: PoolRecord } {
  const parsed = parseAddress(wanted);
  if (parsed === undefined) throw invalid(`invalid endpoint settings:\ninvalid IP address: ${wanted}`);
  const pool = pools.find((candidate) => contains(subnetOf(candidate), parsed));
  if (pool === undefined) {
    throw invalid(`invalid endpoint settings:\nno configured subnet or ip-range contain the IP address ${wanted}`);
  }
  const address = formatAddress(parsed);
  if (taken.has(address) || isReserved(pool, address)) throw new EngineError('forbidden', 'Address already in use');
  return { address, pool };
}

const MOST = 2n ** 64n - 1n;

/** How many addresses of a pool are gone (given out, reserved, or nobody's) and how many are left to give out. */
export function usageOf(pool: PoolRecord, taken: TakenAddresses): { IPsInUse: bigint; DynamicIPsAvailable: bigint } {
  const subnet = subnetOf(pool);
  const range = (pool.range === undefined ? undefined : parseSubnet(pool.range)) ?? subnet;
  const gone = new Set<bigint>();
  for (const text of [...taken, ...Object.values(pool.reserved), ...(pool.gateway === undefined ? [] : [pool.gateway])]) {
    const address = parseAddress(text);
    if (address !== undefined && contains(subnet, address)) gone.add(address.value);
  }
  if (subnet.prefix < widthOf(subnet.family) - 1) {
    gone.add(subnet.base);
    if (subnet.family === 4) gone.add(subnet.base + sizeOf(subnet) - 1n);
  }
  const within = [...gone].filter((value) => contains(range, { family: range.family, value })).length;
  const left = sizeOf(range) - BigInt(within);
  return { IPsInUse: BigInt(gone.size), DynamicIPsAvailable: left > MOST ? MOST : left };
}

/**
 * 02:42 and the IPv4 address, or bits of the IPv6 address: the same container address always has the same MAC, so that
 * neighbours' caches stay right.
 */
export function macOf(address: string): string {
  const parsed = parseAddress(address);
  const last = parsed?.family === 4 ? parsed.value : BigInt(`0x${createHash('sha256').update(address).digest('hex').slice(0, 8)}`);
  return ['02', '42', ...last.toString(16).padStart(8, '0').match(/../g) ?? []].join(':');
}
