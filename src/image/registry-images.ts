import { Limiter } from '#base/limiter.ts';
import { invalid } from '#base/errors.ts';
import type { Digest } from '#spec/digest.ts';
import type { Filters } from '#spec/filters.ts';
import { requireKnownFilters } from '#spec/filters.ts';
import type { ImageConfigFile, ImageManifest, Platform } from '#spec/oci-image.ts';
import { withDefaultTag } from '#spec/reference.ts';
import type { JsonMessage } from '#spec/wire/image.ts';
import type { AuthenticateResponse, DistributionInspect, RegistryCredentials, RegistrySearchResult, RemoteManifest, RemoteManifestPut } from '#spec/wire/registry.ts';
import type { ImageContext } from './context.ts';
import { parseConfig, parseManifest } from './documents.ts';
import { booleanFilter } from './list.ts';
import { platformOf } from './platform.ts';
import { createFlights } from './pull/flights.ts';
import { Progress } from './pull/progress.ts';
import { pullImages, pullOne, requireRemote, type PullContext, type PullOptions } from './pull/pull.ts';
import { resolveImage } from './pull/resolve.ts';
import { pushImages, type PushOptions } from './push/push.ts';
import { WINDOW } from './registry/download.ts';
import { authenticate, domainOf, search, splitSearchTerm } from './registry/login.ts';
import { getManifest, putManifest } from './registry/manifests.ts';
import { createPartials } from './registry/partials.ts';
import { createRegistries, type RegistriesOptions } from './registry/registries.ts';
import { createSources } from './registry/sources.ts';

/** What a name stands for at its registry, without fetching its layers. */
export interface RemoteImage {
  /** Of the index or manifest that the name stands for. */
  target: Digest;
  targetBytes: Buffer;
  targetMediaType: string;
  /** Of the platform's own manifest. */
  digest: Digest;
  manifest: ImageManifest;
  /** The image's id. */
  configDigest: Digest;
  configBytes: Buffer;
  config: ImageConfigFile;
  platform: Platform;
}

export interface RemoteOptions {
  platform?: string | undefined;
  credentials?: RegistryCredentials | undefined;
  signal?: AbortSignal | undefined;
}

export type RegistryImages = ReturnType<typeof createRegistryImages>;

/** All that images have to do with registries. Call `recover` once before use. */
export function createRegistryImages(context: ImageContext, options: { settings: RegistriesOptions; folder: string }) {
  const registries = createRegistries(options.settings);
  const partials = createPartials(options.folder, { window: WINDOW, now: () => context.clock.now() });
  const sources = createSources(context.db, () => context.clock.now());
  const downloads = new Limiter(registries.downloads);
  const pulls: PullContext = { context, registries, sources, downloads, fly: createFlights({ partials, limiter: downloads, retries: registries.retries }) };
  const pushes = { context, registries, sources, uploads: new Limiter(registries.uploads) };
  const never = new AbortController().signal;

  return {
    recover: (): Promise<void> => partials.sweep(),
    /** Docker's progress; see `pullImages`. */
    pull: (given: PullOptions): AsyncIterable<JsonMessage> => pullImages(pulls, given),
    push: (given: PushOptions): AsyncIterable<JsonMessage> => pushImages(pushes, given),

    /** Asks the registry what a name (tag or digest) stands for, for one platform; this machine's by default. Records nothing. */
    async resolve(reference: string, { platform, credentials, signal = never }: RemoteOptions = {}): Promise<RemoteImage> {
      const parsed = withDefaultTag(requireRemote(reference));
      const repositories = await registries.repositories(parsed, 'pull', credentials);
      const { target, manifest, manifestDocument, config } = await resolveImage(context, registries, repositories, parsed, platform, signal);
      return {
        target: target.digest, targetBytes: target.bytes, targetMediaType: target.mediaType,
        digest: manifestDocument.digest, manifest,
        configDigest: config.digest, configBytes: config.bytes, config: config.parsed, platform: platformOf(config.parsed),
      };
    },
    /** Pulls a name or `repo@digest` without a client that watches. Returns the image's id and what the name stands for. */
    async pullQuietly(reference: string, { platform, credentials, signal = never }: RemoteOptions = {}, onMessage?: (message: JsonMessage) => void): Promise<{ id: Digest; target: Digest }> {
      const progress = new Progress();
      const work = pullOne(pulls, withDefaultTag(requireRemote(reference)), { platform, credentials }, progress, signal).finally(() => progress.end());
      work.catch(() => {});
      for await (const message of progress) onMessage?.(message);
      const { image, target } = await work;
      return { id: image.id, target };
    },

    /** GET /distribution/{name}/json. */
    async distribution(reference: string, credentials: RegistryCredentials | undefined, signal: AbortSignal): Promise<DistributionInspect> {
      const parsed = withDefaultTag(requireRemote(reference));
      const repositories = await registries.repositories(parsed, 'pull', credentials);
      return registries.first(repositories, async (repository) => {
        const { bytes, mediaType, digest } = await repository.manifest(parsed.digest ?? parsed.tag ?? 'latest', signal);
        const document = parseManifest(bytes, mediaType);
        const type = mediaType || (document.kind === 'index' ? document.index.mediaType : document.manifest.mediaType) || '';
        const Descriptor = { mediaType: type, digest, size: bytes.length };
        if (document.kind === 'index') return { Descriptor, Platforms: document.index.manifests.flatMap(({ platform }) => (platform === undefined ? [] : [platform])) };
        if (!/image|octet/.test(document.manifest.config.mediaType)) return { Descriptor, Platforms: [] };
        const config = parseConfig(await repository.smallBlob(document.manifest.config.digest, signal));
        return { Descriptor, Platforms: [{ architecture: config.architecture, os: config.os, ...(config.variant ? { variant: config.variant } : {}) }] };
      });
    },
    /** One manifest as it lies in its registry. */
    manifest: (reference: string, credentials: RegistryCredentials | undefined, signal: AbortSignal): Promise<RemoteManifest> =>
      getManifest(registries, withDefaultTag(requireRemote(reference)), credentials, signal),
    putManifest: (reference: string, put: RemoteManifestPut, credentials: RegistryCredentials | undefined, signal: AbortSignal): Promise<{ Digest: string }> =>
      putManifest(registries, withDefaultTag(requireRemote(reference)), put, credentials, signal),
    async authenticate(credentials: RegistryCredentials, signal: AbortSignal): Promise<AuthenticateResponse> {
      return authenticate(registries.wire, registries.tokens, await registries.endpoints(domainOf(credentials.serveraddress ?? '')), credentials, signal);
    },
    async search(term: string, given: { limit: number; filters: Filters; credentials: RegistryCredentials | undefined }, signal: AbortSignal): Promise<RegistrySearchResult[]> {
      requireKnownFilters(given.filters, ['is-automated', 'is-official', 'stars']);
      if (given.limit < 0 || given.limit > 100) throw invalid(`limit ${given.limit} is outside the range of [1, 100]`);
      const official = booleanFilter(given.filters, 'is-official');
      const automated = booleanFilter(given.filters, 'is-automated');
      const stars = Math.max(0, ...(given.filters.get('stars') ?? []).map((text) => {
        if (!/^\d+$/.test(text)) throw invalid(`invalid filter 'stars=${text}'`);
        return Number(text);
      }));
      const { domain, rest } = splitSearchTerm(term);
      const limit = given.limit || 25;
      const endpoints = await registries.searchEndpoints(domain);
      const results = await registries.firstEndpoint(endpoints, (endpoint) => search(registries.wire, endpoint, rest, { term, limit, credentials: given.credentials }, signal));
      return results.filter((item) => (official === undefined || item.is_official === official) && (automated === undefined || item.is_automated === automated) && item.star_count >= stars);
    },
    close: (): void => registries.close(),
  };
}

