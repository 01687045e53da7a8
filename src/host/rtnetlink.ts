/** Requests and answers of rtnetlink: links, addresses and routes. Builders are pure; a NetlinkSocket carries them out. */
import { attribute, attributeText, message, nested, NLM_F, parseAttributes, text, u16, u32, u8, type ReceivedMessage } from './netlink-message.ts';
import type { NetlinkSocket, Request } from './netlink.ts';

const RTM = { NEWLINK: 16, DELLINK: 17, GETLINK: 18, NEWADDR: 20, GETADDR: 22, NEWROUTE: 24, GETROUTE: 26 } as const;
const IFLA = {
  ADDRESS: 1, IFNAME: 3, MTU: 4, LINK: 5, MASTER: 10, LINKINFO: 18, NET_NS_FD: 28, AF_SPEC: 26, INFO_KIND: 1, INFO_DATA: 2, INFO_SLAVE_KIND: 4, INFO_SLAVE_DATA: 5,
} as const;
const BRPORT = { MODE: 4, ISOLATED: 33 } as const;
const IFF_UP = 1;
const [AF_INET, AF_INET6] = [2, 10];

export interface Link {
  index: number;
  name: string;
  up: boolean;
  kind: string | undefined;
  master: number | undefined;
  mac: string | undefined;
  mtu: number;
}

export interface Address {
  index: number;
  /** `172.17.0.1` or `fe80::1` (full form for IPv6). */
  address: string;
  prefix: number;
}

export interface Route {
  /** `0.0.0.0/0` or `::/0` for a default route; main table only. */
  destination: string;
  gateway: string | undefined;
  index: number | undefined;
}

/** Attributes of a link that may be set with its creation or later. */
export interface LinkSettings {
  name?: string;
  mac?: string;
  mtu?: number;
  /** Index of the bridge to join; 0 leaves it. */
  master?: number;
  up?: boolean;
  /** File descriptor of the network namespace to be in. */
  namespace?: number;
  /** Not at creation (EAFNOSUPPORT): forbids the kernel to give the link an IPv6 link-local address, which costs time and traffic. */
  withoutLinkLocal?: boolean;
  /** Not at creation: a bridge port's flags. Hairpin lets a packet leave by the port it came in; isolated ports see only others. */
  port?: { hairpin: boolean; isolated: boolean };
}

function ifinfo(index: number, up?: boolean): Buffer {
  const header = Buffer.alloc(16);
  header.writeInt32LE(index, 4);
  if (up !== undefined) {
    header.writeUInt32LE(up ? IFF_UP : 0, 8);
    header.writeUInt32LE(IFF_UP, 12);
  }
  return header;
}

function settings(link: LinkSettings): Buffer[] {
  const list: Buffer[] = [];
  if (link.name !== undefined) list.push(text(IFLA.IFNAME, link.name));
  if (link.mac !== undefined) list.push(attribute(IFLA.ADDRESS, macBytes(link.mac)));
  if (link.mtu !== undefined) list.push(u32(IFLA.MTU, link.mtu));
  if (link.master !== undefined) list.push(u32(IFLA.MASTER, link.master));
  if (link.namespace !== undefined) list.push(u32(IFLA.NET_NS_FD, link.namespace));
  // AF_SPEC > AF_INET6 > IFLA_INET6_ADDR_GEN_MODE = IN6_ADDR_GEN_MODE_NONE
  if (link.withoutLinkLocal) list.push(nested(IFLA.AF_SPEC, nested(AF_INET6, u8(8, 1))));
  if (link.port !== undefined) {
    const data = nested(IFLA.INFO_SLAVE_DATA, u8(BRPORT.MODE, link.port.hairpin ? 1 : 0), u8(BRPORT.ISOLATED, link.port.isolated ? 1 : 0));
    list.push(nested(IFLA.LINKINFO, text(IFLA.INFO_SLAVE_KIND, 'bridge'), data));
  }
  return list;
}

export function addBridge(link: LinkSettings & { name: string }): Request {
  const info = nested(IFLA.LINKINFO, text(IFLA.INFO_KIND, 'bridge'));
  return {
    what: `make the bridge ${link.name}`,
    message: message(RTM.NEWLINK, NLM_F.CREATE | NLM_F.EXCL, ifinfo(0, link.up), ...settings(link), info),
    tolerate: ['EEXIST'],
  };
}

/** A veth pair in one step: `host` here, `peer` as interface number `peer.index` in the namespace of `peer.namespace`. */
export function addVeth(host: LinkSettings & { name: string }, peer: LinkSettings & { name: string; index: number; namespace: number }): Request {
  const inner = Buffer.concat([ifinfo(peer.index), ...settings(peer)]);
  const info = nested(IFLA.LINKINFO, text(IFLA.INFO_KIND, 'veth'), nested(IFLA.INFO_DATA, attribute(1, inner)));
  return {
    what: `make the veth pair ${host.name}`,
    message: message(RTM.NEWLINK, NLM_F.CREATE | NLM_F.EXCL, ifinfo(0, host.up), ...settings(host), info),
  };
}

/** What a child of another interface is like. */
export type ChildKind = { driver: 'macvlan'; mode: string } | { driver: 'ipvlan'; mode: string; flag: string };

const MACVLAN_MODES: Readonly<Record<string, number>> = { private: 1, vepa: 2, bridge: 4, passthru: 8 };
const IPVLAN_MODES: Readonly<Record<string, number>> = { l2: 0, l3: 1, l3s: 2 };
const IPVLAN_FLAGS: Readonly<Record<string, number>> = { bridge: 0, private: 1, vepa: 2 };

/** An interface on top of another one of the socket's namespace, made in the namespace of the settings. */
export function addChild(link: LinkSettings & { name: string }, parent: number, kind: ChildKind): Request {
  const data = kind.driver === 'macvlan' ? [u32(1, MACVLAN_MODES[kind.mode] ?? 4)] : [u16(1, IPVLAN_MODES[kind.mode] ?? 0), u16(2, IPVLAN_FLAGS[kind.flag] ?? 0)];
  const info = nested(IFLA.LINKINFO, text(IFLA.INFO_KIND, kind.driver), nested(IFLA.INFO_DATA, ...data));
  return {
    what: `make the ${kind.driver} interface ${link.name}`,
    message: message(RTM.NEWLINK, NLM_F.CREATE | NLM_F.EXCL, ifinfo(0), u32(IFLA.LINK, parent), ...settings(link), info),
  };
}

export function addDummy(name: string): Request {
  const info = nested(IFLA.LINKINFO, text(IFLA.INFO_KIND, 'dummy'));
  return { what: `make the dummy interface ${name}`, message: message(RTM.NEWLINK, NLM_F.CREATE | NLM_F.EXCL, ifinfo(0), text(IFLA.IFNAME, name), info), tolerate: ['EEXIST'] };
}

export function addVlan(name: string, below: number, vlan: number): Request {
  const info = nested(IFLA.LINKINFO, text(IFLA.INFO_KIND, 'vlan'), nested(IFLA.INFO_DATA, u16(1, vlan)));
  return {
    what: `make the VLAN interface ${name}`,
    message: message(RTM.NEWLINK, NLM_F.CREATE | NLM_F.EXCL, ifinfo(0), u32(IFLA.LINK, below), text(IFLA.IFNAME, name), info),
    tolerate: ['EEXIST'],
  };
}

/** By index or by name (not both: a name beside an index renames). */
export function setLink(target: number | string, link: LinkSettings): Request {
  const named = typeof target === 'string' ? [text(IFLA.IFNAME, target)] : [];
  return {
    what: `configure the link ${target}`,
    message: message(RTM.NEWLINK, 0, ifinfo(typeof target === 'number' ? target : 0, link.up), ...named, ...settings(link)),
  };
}

export function deleteLink(name: string): Request {
  return { what: `delete the link ${name}`, message: message(RTM.DELLINK, 0, ifinfo(0), text(IFLA.IFNAME, name)), tolerate: ['ENODEV'] };
}

export function addAddress(index: number, address: string, prefix: number): Request {
  const bytes = addressBytes(address);
  const six = bytes.length === 16;
  const header = Buffer.alloc(8);
  header.writeUInt8(six ? AF_INET6 : AF_INET, 0);
  header.writeUInt8(prefix, 1);
  // IFA_F_NODAD: addresses are given out by us alone, nobody needs to be asked.
  header.writeUInt8(six ? 2 : 0, 2);
  header.writeUInt32LE(index, 4);
  const parts = [attribute(2, bytes), attribute(1, bytes)];
  if (!six && prefix < 31) parts.push(attribute(4, broadcast(bytes, prefix)));
  return {
    what: `give interface ${index} the address ${address}/${prefix}`,
    message: message(RTM.NEWADDR, NLM_F.CREATE | NLM_F.EXCL, header, ...parts),
    tolerate: ['EEXIST'],
  };
}

/** Sets or replaces a route; `0.0.0.0/0` and `::/0` are the default ones. Without a gateway it ends at the interface. */
export function addRoute(destination: string, gateway: string | undefined, index: number): Request {
  const [address = '', prefix = ''] = destination.split('/');
  const bytes = addressBytes(address);
  const header = Buffer.alloc(12);
  header.writeUInt8(bytes.length === 16 ? AF_INET6 : AF_INET, 0);
  header.writeUInt8(Number(prefix), 1);
  // Main table, RTPROT_BOOT, global or link scope, unicast: what `ip route add` sets.
  header.set([254, 3, gateway === undefined && bytes.length === 4 ? 253 : 0, 1], 4);
  const parts = [
    ...(Number(prefix) > 0 ? [attribute(1, bytes)] : []),
    ...(gateway === undefined ? [] : [attribute(5, addressBytes(gateway))]),
    u32(4, index),
  ];
  return {
    what: `set the route to ${destination}${gateway === undefined ? '' : ` by ${gateway}`}`,
    message: message(RTM.NEWROUTE, NLM_F.CREATE | NLM_F.REPLACE, header, ...parts),
  };
}

export function listLinks(socket: NetlinkSocket): Link[] {
  return socket.dump(message(RTM.GETLINK, 0, ifinfo(0))).map(decodeLink);
}

/** One link by its name, undefined when there is none. */
export function findLink(socket: NetlinkSocket, name: string): Link | undefined {
  try {
    return decodeLink(socket.ask({ what: `find the link ${name}`, message: message(RTM.GETLINK, 0, ifinfo(0), text(IFLA.IFNAME, name)) }));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENODEV') return undefined;
    throw error;
  }
}

function decodeLink(answer: ReceivedMessage): Link {
  const attributes = parseAttributes(answer.body, 16);
  const info = attributes.get(IFLA.LINKINFO);
  const mac = attributes.get(IFLA.ADDRESS);
  return {
    index: answer.body.readInt32LE(4),
    up: (answer.body.readUInt32LE(8) & IFF_UP) !== 0,
    name: attributeText(attributes.get(IFLA.IFNAME)) ?? '',
    kind: info && attributeText(parseAttributes(info).get(IFLA.INFO_KIND)),
    master: attributes.get(IFLA.MASTER)?.readUInt32LE(0),
    mac: mac && [...mac].map((byte) => byte.toString(16).padStart(2, '0')).join(':'),
    mtu: attributes.get(IFLA.MTU)?.readUInt32LE(0) ?? 0,
  };
}

export function listAddresses(socket: NetlinkSocket): Address[] {
  return socket.dump(message(RTM.GETADDR, 0, Buffer.alloc(8))).map(({ body }) => {
    const attributes = parseAttributes(body, 8);
    return { index: body.readUInt32LE(4), prefix: body.readUInt8(1), address: addressText(attributes.get(2) ?? attributes.get(1) ?? Buffer.alloc(4)) };
  });
}

/** Routes of the main table, both families. */
export function listRoutes(socket: NetlinkSocket): Route[] {
  return [AF_INET, AF_INET6].flatMap((family) => listFamilyRoutes(socket, family));
}

function listFamilyRoutes(socket: NetlinkSocket, family: number): Route[] {
  const header = Buffer.alloc(12);
  header.writeUInt8(family, 0);
  return socket
    .dump(message(RTM.GETROUTE, 0, header))
    .map(({ body }) => ({ body, attributes: parseAttributes(body, 12) }))
    .filter(({ body, attributes }) => (attributes.get(15)?.readUInt32LE(0) ?? body.readUInt8(4)) === 254)
    .map(({ body, attributes }) => {
      const gateway = attributes.get(5);
      return {
        destination: `${addressText(attributes.get(1) ?? Buffer.alloc(family === AF_INET6 ? 16 : 4))}/${body.readUInt8(1)}`,
        gateway: gateway && addressText(gateway),
        index: attributes.get(4)?.readUInt32LE(0),
      };
    });
}

export function macBytes(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(':', ''), 'hex');
}

/** Numeric addresses only; IPv6 with at most one `::`. */
export function addressBytes(address: string): Buffer {
  if (!address.includes(':')) return Buffer.from(address.split('.').map(Number));
  const bytes = Buffer.alloc(16);
  const [head = '', tail] = address.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  left.forEach((part, index) => bytes.writeUInt16BE(parseInt(part, 16), 2 * index));
  right.forEach((part, index) => bytes.writeUInt16BE(parseInt(part, 16), 16 - 2 * (right.length - index)));
  return bytes;
}

function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return [...bytes].join('.');
  return Array.from({ length: bytes.length / 2 }, (_, index) => bytes.readUInt16BE(2 * index).toString(16)).join(':');
}

function broadcast(bytes: Buffer, prefix: number): Buffer {
  const result = Buffer.alloc(4);
  result.writeUInt32BE((bytes.readUInt32BE(0) | (0xffffffff >>> prefix)) >>> 0);
  return result;
}
