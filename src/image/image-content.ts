/** All the bytes that an image consists of, for those who give it away: archives and registries. */
import { notFound } from '#base/errors.ts';
import type { Digest } from '#spec/digest.ts';
import { mediaTypes, type Descriptor, type ImageManifest } from '#spec/oci-image.ts';
import type { ImageContext } from './context.ts';
import { digestOf, parseManifest } from './documents.ts';
import type { ImageRecord } from './image-store.ts';
import type { Layer } from './layer-store.ts';
import { renderPlatform } from '#spec/platform.ts';
import { bestPlatform, parsePlatform, platformOf } from './platform.ts';
import { platformsOf, selectImage } from './select.ts';

export interface BlobContent {
  size: number;
  /** Each call reads from the start. */
  read(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

export interface ImageContent {
  /** What an index.json or a tag points at. */
  descriptor: Descriptor;
  /** Everything below and including it that is here. */
  blobs: Map<Digest, BlobContent>;
  /** Layers to protect meanwhile. */
  chains: Digest[];
  /** The one platform that formats without indexes show. */
  shown: { config: Digest; layers: Digest[] };
}

/**
 * What a name stands for, byte for byte where its content is here; otherwise (made here, or a layer came with other bytes
 * in another image) a new manifest over the layers as they are. With platforms: only those, throws not_found for one that
 * is not here; a single one stands for itself, without the index.
 */
export function contentOf(context: ImageContext, { given, image, target }: { given: string; image: ImageRecord; target: Digest | undefined }, platforms: readonly string[]): ImageContent {
  const index = target === undefined ? undefined : indexOf(context, target);
  if (index === undefined) {
    for (const platform of platforms) selectImage(context, given, platform);
    return target !== undefined ? (manifestContent(context, target) ?? newContent(context, image)) : newContent(context, image);
  }
  const offers = platformsOf(context, index.digest);
  if (platforms.length === 0) return indexContent(context, index, image, undefined) ?? newContent(context, image);
  const chosen = platforms.map((text) => {
    const best = bestPlatform(offers, (offer) => offer.platform, parsePlatform(text));
    if (best === undefined) throw notFound(`image with reference ${given} was found but does not provide the specified platform (${renderPlatform(parsePlatform(text))})`);
    return best.member;
  });
  const [first] = chosen;
  if (first !== undefined && chosen.every(({ digest }) => digest === first.digest)) {
    const record = context.store.get(first.config);
    const content = manifestContent(context, first.digest) ?? (record && newContent(context, record));
    if (content !== undefined) return content;
  }
  const content = indexContent(context, index, image, new Set(chosen.map(({ digest }) => digest)));
  if (content === undefined) throw notFound(`image with reference ${given} was found but the content of its platforms is not complete`);
  return content;
}

function indexOf(context: ImageContext, target: Digest): Descriptor | undefined {
  const document = context.store.document(target);
  if (document === undefined || parseManifest(document.bytes, document.mediaType).kind !== 'index') return undefined;
  return { mediaType: document.mediaType, digest: target, size: document.bytes.length };
}

/** Undefined when the shown platform's content is not here byte for byte. */
function indexContent(context: ImageContext, index: Descriptor, image: ImageRecord, only: ReadonlySet<Digest> | undefined): ImageContent | undefined {
  const content: ImageContent = { descriptor: index, blobs: new Map([[index.digest, documentBlob(context, index.digest)]]), chains: [], shown: { config: image.id, layers: [] } };
  let complete = false;
  for (const { digest, kind, config } of context.store.targets.members(index.digest)) {
    if (kind === 'index') {
      content.blobs.set(digest, documentBlob(context, digest));
      continue;
    }
    if (only !== undefined && !only.has(digest)) continue;
    const part = manifestContent(context, digest);
    if (part === undefined) {
      if (only !== undefined) return undefined;
      continue;
    }
    for (const [name, blob] of part.blobs) content.blobs.set(name, blob);
    content.chains.push(...part.chains);
    if (config === image.id || (only !== undefined && !complete)) {
      content.shown = part.shown;
      complete = true;
    }
  }
  return complete ? content : undefined;
}

/** A manifest with its blobs; undefined when some of them are not here. */
function manifestContent(context: ImageContext, digest: Digest): ImageContent | undefined {
  const document = context.store.document(digest);
  const parsed = document && parseManifest(document.bytes, document.mediaType);
  if (document === undefined || parsed?.kind !== 'manifest') return undefined;
  const { manifest } = parsed;
  const chains = context.store.get(manifest.config.digest)?.chains ?? [];
  const blobs = new Map<Digest, BlobContent>([[digest, inMemory(document.bytes)]]);
  const config = context.store.document(manifest.config.digest);
  if (config !== undefined) blobs.set(manifest.config.digest, inMemory(config.bytes));
  else if (!addBlob(context, blobs, manifest.config.digest, undefined)) return undefined;
  for (const [position, { digest: blob }] of manifest.layers.entries()) {
    const chain = chains[position];
    const layer = chain === undefined ? undefined : context.layers.get(chain);
    if (!addBlob(context, blobs, blob, layer)) return undefined;
  }
  return {
    descriptor: { mediaType: document.mediaType || mediaTypes.ociManifest, digest, size: document.bytes.length },
    blobs,
    chains: [...chains],
    shown: { config: manifest.config.digest, layers: manifest.layers.map((layer) => layer.digest) },
  };
}

function addBlob(context: ImageContext, blobs: Map<Digest, BlobContent>, digest: Digest, layer: Layer | undefined): boolean {
  if (layer?.blob === digest) blobs.set(digest, layerBlob(context, layer));
  else if (context.blobs.has(digest)) blobs.set(digest, { size: context.blobs.size(digest), read: () => context.blobs.read(digest) });
  else return false;
  return true;
}

const layerTypes: Readonly<Record<Layer['compression'], string>> = {
  none: mediaTypes.ociLayer,
  gzip: mediaTypes.ociLayerGzip,
  zstd: mediaTypes.ociLayerZstd,
};

/** An OCI manifest over the layers as they are; the same image always gives the same one. */
function newContent(context: ImageContext, image: ImageRecord): ImageContent {
  const own = image.manifest === undefined ? undefined : manifestContent(context, image.manifest);
  if (own !== undefined) return own;
  const layers = image.chains.map((chain) => requireLayer(context, chain));
  const config = context.store.document(image.id);
  if (config === undefined) throw notFound(`document ${image.id} is missing from the store`);
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.ociManifest,
    config: { mediaType: mediaTypes.ociConfig, digest: image.id, size: config.bytes.length },
    layers: layers.map((layer) => ({ mediaType: layerTypes[layer.compression], digest: layer.blob, size: layer.blobSize })),
  };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const digest = digestOf(bytes);
  return {
    descriptor: { mediaType: mediaTypes.ociManifest, digest, size: bytes.length, platform: platformOf(image.config) },
    blobs: new Map<Digest, BlobContent>([[digest, inMemory(bytes)], [image.id, inMemory(config.bytes)], ...layers.map((layer) => [layer.blob, layerBlob(context, layer)] as const)]),
    chains: [...image.chains],
    shown: { config: image.id, layers: layers.map((layer) => layer.blob) },
  };
}

const inMemory = (bytes: Buffer): BlobContent => ({ size: bytes.length, read: () => [bytes] });

const layerBlob = (context: ImageContext, layer: Layer): BlobContent => ({ size: layer.blobSize, read: () => context.layers.blob(layer) });

function documentBlob(context: ImageContext, digest: Digest): BlobContent {
  const document = context.store.document(digest);
  if (document === undefined) throw notFound(`document ${digest} is missing from the store`);
  return inMemory(document.bytes);
}

function requireLayer(context: ImageContext, chain: Digest): Layer {
  const layer = context.layers.get(chain);
  if (layer === undefined) throw notFound(`layer ${chain} is missing from the store`);
  return layer;
}
