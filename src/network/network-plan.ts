/** What networks mean for the machine: interfaces to make, subnets to keep clear of, rules to set. */
import type { BridgePlan, BridgePort, ParentPlan } from '#host/host-links.ts';
import type { NetworkSight } from '#host/network-kernel.ts';
import { vlanOf } from './child-request.ts';
import type { FirewalledNetwork } from './firewall-state.ts';
import { parseSubnet, type Subnet } from './ip.ts';
import type { BridgeAttachment, NetworkRecord, SandboxRecord } from './record.ts';
import type { Registry } from './registry.ts';

type BridgeNetwork = NetworkRecord & { via: BridgeAttachment };

export const isBridge = (network: NetworkRecord): network is BridgeNetwork => network.via?.kind === 'bridge';

/** Subnets that the machine itself uses: by its routes (not the default ones) and its interfaces. */
export function takenSubnets({ routes, addresses }: NetworkSight): Subnet[] {
  return [...routes.map(({ destination }) => destination), ...addresses.map(({ address, prefix }) => `${address}/${prefix}`)]
    .map(parseSubnet)
    .filter((subnet) => subnet !== undefined)
    .filter(({ prefix }) => prefix > 0);
}

/** Subnets of networks. Plugins with an address management of their own answer for theirs. */
export function networkSubnets(networks: readonly NetworkRecord[]): Subnet[] {
  return networks
    .filter(({ configOnly, ipamDriver }) => !configOnly && ipamDriver === 'default')
    .flatMap(({ pools }) => pools.map(({ subnet }) => parseSubnet(subnet)))
    .filter((subnet) => subnet !== undefined);
}

export function bridgePlan({ via, pools, ipv6 }: BridgeNetwork, forwarding: boolean): BridgePlan {
  const addresses = pools.flatMap(({ family, gateway, subnet }) => {
    const absent = gateway === undefined || (family === 4 ? via.mode4 === 'isolated' || !via.address4 : via.mode6 === 'isolated');
    return absent ? [] : [{ address: gateway, prefix: Number(subnet.split('/')[1]) }];
  });
  return { name: via.name, addresses: via.owned ? addresses : addresses.filter(({ address }) => address.includes(':')), mtu: via.owned ? via.mtu : undefined, ipv6, apart: !via.communication, forwarding };
}

export function parentPlan({ via }: NetworkRecord): ParentPlan | undefined {
  if ((via?.kind !== 'macvlan' && via?.kind !== 'ipvlan') || via.makes === undefined) return undefined;
  return via.makes === 'dummy' ? { name: via.parent, kind: 'dummy' } : { name: via.parent, kind: 'vlan', ...vlanOf(via.parent) };
}

/** Interfaces on the host that go with the network; one that another network stands on stays. */
export function ownedLinks({ via, id }: NetworkRecord, networks: readonly NetworkRecord[]): string[] {
  if (via?.kind === 'bridge') return via.owned ? [via.name] : [];
  if ((via?.kind !== 'macvlan' && via?.kind !== 'ipvlan') || via.makes === undefined) return [];
  const shared = networks.some((other) => other.id !== id && (other.via?.kind === 'macvlan' || other.via?.kind === 'ipvlan') && other.via.parent === via.parent);
  return shared ? [] : [via.parent];
}

export function firewalled({ via, internal, pools }: BridgeNetwork): FirewalledNetwork {
  const subnets = (family: 4 | 6): string[] => pools.filter((pool) => pool.family === family).map(({ subnet }) => subnet);
  const { name: bridge, communication, masquerade, mode4, mode6, source4, source6, trusted } = via;
  return { bridge, internal, communication, masquerade, mode4, mode6, source4, source6, trusted, subnets4: subnets(4), subnets6: subnets(6) };
}

/** The hosts' ends of all living containers' interfaces, with the bridges they belong to. */
export function bridgePorts(registry: Registry): BridgePort[] {
  return registry.living().flatMap(({ endpoints }: SandboxRecord) =>
    endpoints.flatMap(({ network, hostLink }) => {
      const via = registry.find(network)?.via;
      return via?.kind === 'bridge' && hostLink !== undefined ? [{ veth: hostLink, bridge: via.name, isolated: !via.communication }] : [];
    }),
  );
}
