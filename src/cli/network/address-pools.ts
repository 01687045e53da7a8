import { BlockList, isIP } from 'node:net';
import type { IPAMConfig } from '#spec/wire/network.ts';

export interface PoolFlags {
  subnets: readonly string[];
  ranges: readonly string[];
  gateways: readonly string[];
  /** Names and addresses that containers must not get. */
  reserved: Readonly<Record<string, string>>;
}

/** Gives each range, gateway and reserved address to the subnet that holds it. */
export function addressPools({ subnets, ranges, gateways, reserved }: PoolFlags): IPAMConfig[] {
  if (subnets.length < ranges.length || subnets.length < gateways.length) throw new Error('every ip-range or gateway must have a corresponding subnet');
  // The engine judges a subnet that stands alone.
  const pools = subnets.map((subnet) => ({ config: { Subnet: subnet } as IPAMConfig, holds: (address: string) => subnetTest(subnet)(address) }));
  for (const [at, pool] of pools.entries()) {
    for (const other of pools.slice(0, at)) {
      if (other.holds(pool.config.Subnet ?? '') || pool.holds(other.config.Subnet ?? '')) throw new Error('multiple overlapping subnet configuration is not supported');
    }
  }
  const find = (address: string, what: string) => {
    const pool = pools.find((candidate) => candidate.holds(address));
    if (!pool) throw new Error(`no matching subnet for ${what} ${address}`);
    return pool.config;
  };
  for (const range of ranges) {
    const config = find(range, 'range');
    if (config.IPRange) throw new Error(`cannot configure multiple ranges (${range}, ${config.IPRange}) on the same subnet (${config.Subnet ?? ''})`);
    config.IPRange = range;
  }
  for (const gateway of gateways) {
    const config = find(gateway, 'gateway');
    if (config.Gateway) throw new Error(`cannot configure multiple gateways (${gateway}, ${config.Gateway}) for the same subnet (${config.Subnet ?? ''})`);
    config.Gateway = gateway;
  }
  for (const [name, address] of Object.entries(reserved)) {
    const config = find(address, 'aux-address');
    config.AuxiliaryAddresses = { ...config.AuxiliaryAddresses, [name]: address };
  }
  return pools.map((pool) => pool.config);
}

/** Tells whether an address, or the first one of a range, lies in the subnet. */
function subnetTest(subnet: string): (address: string) => boolean {
  const [base = '', bits = ''] = subnet.split('/');
  const family = isIP(base);
  if (family === 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128)) throw new Error(`invalid CIDR address: ${subnet}`);
  const list = new BlockList();
  list.addSubnet(base, Number(bits), family === 4 ? 'ipv4' : 'ipv6');
  return (address) => {
    const [ip = ''] = address.split('/');
    const kind = isIP(ip);
    if (kind === 0) throw new Error(`invalid ${address.includes('/') ? 'CIDR address' : 'IP address'}: ${address}`);
    return kind === family && list.check(ip, kind === 4 ? 'ipv4' : 'ipv6');
  };
}
