/** The desired state of the firewall, from which nft texts are compiled and answers about reachability are given. */
import type { Family } from './ip.ts';
import type { GatewayMode, Protocol } from './record.ts';

export interface FirewalledNetwork {
  /** Interface on the host. */
  bridge: string;
  internal: boolean;
  /** Containers may reach each other. */
  communication: boolean;
  masquerade: boolean;
  mode4: GatewayMode;
  mode6: GatewayMode;
  source4: string | undefined;
  source6: string | undefined;
  trusted: readonly string[];
  subnets4: readonly string[];
  subnets6: readonly string[];
}

/** One port of one family, by address translation or, where `hostPort` is 0, open at the container's own address. */
export interface PublishedPort {
  family: Family;
  protocol: Protocol;
  /** `0.0.0.0` or `::` for every address of the host. */
  hostAddress: string;
  hostPort: number;
  address: string;
  containerPort: number;
}

/** A linked container's exposed port, open to the container that was linked to it though containers are apart. */
export interface LinkedPort {
  from: string;
  to: string;
  protocol: Protocol;
  port: number;
}

export interface FirewallState {
  /** Name of the one table, in family inet. */
  table: string;
  networks: readonly FirewalledNetwork[];
  ports: readonly PublishedPort[];
  links: readonly LinkedPort[];
  /** TCP ports of the engine's own API. */
  apiPorts: readonly number[];
}
