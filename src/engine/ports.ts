/** What the engine room consumes from the image and network rooms; they implement these shapes. */
import type { ContainerId } from '#spec/ids.ts';
import type { Digest } from '#spec/digest.ts';
import type { ImageConfigFile, Platform } from '#spec/oci-image.ts';
import type { PortMap } from '#spec/wire/container.ts';
import type { EndpointSettings } from '#spec/wire/network.ts';

export interface ResolvedImage {
  /** Digest of the image's configuration: Docker's image id. */
  id: Digest;
  config: ImageConfigFile;
  platform: Platform;
  /** Unpacked layer directories, topmost first: overlayfs lowerdir order. */
  layers: readonly string[];
  /** Sum of the unpacked layers in bytes. */
  size: number;
}

export interface Images {
  /** By name, name@digest, id or unique id prefix. not_found: `No such image: <as given>`. */
  lookup(reference: string, platform?: string): ResolvedImage;
  /** As `lookup`, but an image that only its containers keep is not found: for new containers. */
  find(reference: string, platform?: string): ResolvedImage;
  /** Unpacks a platform of the image that is here but was not needed until now, for `lookup`. */
  prepare(reference: string, platform: string): Promise<void>;
  /** Keeps the image's layers on disk for this owner until released; survives restarts. */
  hold(image: Digest, owner: ContainerId): void;
  release(owner: ContainerId): void;
  /** A name for display: the reference itself when it still points at the image, else the id. */
  displayName(image: Digest, asGiven: string): string;
}

export interface SandboxRequest {
  container: ContainerId;
  name: string;
  hostname: string;
  domainname: string;
  /** Networks by name or id in order; never host, none or container:. */
  endpoints: readonly { network: string; settings: EndpointSettings }[];
  /** `80/tcp` → bindings as asked for; an empty HostPort means: choose one. */
  ports: PortMap;
  /** Container ports that are exposed but not published, e.g. `80/tcp`. */
  exposed: readonly string[];
  /** Containers that this one was linked to: it may reach their ports also where containers may not reach each other. */
  linked: readonly ContainerId[];
  dns: readonly string[];
  dnsSearch: readonly string[];
  dnsOptions: readonly string[];
  extraHosts: readonly string[];
  /** Net-namespaced sysctls, applied by the runtime; given for information. */
  sysctls: Readonly<Record<string, string>>;
}

export interface Sandbox {
  id: string;
  /** A bind-mounted network namespace that the runtime joins. */
  netnsPath: string;
  /** By network name, as inspect shows them. */
  endpoints: Record<string, EndpointSettings>;
  ports: PortMap;
  /** Contents for the files that the engine binds into the container. */
  hosts: string;
  resolvConf: string;
}

export interface Networks {
  /** The name of the network that this name, id or unique id prefix means; host, none and container: mean themselves. Throws not_found (`network x not found`). */
  nameOf(network: string): string;
  /** Throws invalid_argument when the network cannot give what is asked; a network that is not there (yet) is fine. */
  check(network: string, settings: EndpointSettings): void;
  /** Makes the sandbox; recorded before it is made, undone as a whole on failure. */
  up(request: SandboxRequest): Promise<Sandbox>;
  /** Removes whatever is left of the container's sandbox; idempotent, needs no earlier `up` in this process. */
  down(container: ContainerId): Promise<void>;
  /** The sandbox of a container that was up before this process started. */
  find(container: ContainerId): Sandbox | undefined;
  /** hosts and resolv.conf of the host itself, for `--network host` and `none`. */
  hostFiles(request: Omit<SandboxRequest, 'endpoints' | 'ports' | 'exposed' | 'linked' | 'sysctls'>, mode: 'host' | 'none'): {
    hosts: string;
    resolvConf: string;
  };
  /** A running container has another name from now on. */
  renamed(container: ContainerId, name: string): Promise<void>;
  /** At start: keeps the sandboxes of `live` containers, removes every other trace, re-applies the firewall. */
  recover(live: ReadonlySet<ContainerId>): Promise<void>;
}
