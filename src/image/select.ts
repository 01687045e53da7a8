import { notFound } from '#base/errors.ts';
import type { Digest } from '#spec/digest.ts';
import type { Platform } from '#spec/oci-image.ts';
import type { ImageContext } from './context.ts';
import { parseConfig } from './documents.ts';
import type { FoundImage, ImageRecord } from './image-store.ts';
import { bestPlatform, parsePlatform, platformOf, platformScore } from './platform.ts';
import { normalPlatform, renderPlatform } from '#spec/platform.ts';
import type { Member } from './target-store.ts';

/** An image of a target that is here, unpacked or not. */
export interface PlatformImage {
  member: Member & { config: Digest };
  platform: Platform;
}

/** The images of a target that are here, with their platforms. */
export function platformsOf(context: ImageContext, target: Digest): PlatformImage[] {
  return context.store.targets.members(target).flatMap((member) => {
    const { config } = member;
    if (config === undefined) return [];
    const known = context.store.get(config)?.config ?? parseConfig(context.store.document(config)?.bytes ?? Buffer.alloc(0));
    return [{ member: { ...member, config }, platform: platformOf(known) }];
  });
}

/** An image by what a person calls it; with a platform, that one of those that the name stands for. Throws not_found in Docker's words. */
export function selectImage(context: ImageContext, given: string, platform: string | undefined): FoundImage {
  const found = context.store.find(given);
  if (platform === undefined || platform === '') return found;
  const wanted = parsePlatform(platform);
  const best = found.target === undefined ? undefined : bestPlatform(platformsOf(context, found.target), (offer) => offer.platform, wanted);
  if (best !== undefined) {
    const image = context.store.get(best.member.config);
    if (image !== undefined) return { ...found, image };
    throw notFound(`image with reference ${given} was found but its platform ${renderPlatform(best.platform)} is not unpacked`);
  }
  if (found.target === undefined || isSingle(context, found.image, found.target)) {
    const own = platformOf(found.image.config);
    if (suits(own, wanted)) return found;
    throw notFound(`image with reference ${given} was found but its platform (${renderPlatform(own)}) does not match the specified platform (${renderPlatform(wanted)})`);
  }
  throw notFound(`image with reference ${given} was found but does not provide the specified platform (${renderPlatform(wanted)})`);
}

const isSingle = (context: ImageContext, image: ImageRecord, target: Digest): boolean => image.manifest === target || platformsOf(context, target).length === 1;

/** As strict as Docker with images of one platform: a variant that only one side names does not matter. */
function suits(own: Platform, wanted: Platform): boolean {
  if (platformScore(own, wanted) > 0) return true;
  const [have, want] = [normalPlatform(own), normalPlatform(wanted)];
  return have.os === want.os && have.architecture === want.architecture && (have.variant === undefined || want.variant === undefined);
}
