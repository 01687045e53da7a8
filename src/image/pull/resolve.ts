import { EngineError, invalid, messageOf, notFound } from '#base/errors.ts';
import type { Digest } from '#spec/digest.ts';
import { mediaTypes, type Descriptor, type ImageConfigFile, type ImageManifest, type Platform } from '#spec/oci-image.ts';
import { familiarName, familiarString, type Reference } from '#spec/reference.ts';
import type { ImageContext } from '../context.ts';
import { isIndexType, isManifestType, parseConfig, parseManifest } from '../documents.ts';
import { isAttestation } from '../manifest-view.ts';
import { bestPlatform, hostPlatform, parsePlatform, platformOf, platformScore, renderPlatform } from '../platform.ts';
import { faultOf, registryError } from '../registry/fault.ts';
import type { Registries } from '../registry/registries.ts';
import type { FetchedDocument, Repository } from '../registry/repository.ts';

/** What a name stands for at its registry, for one platform. Nothing of it is recorded yet. */
export interface ResolvedImage {
  /** Where it was found. */
  repository: Repository;
  /** What the name stands for: an index or a manifest. */
  target: FetchedDocument;
  /** Indexes between the target and the manifest. */
  indexes: FetchedDocument[];
  manifest: ImageManifest;
  manifestDocument: FetchedDocument;
  config: { digest: Digest; mediaType: string; bytes: Buffer; parsed: ImageConfigFile };
}

const configTypes: readonly string[] = [mediaTypes.dockerConfig, mediaTypes.ociConfig, 'application/octet-stream', 'text/html', ''];

/** Fetches index, manifest and configuration, from wherever the image can be had. Errors are Docker's texts. */
export async function resolveImage(
  context: ImageContext,
  registries: Registries,
  repositories: readonly Repository[],
  reference: Reference,
  platform: string | undefined,
  signal: AbortSignal,
): Promise<ResolvedImage> {
  const wanted = platform === undefined || platform === '' ? undefined : parsePlatform(platform);
  const tagOrDigest = reference.digest ?? reference.tag ?? 'latest';
  try {
    return await registries.first(repositories, async (repository) => {
      const target = await repository.manifest(tagOrDigest, signal);
      return naming(repository, reference, () => descend(context, repository, target, wanted ?? hostPlatform(), wanted !== undefined, reference, signal));
    });
  } catch (error) {
    throw translated(error, reference);
  }
}

/** Documents that make no sense are the registry's fault: it is named, with the image. */
async function naming<T>(repository: Repository, reference: Reference, task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== 'invalid_argument' || faultOf(error) !== undefined) throw error;
    throw new EngineError('invalid_argument', `registry ${repository.endpoint.base.host} sent for ${familiarString(reference)} what is no image: ${error.message}`, { cause: error });
  }
}

async function descend(
  context: ImageContext,
  repository: Repository,
  target: FetchedDocument,
  platform: Platform,
  asked: boolean,
  reference: Reference,
  signal: AbortSignal,
): Promise<ResolvedImage> {
  const indexes: FetchedDocument[] = [];
  let document = target;
  for (let depth = 0; ; depth++) {
    const parsed = parseManifest(document.bytes, document.mediaType);
    if (parsed.kind === 'manifest') {
      const type = document.mediaType || parsed.manifest.mediaType || mediaTypes.ociManifest;
      const manifestDocument = { ...document, mediaType: type };
      const config = await readConfig(context, repository, parsed.manifest, signal);
      const own = platformOf(config.parsed);
      if (own.os !== 'linux') throw invalid(`image operating system ${JSON.stringify(own.os)} cannot be used on this platform`);
      if (asked && indexes.length === 0 && platformScore(own, platform) === 0 && own.architecture !== platform.architecture) {
        throw notFound(
          `image with reference ${familiarString(reference)} was found but its platform (${renderPlatform(own)}) does not match the specified platform (${renderPlatform(platform)})`,
        );
      }
      return { repository, target: document === target ? manifestDocument : target, indexes, manifest: parsed.manifest, manifestDocument, config };
    }
    if (depth >= 4) throw invalid('invalid index: nested too deeply');
    document = { ...document, mediaType: document.mediaType || parsed.index.mediaType || mediaTypes.ociIndex };
    if (depth === 0) target = document;
    else indexes.push(document);
    const chosen = choose(parsed.index.manifests, platform);
    if (chosen === undefined) throw notFound(`no matching manifest for ${renderPlatform(platform)} in the manifest list entries`);
    document = await fetchChild(context, repository, chosen, signal);
  }
}

function choose(manifests: readonly Descriptor[], platform: Platform): Descriptor | undefined {
  const images = manifests.filter((item) => (isManifestType(item.mediaType) || isIndexType(item.mediaType)) && !isAttestation(item));
  const named = images.filter((item) => item.platform !== undefined && item.platform.os !== 'unknown');
  const best = bestPlatform(named, (item) => item.platform as Platform, platform);
  // Without a platform it may be anything, this machine's included: its configuration will tell.
  return best ?? images.find((item) => item.platform === undefined);
}

/** A document that is here already needs no question. */
async function fetchChild(context: ImageContext, repository: Repository, { digest, size, mediaType }: Descriptor, signal: AbortSignal): Promise<FetchedDocument> {
  const known = context.store.document(digest);
  if (known !== undefined) return { ...known, mediaType, digest };
  const fetched = await repository.manifest(digest, signal);
  if (fetched.bytes.length !== size) {
    throw registryError('internal', `registry ${repository.endpoint.base.host} lies about manifest ${digest} of ${repository.path}: the index says ${size} bytes, it sent ${fetched.bytes.length}`, {});
  }
  if (fetched.mediaType !== '' && fetched.mediaType !== mediaType) {
    throw invalid(`manifest ${digest} was announced as ${JSON.stringify(mediaType)} but is ${JSON.stringify(fetched.mediaType)}`);
  }
  return { ...fetched, mediaType };
}

async function readConfig(context: ImageContext, repository: Repository, manifest: ImageManifest, signal: AbortSignal): Promise<ResolvedImage['config']> {
  const { digest, mediaType } = manifest.config;
  if (!configTypes.includes(mediaType)) throw registryError('invalid_argument', `Encountered remote ${JSON.stringify(mediaType.slice(0, 200))}(unknown) when fetching: it is an artifact, not an image`, {});
  const known = context.store.document(digest);
  const bytes = known?.bytes ?? (await repository.smallBlob(digest, signal));
  const parsed = parseConfig(bytes);
  const diffIds = parsed.rootfs.diff_ids;
  if (diffIds.length !== manifest.layers.length) {
    throw invalid(`invalid manifest, layers length mismatch: expected ${manifest.layers.length}, got ${diffIds.length}`);
  }
  return { digest, mediaType, bytes, parsed };
}

/** Refusals in the words that people and scripts know from Docker. */
export function translated(error: unknown, reference: Reference): unknown {
  const fault = faultOf(error);
  if (fault === undefined || !(error instanceof EngineError)) return error;
  const again = (code: EngineError['code'], prefix: string): EngineError => new EngineError(code, `${prefix}: ${messageOf(error)}`, { cause: error, details: error.details });
  if (fault.code === 'DENIED' || (fault.status === 401 && fault.code === 'UNAUTHORIZED' && /requested access/.test(error.message))) {
    return again('not_found', `pull access denied for ${familiarName(reference)}, repository does not exist or may require 'docker login'`);
  }
  if (fault.code === 'MANIFEST_UNKNOWN') return again('not_found', `manifest for ${familiarString(reference)} not found`);
  if (fault.code === 'NAME_UNKNOWN') return again('not_found', `repository ${familiarName(reference)} not found`);
  if (fault.status === 404 && fault.code === '') return new EngineError('not_found', `manifest for ${familiarString(reference)} not found: manifest unknown: manifest unknown`, { cause: error });
  // 401 and 403 would tell a client that it is not let in here; Docker answers 500.
  return error.code === 'unauthorized' || error.code === 'forbidden' ? new EngineError('internal', error.message, { cause: error, details: error.details }) : error;
}
