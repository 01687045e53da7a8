/** What the network room keeps in the state database; written as JSON with the version it was written by. */
import type { ContainerId, NetworkId } from '#spec/ids.ts';
import type { EndpointSettings } from '#spec/wire/network.ts';

export type Protocol = 'tcp' | 'udp' | 'sctp';

export interface NetworkRecord {
  version: 1;
  id: NetworkId;
  name: string;
  driver: 'bridge' | 'host' | 'null';
  /** RFC 3339 with nanoseconds. */
  created: string;
  internal: boolean;
  attachable: boolean;
  options: Record<string, string>;
  labels: Record<string, string>;
  /** As the client gave them; the one IPAM driver has none. */
  ipamOptions?: Record<string, string> | undefined;
  /** Undefined for host and null networks. */
  bridge: BridgeRecord | undefined;
}

export interface BridgeRecord {
  /** Interface on the host. */
  name: string;
  /** False for a bridge that the administrator made (`bridge` in daemon.json): it is used, never deleted. */
  owned: boolean;
  /** `172.18.0.0/16`; host bits zero. */
  subnet: string;
  /** True when the user chose the subnet: only then may a container choose its address. */
  subnetGiven: boolean;
  range: string | undefined;
  gateway: string;
  reserved: Record<string, string>;
  mtu: number | undefined;
  masquerade: boolean;
  /** Containers may reach each other. */
  communication: boolean;
  /** Default host address for published ports. */
  hostAddress: string;
}

/** A container's network namespace with all that hangs on it; written before any of it is made. */
export interface SandboxRecord {
  version: 1;
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
  exposed: string[];
  extraHosts: string[];
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
  /** Name inside the container. */
  interface: string;
  /** Name of the host's end. */
  veth: string;
  mac: string;
  address: string;
  prefix: number;
  /** Undefined on internal networks. */
  gateway: string | undefined;
  /** As the client asked for. */
  settings: EndpointSettings;
}

export interface PortRecord {
  containerPort: number;
  protocol: Protocol;
  hostAddress: string;
  hostPort: number;
}
