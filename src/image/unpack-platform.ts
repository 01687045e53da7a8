import { EngineError } from '#base/errors.ts';
import type { Digest } from '#spec/digest.ts';
import type { ImageContext } from './context.ts';
import { chainIds, parseConfig, parseManifest } from './documents.ts';
import type { ImageRecord } from './image-store.ts';
import { bestPlatform, parsePlatform } from './platform.ts';
import { recordImage } from './record.ts';
import { platformsOf, type PlatformImage } from './select.ts';

/** Unpacks a platform that came with a target and was not needed until now. */
export async function unpackPlatform(context: ImageContext, target: Digest, { member }: PlatformImage): Promise<ImageRecord> {
  const known = context.store.get(member.config);
  if (known !== undefined) return known;
  const documents = { target: need(context, target), manifest: need(context, member.digest), config: need(context, member.config) };
  const parsed = parseManifest(documents.manifest.bytes, documents.manifest.mediaType);
  if (parsed.kind !== 'manifest') throw new EngineError('internal', `${member.digest} is not the manifest of an image`);
  const diffIds = parseConfig(documents.config.bytes).rootfs.diff_ids;
  using _lease = context.leases.open([...chainIds(diffIds), ...parsed.manifest.layers.map(({ digest }) => digest)]);
  await context.layers.ensure(
    diffIds,
    parsed.manifest.layers.map(({ digest, size }) => ({ kind: 'file' as const, path: context.blobs.path(digest), digest, size })),
  );
  recordImage(context, { names: [], target: documents.target, manifests: [{ ...documents.manifest, config: documents.config }] });
  return context.store.get(member.config) as ImageRecord;
}

/** Makes sure that `lookup` of this name and platform finds an unpacked image, where its content is here. Says nothing otherwise. */
export async function preparePlatform(context: ImageContext, given: string, platform: string | undefined): Promise<void> {
  if (platform === undefined || platform === '') return;
  let target: Digest | undefined;
  try {
    ({ target } = context.store.find(given));
  } catch {
    return;
  }
  const match = target === undefined ? undefined : bestPlatform(platformsOf(context, target), (offer) => offer.platform, parsePlatform(platform));
  if (target !== undefined && match !== undefined && !match.member.unpacked) await unpackPlatform(context, target, match);
}

function need(context: ImageContext, digest: Digest): { bytes: Buffer; mediaType: string; digest: Digest } {
  const document = context.store.document(digest);
  if (document === undefined) throw new EngineError('internal', `document ${digest} is missing from the store`);
  return { ...document, digest };
}
