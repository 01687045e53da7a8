/** The desired state of the firewall, from which nft texts are compiled. */
import type { Protocol } from './record.ts';

export interface FirewalledBridge {
  name: string;
  subnet: string;
  internal: boolean;
  masquerade: boolean;
}

export interface PublishedPort {
  protocol: Protocol;
  /** `0.0.0.0` for every address of the host. */
  hostAddress: string;
  hostPort: number;
  address: string;
  containerPort: number;
}

export interface FirewallState {
  /** Name of the one table, in family inet. */
  table: string;
  bridges: readonly FirewalledBridge[];
  ports: readonly PublishedPort[];
}
