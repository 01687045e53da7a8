import { EngineError, notFound } from '#base/errors.ts';
import type { Digest } from '#spec/digest.ts';
import type { Descriptor } from '#spec/oci-image.ts';
import { familiarString, type Reference } from '#spec/reference.ts';
import type { ImageContext } from '../context.ts';
import { parseManifest } from '../documents.ts';
import { recordName, type FoundImage, type ImageRecord } from '../image-store.ts';
import { isForeign } from '../registry/foreign.ts';
import { selectImage } from '../select.ts';
import type { Document } from '../target-store.ts';

/** A blob that a manifest needs. */
export interface PushBlob {
  digest: Digest;
  size: number;
  /** How it is called while it is pushed: the layer's diff id, as Docker, else its own. */
  shown: Digest;
  /** A file, or bytes. */
  content: { kind: 'file'; path: string } | { kind: 'bytes'; bytes: Uint8Array };
  foreign: boolean;
}

/** What has to reach the registry, in order: blobs side by side, then manifests from the leaves up. */
export interface PushPlan {
  image: ImageRecord;
  blobs: PushBlob[];
  manifests: Document[];
  /** Pushed in the place of an index that is not complete here. */
  insteadOf?: { index: Descriptor; manifest: Descriptor } | undefined;
}

/** A layer that was made here and was never compressed. */
export interface UnpackedPlan {
  image: ImageRecord;
  config: Document;
  layers: { diffId: Digest; blob: Digest; size: number; compression: 'none' | 'gzip' | 'zstd' }[];
}

/**
 * Decides what pushing a name means. An index goes with all of its parts when these are here, else the wanted (or this machine's)
 * platform goes alone; an image made here has no manifest yet.
 */
export function planPush(context: ImageContext, reference: Reference & { tag: string }, platform: string | undefined): { kind: 'ready'; plan: PushPlan } | { kind: 'unpacked'; plan: UnpackedPlan } {
  const { image, target } = find(context, reference, platform);
  const single = image.manifest === undefined ? undefined : context.store.document(image.manifest);
  if (target !== undefined && !platform) {
    const top = context.store.document(target);
    const whole = top === undefined ? undefined : gather(context, { ...top, digest: target }, 0);
    if (whole !== undefined) return { kind: 'ready', plan: { image, ...whole } };
    if (top !== undefined && image.manifest !== undefined && single !== undefined && image.manifest !== target) {
      const one = gather(context, { ...single, digest: image.manifest }, 0);
      const describe = (document: { bytes: Buffer; mediaType: string }, digest: Digest): Descriptor => ({ mediaType: document.mediaType, digest, size: document.bytes.length });
      if (one !== undefined) return { kind: 'ready', plan: { image, ...one, insteadOf: { index: describe(top, target), manifest: describe(single, image.manifest) } } };
    }
  }
  if (single !== undefined && image.manifest !== undefined) {
    const one = gather(context, { ...single, digest: image.manifest }, 0);
    if (one !== undefined) return { kind: 'ready', plan: { image, ...one } };
  }
  const config = context.store.document(image.id);
  if (config === undefined) throw new EngineError('internal', `the configuration of ${image.id} is missing from the store`);
  const layers = image.chains.map((chain) => {
    const layer = context.layers.get(chain);
    if (layer === undefined) throw new EngineError('internal', `layer ${chain} is missing from the store`);
    return { diffId: layer.diffId, blob: layer.blob, size: layer.blobSize, compression: layer.compression };
  });
  return { kind: 'unpacked', plan: { image, config: { ...config, digest: image.id }, layers } };
}

function find(context: ImageContext, reference: Reference & { tag: string }, platform: string | undefined): FoundImage {
  try {
    context.store.find(recordName(reference));
  } catch (error) {
    throw notFound(`tag does not exist: ${familiarString(reference)}`, { cause: error });
  }
  return selectImage(context, recordName(reference), platform);
}

/** The manifest with everything below it; undefined when something of it is not here. */
function gather(context: ImageContext, document: Document, depth: number): Pick<PushPlan, 'blobs' | 'manifests'> | undefined {
  const parsed = parseManifest(document.bytes, document.mediaType);
  if (parsed.kind === 'index') {
    if (depth > 4) return undefined;
    const blobs: PushBlob[] = [];
    const manifests: Document[] = [];
    for (const child of parsed.index.manifests) {
      const below = context.store.document(child.digest);
      const part = below === undefined ? undefined : gather(context, { ...below, mediaType: child.mediaType || below.mediaType, digest: child.digest }, depth + 1);
      if (part === undefined) return undefined;
      blobs.push(...part.blobs);
      manifests.push(...part.manifests);
    }
    return { blobs, manifests: [...manifests, document] };
  }
  const { manifest } = parsed;
  const config = context.store.document(manifest.config.digest);
  const diffIds = config === undefined ? [] : diffIdsOf(config.bytes);
  const blobs: PushBlob[] = [];
  for (const [index, layer] of manifest.layers.entries()) {
    const foreign = isForeign(layer.mediaType);
    if (!context.blobs.has(layer.digest) && !foreign) return undefined;
    blobs.push({ digest: layer.digest, size: layer.size, shown: diffIds[index] ?? layer.digest, content: { kind: 'file', path: context.blobs.path(layer.digest) }, foreign });
  }
  const own = { digest: manifest.config.digest, size: manifest.config.size, shown: manifest.config.digest, foreign: false };
  if (config !== undefined) blobs.push({ ...own, content: { kind: 'bytes', bytes: config.bytes } });
  else if (context.blobs.has(own.digest)) blobs.push({ ...own, content: { kind: 'file', path: context.blobs.path(own.digest) } });
  else return undefined;
  return { blobs, manifests: [document] };
}

function diffIdsOf(config: Buffer): Digest[] {
  try {
    const { rootfs } = JSON.parse(config.toString('utf8')) as { rootfs?: { diff_ids?: Digest[] } };
    return rootfs?.diff_ids ?? [];
  } catch {
    return [];
  }
}

