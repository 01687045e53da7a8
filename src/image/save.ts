import { invalid, notFound } from '#base/errors.ts';
import { digestHex, type Digest } from '#spec/digest.ts';
import { mediaTypes, type Descriptor } from '#spec/oci-image.ts';
import { fullName, parseReference } from '#spec/reference.ts';
import { fromText } from '#spec/tar/header.ts';
import { TAR_END, tarHeader, tarPadding } from '#spec/tar/writer.ts';
import { emitImage, type ImageContext } from './context.ts';
import { digestOf } from './documents.ts';
import { familiar, isDigestName, type ImageRecord } from './image-store.ts';
import type { Layer } from './layer-store.ts';
import { parsePlatform } from './import.ts';

interface Saved {
  image: ImageRecord;
  /** Recorded names to write. */
  names: Set<string>;
}

type Content = { size: number; chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array> };

const layerTypes: Readonly<Record<Layer['compression'], string>> = {
  none: mediaTypes.ociLayer,
  gzip: mediaTypes.ociLayerGzip,
  zstd: mediaTypes.ociLayerZstd,
};

/**
 * One tar that is a docker-archive and an OCI layout at once, as Docker 25 and newer write. Layers go out as the bytes
 * they came as, so that digests stay. Names are resolved before the first byte; later failures break the stream.
 */
export function saveImages(context: ImageContext, given: readonly string[], platforms: readonly string[], signal: AbortSignal): AsyncIterable<Uint8Array> {
  if (given.length === 0) throw invalid('no image name was given');
  const saved = new Map<Digest, Saved>();
  for (const name of given) select(context, name, saved);
  for (const { image } of saved.values()) checkPlatform(image, platforms);
  return write(context, [...saved.values()], signal);
}

/** A repository without a tag stands for all of its tags. */
function select(context: ImageContext, name: string, saved: Map<Digest, Saved>): void {
  const add = (image: ImageRecord): Set<string> => {
    const entry = saved.get(image.id) ?? { image, names: new Set() };
    saved.set(image.id, entry);
    return entry.names;
  };
  if (!/^(?:sha256:)?[0-9a-f]{64}$/.test(name)) {
    const reference = parseReference(name);
    if (reference.tag === undefined && reference.digest === undefined) {
      const repository = fullName(reference);
      const all = context.store.names().filter((entry) => !isDigestName(entry.name) && entry.name.slice(0, entry.name.lastIndexOf(':')) === repository);
      for (const entry of all) {
        const image = context.store.get(entry.image);
        if (image !== undefined) add(image).add(entry.name);
      }
      if (all.length > 0) return;
    }
  }
  let found;
  try {
    found = context.store.find(name);
  } catch (error) {
    throw notFound(`No such image: ${name}`, { cause: error });
  }
  const names = add(found.image);
  if (found.reference?.tag !== undefined && found.reference.digest === undefined) names.add(`${fullName(found.reference)}:${found.reference.tag}`);
}

function checkPlatform(image: ImageRecord, platforms: readonly string[]): void {
  const { os, architecture } = image.config;
  const matches = (text: string): boolean => {
    const wanted = parsePlatform(text);
    return wanted.os === os && wanted.architecture === architecture;
  };
  if (platforms.length > 0 && !platforms.some(matches)) {
    throw notFound(`image ${image.id} is for ${os}/${architecture}, not for ${platforms.join(', ')}`);
  }
}

async function* write(context: ImageContext, saved: readonly Saved[], signal: AbortSignal): AsyncGenerator<Uint8Array> {
  using _spared = context.layers.protect(saved.flatMap(({ image }) => [...image.chains]));
  const blobs = new Map<Digest, Content>();
  const descriptors: Descriptor[] = [];
  const table: unknown[] = [];
  for (const { image, names } of saved) {
    const layers = image.chains.map((chain) => requireLayer(context, chain));
    for (const layer of layers) blobs.set(layer.blob, { size: layer.blobSize, chunks: context.blobs.read(layer.blob) });
    const config = requireDocument(context, image.id);
    blobs.set(image.id, inMemory(config));
    const manifest = manifestOf(context, image, config, layers);
    blobs.set(digestOf(manifest.bytes), inMemory(manifest.bytes));
    const descriptor = { mediaType: manifest.mediaType, digest: digestOf(manifest.bytes), size: manifest.bytes.length };
    const sorted = [...names].sort();
    if (sorted.length === 0) descriptors.push(descriptor);
    for (const name of sorted) {
      const annotations = { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name.slice(name.lastIndexOf(':') + 1) };
      descriptors.push({ ...descriptor, annotations });
    }
    table.push({
      Config: blobName(image.id),
      RepoTags: sorted.length > 0 ? sorted.map(familiar) : null,
      Layers: layers.map((layer) => blobName(layer.blob)),
    });
  }
  yield folder('blobs/');
  yield folder('blobs/sha256/');
  for (const digest of [...blobs.keys()].sort()) {
    const content = blobs.get(digest);
    if (content !== undefined) yield* file(blobName(digest), content, signal);
  }
  yield* file('index.json', inMemory(json({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: descriptors })), signal);
  yield* file('manifest.json', inMemory(json(table)), signal);
  yield* file('oci-layout', inMemory(json({ imageLayoutVersion: '1.0.0' })), signal);
  yield TAR_END;
  for (const { image } of saved) emitImage(context, 'save', image);
}

const blobName = (digest: Digest): string => `blobs/sha256/${digestHex(digest)}`;
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const inMemory = (bytes: Buffer): Content => ({ size: bytes.length, chunks: [bytes] });
const folder = (name: string): Buffer => tarHeader({ name, type: 'dir', mode: 0o755 });

async function* file(name: string, content: Content, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  yield tarHeader({ name: fromText(name), type: 'file', mode: 0o644, size: content.size });
  let written = 0;
  for await (const chunk of content.chunks) {
    signal.throwIfAborted();
    written += chunk.length;
    yield chunk;
  }
  if (written !== content.size) throw new Error(`${name} has ${written} bytes, expected ${content.size}`);
  if (content.size % 512 !== 0) yield tarPadding(content.size);
}

/** The manifest the image came with, when it speaks of the blobs that are here; else a new one. */
function manifestOf(context: ImageContext, image: ImageRecord, config: Buffer, layers: readonly Layer[]): { bytes: Buffer; mediaType: string } {
  const own = image.manifest === undefined ? undefined : context.store.document(image.manifest);
  if (own !== undefined && layers.every((layer) => own.bytes.includes(layer.blob))) return own;
  const mediaType = mediaTypes.ociManifest;
  return {
    mediaType,
    bytes: json({
      schemaVersion: 2,
      mediaType,
      config: { mediaType: mediaTypes.ociConfig, digest: image.id, size: config.length },
      layers: layers.map((layer) => ({ mediaType: layerTypes[layer.compression], digest: layer.blob, size: layer.blobSize })),
    }),
  };
}

function requireLayer(context: ImageContext, chain: Digest): Layer {
  const layer = context.layers.get(chain);
  if (layer === undefined) throw notFound(`layer ${chain} is missing from the store`);
  return layer;
}

function requireDocument(context: ImageContext, digest: Digest): Buffer {
  const document = context.store.document(digest);
  if (document === undefined) throw notFound(`document ${digest} is missing from the store`);
  return document.bytes;
}
