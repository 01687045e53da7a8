import { EngineError, notImplemented } from '#base/errors.ts';
import type { Reference } from '#spec/reference.ts';
import type { RegistryCredentials } from '#spec/wire/registry.ts';
import { createEndpoints, HUB, type Endpoint } from './endpoints.ts';
import { faultOf } from './fault.ts';
import type { ProxySettings } from './proxy.ts';
import { createRepository, type Repository } from './repository.ts';
import { usualRetries, type RetryPolicy } from './retry.ts';
import { createTokenSource, type TokenSource } from './tokens.ts';
import { createWire, readBody, type Wire } from './wire.ts';

/** Options in daemon.json's terms. */
export interface RegistriesOptions {
  mirrors?: readonly string[] | undefined;
  insecure?: readonly string[] | undefined;
  proxy?: ProxySettings | undefined;
  certificateFolders?: readonly string[] | undefined;
  userAgent?: string | undefined;
  /** Layers of one engine that download, and upload, at a time. */
  downloads?: number | undefined;
  uploads?: number | undefined;
  /** Tries of one layer. */
  attempts?: number | undefined;
  /** Milliseconds of silence that end a connection. */
  stall?: number | undefined;
  /** Milliseconds before the first retry. */
  firstRetry?: number | undefined;
  /** Registries that also get layers which may not be given away. */
  allowNondistributable?: readonly string[] | undefined;
}

/** All registries, as one engine sees them. */
export interface Registries {
  readonly retries: RetryPolicy;
  readonly downloads: number;
  readonly uploads: number;
  readonly wire: Wire;
  readonly tokens: TokenSource;
  /** Where to log in. */
  endpoints(domain: string): Promise<Endpoint[]>;
  searchEndpoints(domain: string): Promise<Endpoint[]>;
  allowsNondistributable(domain: string): boolean;
  /** The places of a repository, in the order in which to try them. */
  repositories(reference: Pick<Reference, 'domain' | 'path'>, purpose: 'pull' | 'push', credentials: RegistryCredentials | undefined): Promise<Repository[]>;
  /** Runs `task` at the first place that answers it. The last failure counts, except that a mirror's never does. */
  first<T>(repositories: readonly Repository[], task: (repository: Repository) => Promise<T>): Promise<T>;
  firstEndpoint<T>(endpoints: readonly Endpoint[], task: (endpoint: Endpoint) => Promise<T>): Promise<T>;
  close(): void;
}

export function createRegistries(options: RegistriesOptions = {}): Registries {
  const wire = createWire({
    proxy: options.proxy ?? { http: '', https: '', no: '' },
    certificateFolders: options.certificateFolders ?? [],
    userAgent: options.userAgent ?? 'gantry',
    ...(options.stall === undefined ? {} : { stall: options.stall }),
  });
  const tokens = createTokenSource(wire);
  const endpoints = createEndpoints({ mirrors: options.mirrors ?? [], insecure: options.insecure ?? [] });
  const spared = new Set(options.allowNondistributable ?? []);
  /** Hosts that were found to speak plain HTTP, and until when we count on it. */
  const plain = new Map<string, number>();

  /** Insecure hosts stand here twice: TLS first, unless it was found a moment ago that they have none. */
  const inOrder = (found: readonly Endpoint[]): Endpoint[] => {
    const known = (endpoint: Endpoint): boolean => (plain.get(endpoint.base.host) ?? 0) > Date.now();
    return found.filter((endpoint) => !(endpoint.base.protocol === 'https:' && known(endpoint) && found.some(({ base }) => base.protocol === 'http:' && base.host === endpoint.base.host)));
  };

  const firstOf = async <P, T>(places: readonly P[], endpointOf: (place: P) => Endpoint, task: (place: P) => Promise<T>): Promise<T> => {
    let last: unknown;
    for (const [index, place] of places.entries()) {
      const { base, mirror } = endpointOf(place);
      try {
        const value = await task(place);
        if (base.protocol === 'http:' && !mirror) plain.set(base.host, Date.now() + 300_000);
        return value;
      } catch (error) {
        last = error;
        const next = places[index + 1];
        if (next === undefined || (error instanceof Error && error.name === 'AbortError')) throw error;
        // A registry that answered has spoken; only silence, TLS that is not there and mirrors lead on.
        const silent = faultOf(error) !== undefined && faultOf(error)?.status === undefined && error instanceof EngineError && error.cause !== undefined;
        if (!mirror && !(silent && endpointOf(next).base.host === base.host)) throw error;
      }
    }
    throw last ?? notImplemented('no registry to ask');
  };

  return {
    tokens,
    endpoints: async (domain) => inOrder((await endpoints.of(domain, 'push'))),
    searchEndpoints: async (domain) => (domain === HUB ? [{ base: new URL('https://index.docker.io'), verify: true, mirror: false }] : inOrder(await endpoints.of(domain, 'push'))),
    firstEndpoint: (places, task) => firstOf(places, (place) => place, task),
    retries: { ...usualRetries, attempts: options.attempts ?? usualRetries.attempts, first: options.firstRetry ?? usualRetries.first },
    downloads: options.downloads ?? 3,
    uploads: options.uploads ?? 5,
    wire,
    allowsNondistributable: (domain) => spared.has(domain),
    async repositories({ domain, path }, purpose, credentials) {
      const found = inOrder(await endpoints.of(domain, purpose));
      return found.map((endpoint) =>
        createRepository({ wire, tokens, endpoint, path, credentials: endpoint.mirror ? undefined : credentials, actions: purpose === 'pull' ? 'pull' : 'pull,push' }),
      );
    },
    first: (repositories, task) => firstOf(repositories, ({ endpoint }) => endpoint, task),
    close: () => wire.close(),
  };
}

/** Finds out whether a registry answers here at all, whatever it says. */
export async function ping({ wire }: Registries, { endpoint: { base, verify } }: Repository, signal: AbortSignal): Promise<void> {
  const response = await wire.send({ method: 'GET', url: new URL('/v2/', base), verify, signal });
  await readBody(response, 1 << 20);
}
