/** The subnets of a new network: what the request says, checked in Docker's words, and what it leaves open. */
import { EngineError, invalid } from '#base/errors.ts';
import type { IPAMConfig } from '#spec/wire/network.ts';
import { contains, formatAddress, formatSubnet, overlaps, parseAddress, parseSubnet, sizeOf, type Family, type Subnet } from './ip.ts';
import { refuseAll } from './option-text.ts';
import type { PoolRecord } from './record.ts';

export interface PoolWishes {
  configs: readonly IPAMConfig[];
  ipv4: boolean;
  ipv6: boolean;
}

/** Throws invalid_argument with everything that is wrong. */
export function checkPools({ configs, ipv6 }: PoolWishes): void {
  refuseAll('invalid network config', configs.filter((config) => ipv6 || !(config.Subnet ?? '').includes(':')).flatMap(faultsOf));
}

function faultsOf(config: IPAMConfig): string[] {
  const text = config.Subnet ?? '';
  const subnet = parseSubnet(text);
  if (subnet === undefined) return [`invalid subnet ${text}: invalid CIDR block notation`];
  const faults: string[] = [];
  if (!isMasked(text, subnet)) faults.push(`invalid subnet ${text}: it should be ${formatSubnet(subnet)}`);
  const inside = (what: string, address: string): void => {
    const parsed = parseAddress(address);
    if (parsed === undefined) faults.push(`invalid ${what}: invalid address`);
    else if (parsed.family !== subnet.family) faults.push(`invalid ${what}: parent subnet is an IPv${subnet.family} block`);
    else if (!contains(subnet, parsed)) faults.push(`invalid ${what}: parent subnet ${formatSubnet(subnet)} doesn't contain this address`);
  };
  faults.push(...rangeFaults(config.IPRange ?? '', subnet));
  if ((config.Gateway ?? '') !== '') inside(`gateway ${config.Gateway ?? ''}`, config.Gateway ?? '');
  for (const [name, address] of Object.entries(config.AuxiliaryAddresses ?? {})) inside(`auxiliary address ${name}`, address);
  return faults;
}

function rangeFaults(text: string, subnet: Subnet): string[] {
  if (text === '') return [];
  const range = parseSubnet(text);
  if (range === undefined) return [`invalid ip-range ${text}: invalid CIDR block notation`];
  if (range.family !== subnet.family) return [`invalid ip-range ${text}: parent subnet is an IPv${subnet.family} block`];
  if (range.prefix < subnet.prefix) return [`invalid ip-range ${text}: CIDR block is bigger than its parent subnet ${formatSubnet(subnet)}`];
  if (!isMasked(text, range)) return [`invalid ip-range ${text}: it should be ${formatSubnet(range)}`];
  if (!overlaps(range, subnet)) return [`invalid ip-range ${text}: parent subnet ${formatSubnet(subnet)} doesn't contain ip-range`];
  return [];
}

function isMasked(text: string, { family, base }: Subnet): boolean {
  const address = parseAddress(text.split('/')[0] ?? '');
  return address !== undefined && address.family === family && address.value === base;
}

/**
 * The pools of our own address management. `taken` are subnets of networks that exist; `choose` finds one that the
 * machine does not use either. A subnet that a user gives may cover a route of the machine's: the user knows better.
 */
export function planPools(wishes: PoolWishes, given: { taken: readonly Subnet[]; choose: (family: Family, also: readonly Subnet[]) => Subnet }): PoolRecord[] {
  const own: Subnet[] = [];
  const pools: PoolRecord[] = [];
  const enabled: Readonly<Record<Family, boolean>> = { 4: wishes.ipv4, 6: wishes.ipv6 };
  for (const config of wishes.configs) {
    const subnet = parseSubnet(config.Subnet ?? '');
    if (subnet === undefined) throw invalid(`invalid network config:\ninvalid subnet ${config.Subnet ?? ''}: invalid CIDR block notation`);
    if (!enabled[subnet.family]) continue;
    if ([...given.taken, ...own].some((other) => overlaps(subnet, other))) throw new EngineError('forbidden', 'Pool overlaps with other one on this address space');
    own.push(subnet);
    pools.push(poolOf(subnet, config, true));
  }
  for (const family of [4, 6] as const) {
    if (!enabled[family] || pools.some((pool) => pool.family === family)) continue;
    const subnet = given.choose(family, own);
    own.push(subnet);
    pools.push(poolOf(subnet, {}, false));
  }
  return pools.toSorted((a, b) => a.family - b.family);
}

/** Without a wish the gateway is the first address: of the range, where there is one that begins elsewhere. */
export function poolOf(subnet: Subnet, config: IPAMConfig, given: boolean): PoolRecord {
  const range = (config.IPRange ?? '') === '' ? undefined : parseSubnet(config.IPRange ?? '');
  const lowest = range !== undefined && range.base !== subnet.base ? range.base : subnet.base + (sizeOf(subnet) > 1n ? 1n : 0n);
  const gateway = parseAddress(config.Gateway ?? '') ?? { family: subnet.family, value: lowest };
  return {
    family: subnet.family, subnet: formatSubnet(subnet), given, range: range && formatSubnet(range), gateway: formatAddress(gateway),
    reserved: Object.fromEntries(
      Object.entries(config.AuxiliaryAddresses ?? {}).map(([name, text]) => {
        const address = parseAddress(text);
        return [name, address === undefined ? text : formatAddress(address)];
      }),
    ),
  };
}
