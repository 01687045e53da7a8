/** Interfaces that networks have on the host: bridges and the parents of macvlan and ipvlan. For worker threads. */
import { isErrno } from '#base/errors.ts';
import { errnoError } from './libc.ts';
import type { AddressPlan, NamespaceRoom } from './netns.ts';
import { enableIpv4Forwarding, enableIpv6Forwarding, writeInterfaceSysctl, writeSysctl } from './network-sysctl.ts';
import { addAddress, addBridge, addDummy, addVlan, findLink, setLink } from './rtnetlink.ts';

export interface BridgePlan {
  name: string;
  /** The host's own addresses on it: the containers' gateways. None for a bridge without. */
  addresses: readonly AddressPlan[];
  mtu: number | undefined;
  ipv6: boolean;
  /** Containers do not reach each other but through the firewall, which may let some. */
  apart: boolean;
  /** The machine routes what comes from it. */
  forwarding: boolean;
}

/** A parent interface: a dummy that leads nowhere, or VLAN `vlan` of the interface `below`. */
export type ParentPlan = { name: string; kind: 'dummy' } | { name: string; kind: 'vlan'; below: string; vlan: number };

export interface BridgePort {
  veth: string;
  bridge: string;
  isolated: boolean;
}

/** Makes the bridge, gives it its addresses and brings it up. */
export function ensureBridge(room: NamespaceRoom, { name, addresses, mtu, ipv6, apart, forwarding }: BridgePlan): void {
  const size = mtu === undefined ? {} : { mtu };
  room.host.execute([addBridge({ name, ...size }), setLink(name, { up: true, withoutLinkLocal: true, ...size })]);
  room.forgetIndexes();
  const index = room.indexOf(name);
  // Routers need a link-local address to ask for their neighbours'.
  const all = ipv6 ? [{ address: 'fe80::1', prefix: 64 }, ...addresses] : addresses;
  if (ipv6) {
    writeInterfaceSysctl('ipv6', name, 'disable_ipv6', '0');
    writeInterfaceSysctl('ipv6', name, 'accept_ra', '0');
  }
  room.host.execute(all.map(({ address, prefix }) => addAddress(index, address, prefix)));
  // Lets the host reach published ports by 127.0.0.1; the firewall keeps containers from abusing it.
  writeInterfaceSysctl('ipv4', name, 'route_localnet', '1');
  // The host answers for the others, so that what containers of an `apart` network send each other is routed and judged.
  writeInterfaceSysctl('ipv4', name, 'proxy_arp_pvlan', apart ? '1' : '0');
  writeInterfaceSysctl('ipv4', name, 'send_redirects', apart ? '0' : '1');
  // At once: the kernel would wait up to 0.8 s with each answer.
  if (apart) writeSysctl(`ipv4/neigh/${name}/proxy_delay`, '0');
  if (!forwarding) return;
  enableIpv4Forwarding();
  if (ipv6) enableIpv6Forwarding();
}

/** Makes the parent interface unless it is there, and brings it up. */
export function ensureParent(room: NamespaceRoom, plan: ParentPlan): void {
  if (findLink(room.host, plan.name) === undefined) {
    if (plan.kind === 'vlan') {
      const below = findLink(room.host, plan.below);
      if (below === undefined) throw errnoError(19, 'find the parent interface', plan.below);
      room.host.execute([addVlan(plan.name, below.index, plan.vlan)]);
    } else makeDummy(room, plan.name);
    room.forgetIndexes();
  }
  room.host.execute([setLink(plan.name, { up: true, withoutLinkLocal: true })]);
}

/** A bridge without ports leads nowhere as well, where the kernel has no dummy interfaces. */
function makeDummy(room: NamespaceRoom, name: string): void {
  try {
    room.host.execute([addDummy(name)]);
  } catch (error) {
    if (!isErrno(error, 'ENOTSUP', 'EOPNOTSUPP')) throw error;
    room.host.execute([addBridge({ name })]);
  }
  writeSysctl(`ipv6/conf/${name}/disable_ipv6`, '1', true);
}

/** Makes the hosts' ends of containers' interfaces ports of their bridges again; those that are gone are left out. */
export function adoptPorts(room: NamespaceRoom, ports: readonly BridgePort[]): void {
  for (const { veth, bridge, isolated } of ports) {
    const link = findLink(room.host, veth);
    const master = findLink(room.host, bridge)?.index;
    if (link === undefined || master === undefined || link.master === master) continue;
    room.host.execute([setLink(veth, { master, up: true }), setLink(veth, { port: { hairpin: true, isolated } })]);
  }
}
