import { type BuildsClient, createBuildsClient } from './builds.ts';
import { type ContainersClient, createContainersClient } from './containers.ts';
import type { TlsFiles } from './dial.ts';
import { createExecsClient, type ExecsClient } from './execs.ts';
import { createHttpTransport } from './http-transport.ts';
import { createImagesClient, type ImagesClient } from './images.ts';
import { createNetworksClient, type NetworksClient } from './networks.ts';
import { createSystemClient, type SystemClient } from './system.ts';
import type { Transport } from './transport.ts';
import { createVolumesClient, type VolumesClient } from './volumes.ts';

export interface ClientOptions {
  /** `unix:///path`, `tcp://host:port`, or `ssh://user@host[/socket]` (needs `ssh` here and a docker or gantry CLI there). */
  host: string;
  /** For tcp: PEM texts. Present: the connection is TLS. */
  tls?: TlsFiles | undefined;
  /** Fixes the API version, e.g. `1.45`; else the first request negotiates it. */
  version?: string | undefined;
  /** Asked when nobody listens at a unix socket; the connection is tried again once it resolves. */
  whenDown?: (() => Promise<void>) | undefined;
  /** Sent with every request. */
  headers?: Readonly<Record<string, string>> | undefined;
}

export interface Ping {
  apiVersion: string;
  osType: string;
  experimental: boolean;
  builderVersion: string;
  /** The `Server` header, e.g. `Docker/26.1.5 (linux)`. */
  server: string;
}

/**
 * A typed client of the Docker Engine API, for Gantry and dockerd. Connections open on first use, are kept alive and shared;
 * `close` lets go of them all. Engine answers of 400 and above are EngineErrors with the engine's message.
 */
export interface EngineClient {
  readonly host: string;
  readonly containers: ContainersClient;
  readonly execs: ExecsClient;
  readonly images: ImagesClient;
  readonly builds: BuildsClient;
  readonly volumes: VolumesClient;
  readonly networks: NetworksClient;
  readonly system: SystemClient;
  ping(): Promise<Ping>;
  /** The API version in use, e.g. `1.55`. */
  version(): Promise<string>;
  /** For operations without a method of their own. */
  readonly transport: Transport;
  close(): void;
}

export function createClient(options: ClientOptions): EngineClient {
  const transport = createHttpTransport(options);
  return {
    host: options.host,
    containers: createContainersClient(transport),
    execs: createExecsClient(transport),
    images: createImagesClient(transport),
    builds: createBuildsClient(transport),
    volumes: createVolumesClient(transport),
    networks: createNetworksClient(transport),
    system: createSystemClient(transport),
    ping: async () => {
      const { headers } = await transport.ping();
      return {
        apiVersion: headers.get('api-version') ?? '1.24',
        osType: headers.get('ostype') ?? 'linux',
        experimental: headers.get('docker-experimental') === 'true',
        builderVersion: headers.get('builder-version') ?? '',
        server: headers.get('server') ?? '',
      };
    },
    version: () => transport.version(),
    transport,
    close: () => transport.close(),
  };
}
