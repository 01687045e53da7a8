import { EngineError, invalid } from '#base/errors.ts';
import type { Digest } from '#spec/digest.ts';
import type { ImageManifest } from '#spec/oci-image.ts';
import { nameImage, type ImageContext } from './context.ts';
import { chainIds, parseConfig, parseManifest } from './documents.ts';
import type { ImageRecord } from './image-store.ts';
import type { Document, NewMember } from './target-store.ts';

export type { Document } from './target-store.ts';

export interface RecordRequest {
  /** Complete names (`recordName`), `repo:tag` or `repo@sha256:...`; all come to stand for the target. */
  names: readonly string[];
  /** What was pulled, loaded or built, byte for byte: an index or a manifest. */
  target: Document;
  /**
   * The target itself when it is a manifest, else those of its children (at any depth) whose content is here. Their layers
   * are unpacked, or their blobs lie in the blob store; both must be leased or protected until this returns.
   */
  manifests: readonly PresentManifest[];
  /** False when the names came with the content: they are not the image's last ones, as inspect shows them. */
  given?: boolean;
}

export interface PresentManifest extends Document {
  /** Of an image. Manifests without one (attestations, artifacts, indexes) keep all their blobs as they are. */
  config?: Document | undefined;
}

export interface Recorded {
  /** What a container from these names is made of: the platform that suits this machine best. */
  image: ImageRecord;
  /** Names that another image had, with that image. */
  replaced: { name: string; image: Digest }[];
}

/**
 * Makes content visible as one image, in one transaction: all of it or nothing. Known targets are completed. Throws
 * invalid_argument when no image among the manifests is unpacked, internal when content is missing. Emits `tag` events only.
 */
export function recordImage(context: ImageContext, { names, target, manifests, given = true }: RecordRequest): Recorded {
  const members = manifests.map((manifest) => describe(context, manifest));
  return context.db.transaction(() => {
    const head = context.store.targets.record(target, members);
    const image = head === undefined ? undefined : context.store.get(head);
    if (image === undefined) throw invalid(`${target.digest} holds no image that was unpacked`);
    const replaced: Recorded['replaced'] = [];
    for (const name of names) {
      const before = nameImage(context, image, name, target.digest, given);
      if (before !== undefined) replaced.push({ name, image: before });
    }
    return { image: context.store.get(image.id) ?? image, replaced };
  });
}

function describe(context: ImageContext, { config, ...document }: PresentManifest): NewMember {
  const parsed = parseManifest(document.bytes, document.mediaType);
  const nothing = { document, config: undefined, unpackedSize: undefined, chains: [], blobs: [] };
  if (parsed.kind === 'index') return { ...nothing, kind: 'index' };
  const { manifest } = parsed;
  if (config === undefined) return { ...nothing, kind: 'other', blobs: requireBlobs(context, document.digest, [manifest.config, ...manifest.layers]) };
  const chains = chainIds(parseConfig(config.bytes).rootfs.diff_ids);
  const layers = chains.map((chain) => context.layers.get(chain));
  const unpacked = layers.every((layer) => layer !== undefined);
  return {
    document,
    kind: 'image',
    config,
    chains: unpacked ? chains : [],
    unpackedSize: unpacked ? layers.reduce((sum, layer) => sum + (layer?.size ?? 0), 0) : undefined,
    blobs: unpacked ? [] : requireBlobs(context, document.digest, manifest.layers),
  };
}

function requireBlobs(context: ImageContext, manifest: Digest, wanted: ImageManifest['layers']): { digest: Digest; size: number }[] {
  return wanted.map(({ digest, size }) => {
    if (!context.blobs.has(digest)) throw new EngineError('internal', `manifest ${manifest} cannot be recorded: its blob ${digest} is missing from the store`);
    return { digest, size };
  });
}
