import { invalid, notFound } from '#base/errors.ts';
import type { Digest } from '#spec/digest.ts';
import { mediaTypes, type Descriptor } from '#spec/oci-image.ts';
import { fullName, parseReference } from '#spec/reference.ts';
import { fromText } from '#spec/tar/header.ts';
import { TAR_END, tarHeader, tarPadding } from '#spec/tar/writer.ts';
import { blobName } from './archive-files.ts';
import { emitImage, type ImageContext } from './context.ts';
import { contentOf, type BlobContent, type ImageContent } from './image-content.ts';
import { familiar, isDigestName, type ImageRecord } from './image-store.ts';

interface Saved {
  given: string;
  image: ImageRecord;
  target: Digest | undefined;
  /** Recorded names to write. */
  names: Set<string>;
}

/**
 * One tar that is a docker-archive and an OCI layout at once, as Docker 25 and newer write. Layers go out as the bytes
 * they came as and indexes as they are, so that digests stay; what is not here of an index is left out. Names are resolved
 * before the first byte; later failures break the stream.
 */
export function saveImages(context: ImageContext, given: readonly string[], platforms: readonly string[], signal: AbortSignal): AsyncIterable<Uint8Array> {
  if (given.length === 0) throw invalid('no image name was given');
  const saved = new Map<Digest, Saved>();
  for (const name of given) select(context, name, saved);
  const contents = [...saved.values()].map((entry) => ({ ...entry, ...contentOf(context, entry, platforms) }));
  return write(context, contents, signal);
}

/** One image under names that the store does not know. */
export function saveImageAs(context: ImageContext, id: Digest, names: readonly string[], signal: AbortSignal): AsyncIterable<Uint8Array> {
  const { image, target } = context.store.find(id);
  const entry = { given: id, image, target, names: new Set(names) };
  return write(context, [{ ...entry, ...contentOf(context, entry, []) }], signal);
}

/** A repository without a tag stands for all of its tags. */
function select(context: ImageContext, name: string, saved: Map<Digest, Saved>): void {
  const add = (image: ImageRecord, target: Digest | undefined): Set<string> => {
    const key = target ?? image.id;
    const entry = saved.get(key) ?? { given: name, image, target, names: new Set() };
    saved.set(key, entry);
    return entry.names;
  };
  if (!/^(?:sha256:)?[0-9a-f]{64}$/.test(name)) {
    const reference = parseReference(name);
    if (reference.tag === undefined && reference.digest === undefined) {
      const repository = fullName(reference);
      const all = context.store.names().filter((entry) => !isDigestName(entry.name) && entry.name.slice(0, entry.name.lastIndexOf(':')) === repository);
      for (const entry of all) {
        const image = context.store.get(entry.image);
        if (image !== undefined) add(image, entry.target).add(entry.name);
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
  const names = add(found.image, found.target);
  if (found.reference?.tag !== undefined && found.reference.digest === undefined) names.add(`${fullName(found.reference)}:${found.reference.tag}`);
}

async function* write(context: ImageContext, saved: readonly (Saved & ImageContent)[], signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const blobs = new Map<Digest, BlobContent>();
  const descriptors: Descriptor[] = [];
  const table: unknown[] = [];
  const shown = new Set(saved.map(({ image }) => image.id));
  for (const content of saved) {
    for (const [digest, blob] of content.blobs) blobs.set(digest, blob);
    const sorted = [...content.names].sort();
    if (sorted.length === 0) descriptors.push(content.descriptor);
    for (const name of sorted) {
      const annotations = { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name.slice(name.lastIndexOf(':') + 1) };
      descriptors.push({ ...content.descriptor, annotations });
    }
    table.push({
      Config: blobName(content.shown.config),
      RepoTags: sorted.length > 0 ? sorted.map(familiar) : null,
      Layers: content.shown.layers.map(blobName),
      ...parentOf(context, content.image, shown),
    });
  }
  using _spared = context.leases.open([...saved.flatMap(({ chains }) => chains), ...blobs.keys()]);
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

/** The nearest ancestor that the archive has, too. */
function parentOf(context: ImageContext, image: ImageRecord, shown: ReadonlySet<Digest>): { Parent?: Digest } {
  for (let parent = image.parent; parent !== undefined; parent = context.store.get(parent)?.parent) if (shown.has(parent)) return { Parent: parent };
  return {};
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const inMemory = (bytes: Buffer): BlobContent => ({ size: bytes.length, read: () => [bytes] });
const folder = (name: string): Buffer => tarHeader({ name, type: 'dir', mode: 0o755 });

async function* file(name: string, content: BlobContent, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  yield tarHeader({ name: fromText(name), type: 'file', mode: 0o644, size: content.size });
  let written = 0;
  for await (const chunk of content.read()) {
    signal.throwIfAborted();
    written += chunk.length;
    yield chunk;
  }
  if (written !== content.size) throw new Error(`${name} has ${written} bytes, expected ${content.size}`);
  if (content.size % 512 !== 0) yield tarPadding(content.size);
}
