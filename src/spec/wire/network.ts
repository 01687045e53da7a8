// Wire types of the Engine API (up to v1.55), noun: network. What a client sends or reads; never what the engine stores.

export interface Network {
  Name?: string | undefined;
  Id?: string | undefined;
  Created?: string | undefined;
  Scope?: string | undefined;
  Driver?: string | undefined;
  EnableIPv4?: boolean | undefined;
  EnableIPv6?: boolean | undefined;
  IPAM?: IPAM | undefined;
  Internal?: boolean | undefined;
  Attachable?: boolean | undefined;
  Ingress?: boolean | undefined;
  ConfigFrom?: ConfigReference | undefined;
  ConfigOnly?: boolean | undefined;
  Options?: Record<string, string> | undefined;
  Labels?: Record<string, string> | undefined;
  Peers?: unknown[] | undefined;
}

export type NetworkSummary = Network;

export type NetworkInspect = Network & {
  Containers?: Record<string, EndpointResource> | undefined;
  /** Since API 1.52. */
  Status?: { IPAM: { Subnets: Record<string, SubnetStatus> } } | undefined;
};

/** Saturating at 2^64 - 1. */
export interface SubnetStatus {
  IPsInUse: bigint;
  DynamicIPsAvailable: bigint;
}

export interface IPAM {
  Driver?: string | undefined;
  Config?: IPAMConfig[] | undefined;
  Options?: Record<string, string> | null | undefined;
}

export interface IPAMConfig {
  Subnet?: string | undefined;
  IPRange?: string | undefined;
  Gateway?: string | undefined;
  AuxiliaryAddresses?: Record<string, string> | undefined;
}

export interface EndpointResource {
  Name?: string | undefined;
  EndpointID?: string | undefined;
  MacAddress?: string | undefined;
  IPv4Address?: string | undefined;
  IPv6Address?: string | undefined;
}

export interface NetworkCreateResponse {
  Id: string;
  Warning: string;
}

export interface NetworkConnectRequest {
  Container: string;
  EndpointConfig?: EndpointSettings | null | undefined;
}

export interface NetworkDisconnectRequest {
  Container: string;
  Force?: boolean | undefined;
}

export interface EndpointSettings {
  IPAMConfig?: EndpointIPAMConfig | undefined;
  Links?: string[] | undefined;
  MacAddress?: string | undefined;
  Aliases?: string[] | undefined;
  DriverOpts?: Record<string, string> | null | undefined;
  GwPriority?: number | undefined;
  NetworkID?: string | undefined;
  EndpointID?: string | undefined;
  Gateway?: string | undefined;
  IPAddress?: string | undefined;
  IPPrefixLen?: number | undefined;
  IPv6Gateway?: string | undefined;
  GlobalIPv6Address?: string | undefined;
  GlobalIPv6PrefixLen?: number | undefined;
  DNSNames?: string[] | undefined;
}

export interface EndpointIPAMConfig {
  IPv4Address?: string | undefined;
  IPv6Address?: string | undefined;
  LinkLocalIPs?: string[] | undefined;
}

export interface ConfigReference {
  Network?: string | undefined;
}

/** Body of POST /networks/create. */
export interface NetworkCreateRequest {
  Name: string;
  CheckDuplicate?: boolean | undefined;
  Driver?: string | undefined;
  Scope?: string | undefined;
  Internal?: boolean | undefined;
  Attachable?: boolean | undefined;
  Ingress?: boolean | undefined;
  ConfigOnly?: boolean | undefined;
  ConfigFrom?: ConfigReference | undefined;
  IPAM?: IPAM | undefined;
  EnableIPv4?: boolean | null | undefined;
  EnableIPv6?: boolean | null | undefined;
  Options?: Record<string, string> | undefined;
  Labels?: Record<string, string> | undefined;
}

export interface NetworksPruneResponse {
  NetworksDeleted: string[] | null;
}

/** One way that packets may take, of GET /gantry/networks/explain. */
export interface NetworkPath {
  /** To the container's own address, or by a port of the host. */
  Way: 'direct' | 'published';
  Network: string;
  /** Where the packets arrive. */
  Address: string;
  /** `0.0.0.0:8080/tcp` of a published port. */
  HostPort: string;
  Allowed: boolean;
  /** The chain of the nft table that decides; empty where none is asked. */
  Chain: string;
  /** The deciding rule as nft shows it; empty when the chain's policy lets packets pass. */
  Rule: string;
  Reason?: string;
}

/** Of GET /gantry/networks/ports. */
export interface PublishedPortInfo {
  Container: string;
  Name: string;
  HostIp: string;
  /** 0: open at the container's own address, without translation. */
  HostPort: number;
  Protocol: string;
  Address: string;
  Port: number;
  Network: string;
  /** Who carries the packets. */
  By: 'kernel' | 'engine' | 'routing';
}
