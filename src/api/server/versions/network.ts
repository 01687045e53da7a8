import type { NetworkInspect } from '#spec/wire/network.ts';
import { versionBelow } from '../../version.ts';
import { exactNumber } from '../raw-json.ts';

/** A network as the client's version knows it: `Status` came with 1.52, with numbers that no double holds. */
export function adaptNetwork({ Status: status, ...network }: NetworkInspect, version: string): Record<string, unknown> {
  if (status === undefined || versionBelow(version, '1.52')) return network;
  const subnets = Object.entries(status.IPAM.Subnets).map(([subnet, { IPsInUse, DynamicIPsAvailable }]) => [
    subnet,
    { IPsInUse: exactNumber(IPsInUse), DynamicIPsAvailable: exactNumber(DynamicIPsAvailable) },
  ]);
  return { ...network, Status: { IPAM: { Subnets: Object.fromEntries(subnets) } } };
}
