import { EngineError } from '#base/errors.ts';
import { rfc3339Nano } from '#base/clock.ts';
import type { Digest } from '#spec/digest.ts';
import type { ImageConfigFile } from '#spec/oci-image.ts';
import { familiar, type ImageRecord } from '#image/image-store.ts';
import type { Images } from '#image/images.ts';
import { renderPlatform } from '#image/platform.ts';
import type { PresentManifest } from '#image/record.ts';
import type { NativeOutputLike } from '#spec/wire/native-build.ts';
import { PROVENANCE, provenance } from '../attest/provenance.ts';
import { spdxDocument } from '../attest/spdx.ts';
import type { Builder, Built, BuiltPlatform } from '../builder.ts';
import { parseAnnotations } from './annotations.ts';
import { finishConfig, rewrittenStack, stackImage, storeImage, type StackedImage } from './image.ts';
import { attestationManifest, imageManifest, indexOf, type Statement } from './manifests.ts';

export interface ImageSetRequest {
  ref: string;
  annotations: readonly string[];
  attestations: readonly NativeOutputLike[];
  /** Times of files are cut to SOURCE_DATE_EPOCH. */
  rewriteTimestamps: boolean;
  dockerfile: string;
  target: string;
  buildArgs: Readonly<Record<string, string>>;
  labels: Readonly<Record<string, string>>;
  startedAt: number;
  noCache: boolean;
}

/** A build's images in the store: one, or an index of several with what is said about them. */
export interface ImageSet {
  image: ImageRecord;
  /** Of the index or manifest; undefined for a plain image, which has none yet. */
  target: PresentManifest | undefined;
}

/** Puts the images of a build into the store, without names. */
export async function storeImages(builder: Builder, images: Images, built: Built, names: readonly string[], request: ImageSetRequest, signal: AbortSignal): Promise<ImageSet> {
  const { context } = images;
  const annotations = parseAnnotations(request.annotations);
  const plain = built.platforms.length === 1 && request.attestations.length === 0 && request.annotations.length === 0;
  using lease = context.leases.open();
  const parts: { platform: BuiltPlatform['result']['platform']; manifest: PresentManifest; attestation: PresentManifest | undefined }[] = [];
  for (const { result, tree } of built.platforms) {
    signal.throwIfAborted();
    const stacked = await stack(builder, images, built, { result, tree }, request);
    lease.add(...stacked.chains);
    const config = configOf(builder, built, { result, tree }, stacked, request.noCache);
    if (plain) return { image: storeImage(stacked, config, { images: context }), target: undefined };
    const manifest = await imageManifest(context, stacked.chains, config, { annotations: annotations.manifest, lease, signal });
    const statements = await statementsOf(builder, built, { result, tree }, request, config);
    const subject = { name: subjectName(names, result.platform), digest: manifest.digest };
    const attestation = statements.length === 0 ? undefined : await attestationManifest(context, subject, statements, lease);
    parts.push({ platform: result.platform, manifest, attestation });
  }
  const [first] = parts;
  if (first === undefined) throw new EngineError('internal', 'the build gave nothing');
  const single = parts.length === 1 && first.attestation === undefined && Object.keys(annotations.index).length === 0;
  const target = single ? first.manifest : indexOf(parts, annotations.index);
  const manifests = parts.flatMap(({ manifest, attestation }) => (attestation === undefined ? [manifest] : [manifest, attestation]));
  return { image: images.record({ names, target, manifests }).image, target };
}

async function stack(builder: Builder, images: Images, built: Built, { tree }: BuiltPlatform, request: ImageSetRequest): Promise<StackedImage> {
  const parts = { layers: builder.layers, images: images.context };
  const { epoch } = built.frontend;
  return request.rewriteTimestamps && epoch !== undefined ? rewrittenStack(tree, parts, builder.options.jail, epoch) : stackImage(tree, parts);
}

function configOf(builder: Builder, built: Built, { result, tree }: BuiltPlatform, stacked: StackedImage, fresh: boolean): ImageConfigFile {
  const times = tree.map((ref) => builder.layers.madeAt(ref));
  return finishConfig(result.config, stacked.diffIds, times, { epoch: built.frontend.epoch, made: (key) => builder.madeFirst(key, fresh) });
}

async function statementsOf(builder: Builder, built: Built, { result, tree }: BuiltPlatform, request: ImageSetRequest, config: ImageConfigFile): Promise<Statement[]> {
  const statements: Statement[] = [];
  const now = builder.options.clock.now();
  const time = (milliseconds: number): string => rfc3339Nano(BigInt(Math.round(built.frontend.epoch === undefined ? milliseconds : built.frontend.epoch * 1000)) * 1_000_000n);
  for (const { type, attributes } of request.attestations) {
    if (type === 'sbom') {
      const packages = await builder.options.jail.run<'packages'>({ kind: 'packages', tree: builder.layers.folders(tree), points: builder.points });
      statements.push({ predicateType: 'https://spdx.dev/Document', predicate: spdxDocument('sbom', packages, config.created ?? time(now)) });
    } else {
      const predicate = provenance({
        mode: attributes['mode'] === 'max' ? 'max' : 'min', ref: request.ref, platform: result.platform, dockerfile: request.dockerfile, target: request.target, buildArgs: request.buildArgs,
        labels: request.labels, materials: built.materials, startedOn: time(request.startedAt), finishedOn: time(now), graph: built.frontend.graph,
      });
      statements.push({ predicateType: PROVENANCE, predicate });
    }
  }
  return statements;
}

function subjectName(names: readonly string[], platform: BuiltPlatform['result']['platform']): string {
  const [name = 'result'] = names;
  const text = names.length === 0 ? name : familiar(name);
  const cut = text.lastIndexOf(':');
  return `pkg:docker/${cut > text.lastIndexOf('/') ? `${text.slice(0, cut)}@${text.slice(cut + 1)}` : text}?platform=${encodeURIComponent(renderPlatform(platform))}`;
}

export const digestOfSet = ({ image, target }: ImageSet): Digest => target?.digest ?? image.id;
