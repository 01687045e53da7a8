import type {
  ImageDeleteResponseItem,
  ImageHistoryResponseItem,
  ImageInspect,
  ImagesPruneResponse,
  ImageSummary,
  JsonMessage,
} from '#spec/wire/image.ts';
import { type FilterValues, renderFilters } from './filter-values.ts';
import { readJsonLines } from './json-lines.ts';
import { fetchJson, type OutgoingRequest, perform, type Transport } from './transport.ts';

/** Credentials for one registry; `undefined` sends none. */
export interface RegistryAuth {
  username?: string;
  password?: string;
  identitytoken?: string;
  registrytoken?: string;
  serveraddress?: string;
}

/** Streams of JsonMessage report failures in band, in `errorDetail`: the caller decides. */
export interface ImagesClient {
  list(options?: {
    all?: boolean;
    filters?: FilterValues;
    sharedSize?: boolean;
    digests?: boolean;
    manifests?: boolean;
  }): Promise<ImageSummary[]>;
  inspect(name: string, options?: { platform?: string | undefined; manifests?: boolean }): Promise<ImageInspect>;
  history(name: string, options?: { platform?: string | undefined }): Promise<ImageHistoryResponseItem[]>;
  tag(name: string, target: { repo: string; tag?: string | undefined }): Promise<void>;
  remove(name: string, options?: { force?: boolean; noPrune?: boolean }): Promise<ImageDeleteResponseItem[]>;
  prune(filters?: FilterValues): Promise<ImagesPruneResponse>;
  save(names: readonly string[], options?: { platforms?: readonly string[]; signal?: AbortSignal | undefined }): Promise<AsyncIterable<Uint8Array>>;
  load(
    tar: AsyncIterable<Uint8Array>,
    options?: { quiet?: boolean; platforms?: readonly string[]; signal?: AbortSignal | undefined },
  ): Promise<AsyncIterable<JsonMessage>>;
  import(
    tar: AsyncIterable<Uint8Array>,
    options?: {
      repo?: string | undefined;
      tag?: string | undefined;
      message?: string | undefined;
      changes?: readonly string[];
      platform?: string | undefined;
      signal?: AbortSignal | undefined;
    },
  ): Promise<AsyncIterable<JsonMessage>>;
  /** Gantry only: makes a base image from the distribution's packages, e.g. `busybox` or `debian:bookworm`. */
  bootstrap(name: string, options?: { signal?: AbortSignal | undefined }): Promise<AsyncIterable<JsonMessage>>;
  pull(
    image: string,
    options?: { tag?: string | undefined; platform?: string | undefined; auth?: RegistryAuth | undefined; signal?: AbortSignal | undefined },
  ): Promise<AsyncIterable<JsonMessage>>;
  push(
    image: string,
    options?: { tag?: string | undefined; platform?: string | undefined; auth?: RegistryAuth | undefined; signal?: AbortSignal | undefined },
  ): Promise<AsyncIterable<JsonMessage>>;
}

export function createImagesClient(transport: Transport): ImagesClient {
  // Names keep their slashes: the routes take everything up to the last word.
  const at = (name: string, rest = ''): string => `/images/${encodeURIComponent(name).replaceAll('%2F', '/').replaceAll('%3A', ':')}${rest}`;
  const messages = async (request: OutgoingRequest): Promise<AsyncIterable<JsonMessage>> =>
    readJsonLines<JsonMessage>((await transport.send(request)).body);
  const auth = (credentials: RegistryAuth | undefined): Record<string, string> => ({
    'X-Registry-Auth': Buffer.from(JSON.stringify(credentials ?? {})).toString('base64url'),
  });

  return {
    list: (options = {}) =>
      fetchJson(transport, {
        method: 'GET',
        path: '/images/json',
        query: {
          all: options.all,
          filters: renderFilters(options.filters),
          'shared-size': options.sharedSize,
          digests: options.digests,
          manifests: options.manifests,
        },
      }),
    inspect: (name, options = {}) => fetchJson(transport, { method: 'GET', path: at(name, '/json'), query: options }),
    history: (name, options = {}) => fetchJson(transport, { method: 'GET', path: at(name, '/history'), query: options }),
    tag: (name, target) => perform(transport, { method: 'POST', path: at(name, '/tag'), query: { repo: target.repo, tag: target.tag } }),
    remove: (name, options = {}) =>
      fetchJson(transport, { method: 'DELETE', path: at(name), query: { force: options.force, noprune: options.noPrune } }),
    prune: (filters) => fetchJson(transport, { method: 'POST', path: '/images/prune', query: { filters: renderFilters(filters) } }),
    save: async (names, options = {}) =>
      (
        await transport.send({
          method: 'GET',
          path: '/images/get',
          query: { names, platform: options.platforms },
          signal: options.signal,
        })
      ).body,
    load: (tar, options = {}) =>
      messages({
        method: 'POST',
        path: '/images/load',
        query: { quiet: options.quiet ?? false, platform: options.platforms },
        stream: tar,
        signal: options.signal,
      }),
    import: (tar, options = {}) =>
      messages({
        method: 'POST',
        path: '/images/create',
        query: {
          fromSrc: '-',
          repo: options.repo,
          tag: options.tag,
          message: options.message,
          changes: options.changes,
          platform: options.platform,
        },
        stream: tar,
        signal: options.signal,
      }),
    bootstrap: (name, options = {}) =>
      messages({ method: 'POST', path: '/gantry/images/bootstrap', query: { name }, signal: options.signal }),
    pull: (image, options = {}) =>
      messages({
        method: 'POST',
        path: '/images/create',
        query: { fromImage: image, tag: options.tag, platform: options.platform },
        headers: auth(options.auth),
        signal: options.signal,
      }),
    push: (image, options = {}) =>
      messages({
        method: 'POST',
        path: at(image, '/push'),
        query: { tag: options.tag, platform: options.platform },
        headers: auth(options.auth),
        signal: options.signal,
      }),
  };
}
