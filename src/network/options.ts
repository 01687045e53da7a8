import type { Database } from '#host/database.ts';
import type { Layout } from '#host/layout.ts';
import type { NetworkKernel } from '#host/network-kernel.ts';
import type { Plugins } from '#host/plugin-client.ts';
import type { Log } from '#base/log.ts';
import type { EmitEvent } from '#spec/event.ts';
import type { ContainerId } from '#spec/ids.ts';
import type { EndpointSettings } from '#spec/wire/network.ts';
import type { AddressPool } from './address-pool.ts';

/** The keys of daemon.json that concern networks. */
export interface NetworkConfig {
  /** `bip`: the default bridge's address and prefix, e.g. `192.168.5.1/24`. */
  bridgeAddress?: string | undefined;
  /** `bridge`: name of the default bridge; `none` for no default bridge. */
  bridgeName?: string | undefined;
  mtu?: number | undefined;
  /** `ipv6`: the default bridge has IPv6 as well; `bip6`, `fixed-cidr`, `fixed-cidr-v6`, `default-gateway(-v6)` say more. */
  ipv6?: boolean | undefined;
  bridgeAddress6?: string | undefined;
  fixedRange?: string | undefined;
  fixedRange6?: string | undefined;
  gateway?: string | undefined;
  gateway6?: string | undefined;
  /** `iptables`; false sets no rules at all: networks are open to each other, and the engine itself forwards published ports. */
  firewall?: boolean | undefined;
  /** `publish-policy`: who decides about packets for published ports where another firewall drops by policy. */
  publishPolicy?: 'engine' | 'host' | undefined;
  /** `default-network-opts`: options of new networks that do not say otherwise, by driver. */
  defaultOptions?: Readonly<Record<string, Readonly<Record<string, string>>>> | undefined;
  /** `userland-proxy`: forward from the host's IPv6 to containers without it, and from ::1. */
  userlandProxy?: boolean | undefined;
  /** TCP ports on which the engine itself listens: closed to containers. */
  apiPorts?: readonly number[] | undefined;
  /** `ip`: default host address for published ports of the default bridge. */
  hostAddress?: string | undefined;
  defaultAddressPools?: readonly AddressPool[] | undefined;
  /** `dns`, `dns-search`, `dns-opts`: for containers that ask for none. */
  dns?: readonly string[] | undefined;
  dnsSearch?: readonly string[] | undefined;
  dnsOptions?: readonly string[] | undefined;
  /** `host-gateway-ips`: what `host-gateway` stands for; by default the host's addresses on the default bridge. */
  hostGateways?: readonly string[] | undefined;
  /** `icc`; default true. */
  communication?: boolean | undefined;
  /** `ip-masq`; default true. */
  masquerade?: boolean | undefined;
  /** `ip-forward`; default true: the engine turns on net.ipv4.ip_forward. */
  forwarding?: boolean | undefined;
}

/** What the network room must know of containers, for connect, disconnect and inspect. The engine implements it. */
export interface ContainerLookup {
  /** By id, unique prefix or name. Throws not_found `No such container: x`. `mode` is HostConfig.NetworkMode. */
  find(name: string): { id: ContainerId; name: string; mode: string };
  /** The present name without "/", or undefined when the container is gone. */
  nameOf(id: ContainerId): string | undefined;
  /**
   * `docker network connect` was carried out: keep `settings` (as the client asked) among the container's networks for
   * its next start. `files` changes those of a container with a sandbox.
   */
  connected(id: ContainerId, network: string, settings: EndpointSettings, files: FileChanges | undefined): void;
  disconnected(id: ContainerId, network: string, files: FileChanges | undefined): void;
  /** Networks that the container will join at its next start, by name. */
  networksOf(id: ContainerId): readonly string[];
}

/** How the files of a running container change; what a user wrote there stays. */
export interface FileChanges {
  /** Given the hosts file's text, what it is to be. */
  hosts(text: string): string;
  /** `to` is written unless the file says something else than `from`. */
  resolvConf?: { from: string; to: string } | undefined;
}

/** The resolver process of this run folder. */
export interface ResolverProgram {
  /** One of another build is replaced. */
  build: string;
  /** Resolves to the pid of what keeps it running. */
  start: () => Promise<number>;
}

export interface NetworksOptions {
  layout: Layout;
  db: Database;
  log: Log;
  config: NetworkConfig;
  emit: EmitEvent;
  plugins: Plugins;
  /** Called lazily, never from the constructor. */
  containers: ContainerLookup;
  /** Without it names are not served. */
  resolver?: ResolverProgram | undefined;
  /** For tests; by default the machine's own, in a worker thread. */
  kernel?: NetworkKernel;
}
