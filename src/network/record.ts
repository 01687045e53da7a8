/** What the network room keeps in the state database; written as JSON with the version it was written by. */
import type { ContainerId, NetworkId } from '#spec/ids.ts';
import type { PortMap } from '#spec/wire/container.ts';
import type { EndpointSettings } from '#spec/wire/network.ts';
import type { Family } from './ip.ts';

export type Protocol = 'tcp' | 'udp' | 'sctp';

export interface NetworkRecord {
  version: 2;
  id: NetworkId;
  name: string;
  /** `bridge`, `macvlan`, `ipvlan`, `host`, `null`, or the name of a plugin. */
  driver: string;
  /** RFC 3339 with nanoseconds. */
  created: string;
  internal: boolean;
  attachable: boolean;
  options: Record<string, string>;
  labels: Record<string, string>;
  ipv4: boolean;
  ipv6: boolean;
  /** True for a set of values that other networks are made from; nothing of the kernel belongs to it. */
  configOnly: boolean;
  /** Name of the configuration that this network was made from. */
  configFrom: string;
  /** `default`, or the name of a plugin. */
  ipamDriver: string;
  /** As the client gave them. */
  ipamOptions: Record<string, string> | undefined;
  /** In the order of the request. None for host and null networks. */
  pools: PoolRecord[];
  /** How containers are attached; undefined for host, null and configurations. */
  via: Attachment | undefined;
}

/** One subnet of a network. */
export interface PoolRecord {
  family: Family;
  /** `172.18.0.0/16`; host bits zero. */
  subnet: string;
  /** True when the user chose the subnet: only then may a container choose its address. */
  given: boolean;
  range: string | undefined;
  /** Undefined where the driver has none (`isolated` gateways, plugins that gave none). */
  gateway: string | undefined;
  /** Names of addresses that containers must not get. */
  reserved: Record<string, string>;
  /** Of an IPAM plugin: who it is, and its name for the pool. */
  remote?: { driver: string; id: string } | undefined;
}

export type Attachment = BridgeAttachment | ChildAttachment | RemoteAttachment;

/** `nat`: behind the host's address, only published ports are open. `nat-unprotected`: all ports are. `routed`: no address
 * translation, published ports are open at the container's own address. `isolated`: the host has no address on the bridge. */
export type GatewayMode = 'nat' | 'nat-unprotected' | 'routed' | 'isolated';

export interface BridgeAttachment {
  kind: 'bridge';
  /** Interface on the host. */
  name: string;
  /** False for a bridge that the administrator made (`bridge` in daemon.json): it is used, never deleted. */
  owned: boolean;
  mtu: number | undefined;
  /** `enable_ip_masquerade`. */
  masquerade: boolean;
  /** Containers may reach each other (`enable_icc`). */
  communication: boolean;
  /** Default host address for published ports; `0.0.0.0` means every address of both families. */
  hostAddress: string;
  mode4: GatewayMode;
  mode6: GatewayMode;
  /** Host address that outgoing packets carry in place of the outgoing interface's. */
  source4: string | undefined;
  source6: string | undefined;
  /** Interfaces from which containers may be reached at their own addresses. */
  trusted: string[];
  /** False gives the bridge no IPv4 address (`inhibit_ipv4`). */
  address4: boolean;
  /** `container_iface_prefix`. */
  interfacePrefix: string;
}

/** Interfaces made on top of one of the host's. */
export interface ChildAttachment {
  kind: 'macvlan' | 'ipvlan';
  parent: string;
  /** What the engine makes (and removes) as parent: a dummy nobody is connected to, or a VLAN interface of the name's own. */
  makes: 'dummy' | 'vlan' | undefined;
  mode: string;
  /** Of ipvlan: bridge, private or vepa. */
  flag: string;
  mtu: number | undefined;
  interfacePrefix: string;
}

/** A plugin makes the interfaces. */
export interface RemoteAttachment {
  kind: 'remote';
  scope: string;
  interfacePrefix: string;
}

/** A container's network namespace with all that hangs on it; written before any of it is made. */
export interface SandboxRecord {
  version: 2;
  id: string;
  container: ContainerId;
  name: string;
  hostname: string;
  domainname: string;
  /** `leaving`: being dismantled; its addresses stay taken until its links are gone. */
  state: 'up' | 'leaving';
  netnsPath: string;
  endpoints: EndpointRecord[];
  ports: PortRecord[];
  /** As the client asked for; absent in records of early versions. A network with a way out may come later. */
  asked?: PortMap;
  exposed: string[];
  /** Containers that this one was linked to (`--link`): it may reach their exposed ports where containers may not. */
  linked: ContainerId[];
  extraHosts: string[];
  /** The container turns IPv6 off by a sysctl of its own. */
  withoutIpv6?: boolean;
  /** As it was written; a file that differs was edited by a user. */
  resolvConf: string;
  /** What the container asked for; absent in records of early versions. */
  dns?: ResolverWishes;
  /** Set from when on the sandbox asks the engine's own resolver: since its start or since it joined a network with names. */
  names?: NamesRecord | undefined;
}

export interface NamesRecord {
  /** Asked from within the sandbox; none: the host's. */
  servers: string[];
  /** The container sets `ndots` itself: names without a dot are left to search domains. */
  keepsDotless: boolean;
}

export interface ResolverWishes {
  dns: string[];
  dnsSearch: string[];
  dnsOptions: string[];
}

export interface EndpointRecord {
  id: string;
  network: NetworkId;
  networkName: string;
  driver: string;
  /** Name inside the container. */
  interface: string;
  /** The interface that stays on the host, or that a plugin made there; undefined when nothing does. */
  hostLink: string | undefined;
  mac: string;
  /** Undefined on networks without the family, likewise below. */
  address: string | undefined;
  prefix: number;
  /** Undefined on internal networks. */
  gateway: string | undefined;
  address6: string | undefined;
  prefix6: number;
  gateway6: string | undefined;
  /** Routes a plugin asked for. */
  routes: RouteRecord[];
  /** As the client asked for. */
  settings: EndpointSettings;
  /** Being disconnected; a crash in between is finished by the next engine. */
  leaving?: true;
}

export interface RouteRecord {
  destination: string;
  /** Undefined: on the interface itself. */
  gateway: string | undefined;
}

export interface PortRecord {
  containerPort: number;
  protocol: Protocol;
  /** `0.0.0.0` and `::` for every address of a family. */
  hostAddress: string;
  /** 0 where the network is routed: there is no port of the host. */
  hostPort: number;
}
