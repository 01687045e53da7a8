import type { Digest } from '#spec/digest.ts';
import { mediaTypes, type Descriptor } from '#spec/oci-image.ts';
import type { ImageManifestSummary, OCIDescriptor } from '#spec/wire/image.ts';
import type { ImageContext } from './context.ts';
import { isIndexType, parseConfig, parseManifest } from './documents.ts';
import type { ImageRecord } from './image-store.ts';
import { platformOf } from './platform.ts';

/** What the image stands for, when it came with a manifest or an index. */
export function descriptorOf(context: ImageContext, image: ImageRecord, target = image.target ?? image.manifest): { Descriptor?: OCIDescriptor } {
  const document = target === undefined ? undefined : context.store.document(target);
  return document === undefined || target === undefined
    ? {}
    : { Descriptor: { mediaType: document.mediaType || mediaTypes.ociManifest, digest: target, size: document.bytes.length } };
}

/** The parts of a target as API 1.47 shows them: those of an index in its order, whether their content is here or not. */
export function manifestsOf(context: ImageContext, target: Digest): ImageManifestSummary[] {
  const document = context.store.document(target);
  if (document === undefined) return [];
  const parsed = parseManifest(document.bytes, document.mediaType);
  if (parsed.kind === 'manifest') return [summary(context, { mediaType: document.mediaType, digest: target, size: document.bytes.length })];
  return flatten(context, parsed.index.manifests, 0).map((descriptor) => summary(context, descriptor));
}

/** An index in an index stands for its own parts, where it is here. */
function flatten(context: ImageContext, descriptors: readonly Descriptor[], depth: number): Descriptor[] {
  return descriptors.flatMap((descriptor) => {
    const document = depth < 4 && isIndexType(descriptor.mediaType) ? context.store.document(descriptor.digest) : undefined;
    const inner = document && parseManifest(document.bytes, document.mediaType);
    return inner?.kind === 'index' ? flatten(context, inner.index.manifests, depth + 1) : [descriptor];
  });
}

const ATTESTS = 'vnd.docker.reference.digest';

/** BuildKit marks what only speaks about another manifest. */
export const isAttestation = ({ annotations }: Descriptor): boolean => annotations?.['vnd.docker.reference.type'] === 'attestation-manifest';

function summary(context: ImageContext, descriptor: Descriptor): ImageManifestSummary {
  const { digest } = descriptor;
  const document = context.store.document(digest);
  const parsed = document && parseManifest(document.bytes, document.mediaType);
  const manifest = parsed?.kind === 'manifest' ? parsed.manifest : undefined;
  const kept = manifest === undefined ? [] : [manifest.config, ...manifest.layers].filter((part) => context.blobs.has(part.digest) || context.store.document(part.digest) !== undefined);
  const content = (document?.bytes.length ?? 0) + kept.reduce((sum, { size }) => sum + size, 0);
  const available = manifest !== undefined && kept.length === manifest.layers.length + 1;
  const config = manifest === undefined || isAttestation(descriptor) ? undefined : context.store.document(manifest.config.digest);
  const image = manifest === undefined ? undefined : context.store.get(manifest.config.digest);
  const platform = config === undefined ? descriptor.platform : platformOf(parseConfig(config.bytes));
  const kind = isAttestation(descriptor) ? 'attestation' : platform !== undefined && platform.os !== 'unknown' ? 'image' : 'unknown';
  const unpacked = image?.size ?? 0;
  return {
    ID: digest,
    Descriptor: { ...descriptor },
    Available: available || image !== undefined,
    Size: { Total: content + unpacked, Content: content },
    Kind: kind,
    ...(kind === 'image' && platform !== undefined
      ? { ImageData: { Platform: { ...platform }, Containers: context.usage().filter((user) => user.image === image?.id).map(({ id }) => id), Size: { Unpacked: unpacked } } }
      : {}),
    ...(kind === 'attestation' ? { AttestationData: { For: descriptor.annotations?.[ATTESTS] ?? '' } } : {}),
  };
}
