import { rm } from 'node:fs/promises';
import { EngineError, invalid, notFound } from '#base/errors.ts';
import { Limiter } from '#base/limiter.ts';
import { mediaTypes, type Descriptor } from '#spec/oci-image.ts';
import { familiarName, familiarString, fullName, parseReference, type Reference } from '#spec/reference.ts';
import type { JsonMessage } from '#spec/wire/image.ts';
import type { RegistryCredentials } from '#spec/wire/registry.ts';
import type { ImageContext } from '../context.ts';
import { digestOf } from '../documents.ts';
import { isDigestName } from '../image-store.ts';
import { recordImage } from '../record.ts';
import { ping, type Registries } from '../registry/registries.ts';
import type { Repository } from '../registry/repository.ts';
import { retrying } from '../registry/retry.ts';
import type { Sources } from '../registry/sources.ts';
import { readFrom, upload } from '../registry/upload.ts';
import { shortDigest } from '../pull/layers.ts';
import { Progress } from '../pull/progress.ts';
import { compressFile } from './compress.ts';
import { planPush, type PushBlob, type PushPlan, type UnpackedPlan } from './plan.ts';

export interface PushContext {
  context: ImageContext;
  registries: Registries;
  sources: Sources;
  uploads: Limiter;
}

export interface PushOptions {
  /** `repo` or `repo:tag`; without a tag every tag of the repository goes. */
  reference: string;
  platform?: string | undefined;
  credentials?: RegistryCredentials | undefined;
}

/** Pushes, telling Docker's progress; what fails after the first message comes out of the stream. Leaving early stops it. */
export async function* pushImages(shared: PushContext, options: PushOptions): AsyncGenerator<JsonMessage> {
  const given = parseReference(options.reference);
  if (given.digest !== undefined) throw invalid('cannot push a digest reference');
  const progress = new Progress();
  const gone = new AbortController();
  progress.say({ status: `The push refers to repository [${fullName(given)}]` });
  const work = pushAll(shared, given, options, progress, gone.signal).then(
    () => progress.end(),
    (error: unknown) => progress.fail(error),
  );
  try {
    yield* progress;
  } finally {
    gone.abort(new EngineError('internal', 'the push was given up'));
    await work;
  }
}

async function pushAll(shared: PushContext, given: Reference, options: PushOptions, progress: Progress, signal: AbortSignal): Promise<void> {
  const { context, registries } = shared;
  const prefix = `${fullName(given)}:`;
  const tags =
    given.tag !== undefined
      ? [given.tag]
      : context.store.names().map(({ name }) => name).filter((name) => !isDigestName(name) && name.startsWith(prefix) && !name.slice(prefix.length).includes('/')).map((name) => name.slice(prefix.length));
  if (tags.length === 0) throw notFound(`An image does not exist locally with the tag: ${familiarName(given)}`);
  const repositories = await registries.repositories(given, 'push', options.credentials);
  const plans = tags.map((tag) => ({ tag, planned: planTag(context, { ...given, tag }, options.platform) }));
  // Whoever answers first is the registry; the rest of the push stays there.
  const repository = await registries.first(repositories, async (candidate) => {
    await ping(registries, candidate, signal);
    return candidate;
  });
  for (const { tag, planned } of plans) await pushTag(shared, repository, { ...given, tag }, planned, progress, signal);
}

function planTag(context: ImageContext, reference: Reference & { tag: string }, platform: string | undefined): ReturnType<typeof planPush> {
  try {
    return planPush(context, reference, platform);
  } catch (error) {
    if (error instanceof EngineError && /^tag does not exist/.test(error.message)) {
      const any = context.store.names().some(({ name }) => name.startsWith(`${fullName(reference)}:`));
      if (!any) throw notFound(`An image does not exist locally with the tag: ${familiarName(reference)}`, { cause: error });
    }
    throw error;
  }
}

async function pushTag(shared: PushContext, repository: Repository, reference: Reference & { tag: string }, planned: ReturnType<typeof planPush>, progress: Progress, signal: AbortSignal): Promise<void> {
  const { context, registries, sources } = shared;
  await using undo = new AsyncDisposableStack();
  const { image } = planned.plan;
  using _spared = context.leases.open([...image.chains]);
  const plan = planned.kind === 'ready' ? planned.plan : await pack(shared, repository, planned.plan, progress, signal, undo);
  const blobs = [...new Map(plan.blobs.map((blob) => [blob.digest, blob])).values()].filter((blob) => !blob.foreign || registries.allowsNondistributable(reference.domain));
  using _kept = context.leases.open(blobs.map(({ digest }) => digest));
  await pushBlobs(shared, repository, reference, blobs, progress, signal);
  const top = plan.manifests.at(-1);
  if (top === undefined) throw new EngineError('internal', 'a push without a manifest');
  for (const manifest of plan.manifests) {
    const name = manifest === top ? reference.tag : manifest.digest;
    const document = { bytes: manifest.bytes, mediaType: manifest.mediaType || mediaTypes.ociManifest };
    await retrying(registries.retries, signal, () => repository.putManifest(name, document, signal));
  }
  sources.seen(reference, blobs.map(({ digest }) => digest));
  context.db.transaction(() => {
    // An image that was made here now has a manifest; its tag stands for it.
    if (planned.kind === 'unpacked') {
      recordImage(context, { names: [], target: top, manifests: [{ ...top, config: planned.plan.config }] });
      context.store.setName(`${fullName(reference)}:${reference.tag}`, image.id, top.digest);
    }
    context.store.setName(`${fullName(reference)}@${top.digest}`, image.id, plan.insteadOf === undefined ? top.digest : image.target);
  });
  const size = top.bytes.length;
  progress.say({ status: `${reference.tag}: digest: ${top.digest} size: ${size}` });
  progress.say({ progressDetail: {}, aux: { Tag: reference.tag, Digest: top.digest, Size: size } });
  if (plan.insteadOf !== undefined) {
    progress.say({ aux: { manifestPushedInsteadOfIndex: true, originalIndex: plan.insteadOf.index, selectedManifest: plan.insteadOf.manifest } });
  }
  context.emit({ type: 'image', action: 'push', id: familiarString(reference), attributes: { ...image.config.config?.Labels, name: familiarName(reference) } });
}

async function pushBlobs(shared: PushContext, repository: Repository, reference: Reference, blobs: readonly PushBlob[], progress: Progress, signal: AbortSignal): Promise<void> {
  const { registries, uploads } = shared;
  // Configurations are no layers: clients draw no line for them.
  const layers = blobs.filter(({ content }) => content.kind === 'file');
  for (const { shown } of layers) progress.say({ status: 'Preparing', progressDetail: {}, id: shortDigest(shown) });
  for (const { shown } of layers.slice(registries.uploads)) progress.say({ status: 'Waiting', progressDetail: {}, id: shortDigest(shown) });
  const failed = new AbortController();
  const all = AbortSignal.any([signal, failed.signal]);
  const settled = await Promise.allSettled(
    blobs.map((blob) =>
      uploads
        .run(all, () => pushBlob(shared, repository, reference, blob, progress, all))
        .catch((error: unknown) => {
          failed.abort(error);
          throw error;
        }),
    ),
  );
  const first = settled.find((item) => item.status === 'rejected');
  if (first !== undefined) throw failed.signal.aborted ? failed.signal.reason : first.reason;
}

async function pushBlob({ registries, sources }: PushContext, repository: Repository, reference: Reference, blob: PushBlob, progress: Progress, signal: AbortSignal): Promise<void> {
  const { digest, size, content } = blob;
  const id = shortDigest(blob.shown);
  const layer = content.kind === 'file';
  const result = await upload({
    repository, digest, size, signal,
    retries: registries.retries,
    mountFrom: layer ? sources.of(digest, reference) : [],
    read: (from) => (content.kind === 'file' ? readFrom(content.path, from) : bytesFrom(content.bytes, from)),
    onProgress: (sent) => {
      if (layer) progress.move(id, 'Pushing', sent, size);
    },
  });
  if (!layer) return;
  const status = result.kind === 'exists' ? 'Layer already exists' : result.kind === 'mounted' ? `Mounted from ${result.from}` : 'Pushed';
  progress.say({ status, progressDetail: {}, id });
}

async function* bytesFrom(bytes: Uint8Array, from: number): AsyncGenerator<Uint8Array> {
  yield bytes.subarray(from);
}

/** Compresses what was made here, and writes the manifest. Files of it go with `undo`. */
async function pack({ context, sources }: PushContext, repository: Repository, plan: UnpackedPlan, progress: Progress, signal: AbortSignal, undo: AsyncDisposableStack): Promise<PushPlan> {
  const limiter = new Limiter(2);
  const packed = await Promise.all(
    plan.layers.map(async ({ diffId, blob, size, compression }): Promise<PushBlob> => {
      if (compression !== 'none') return { digest: blob, size, shown: diffId, foreign: false, content: { kind: 'file', path: context.blobs.path(blob) } };
      const id = shortDigest(diffId);
      progress.say({ status: 'Preparing', progressDetail: {}, id });
      const file = `${context.blobs.temporary()}.gz`;
      const before = sources.packed(diffId);
      // What the registry has from an earlier push need not be made again.
      if (before !== undefined && (await repository.hasBlob(before.digest, signal))) return { ...before, shown: diffId, foreign: false, content: { kind: 'file', path: file } };
      undo.defer(() => rm(file, { force: true }));
      const result = await limiter.run(signal, () => compressFile(context.blobs.read(blob), file, signal, (read) => progress.move(id, 'Compressing', read, size)));
      sources.setPacked(diffId, result);
      return { ...result, shown: diffId, foreign: false, content: { kind: 'file', path: file } };
    }),
  );
  const zstd = plan.layers.some(({ compression }) => compression === 'zstd');
  const [manifestType, configType] = zstd ? [mediaTypes.ociManifest, mediaTypes.ociConfig] : [mediaTypes.dockerManifest, mediaTypes.dockerConfig];
  const layers: Descriptor[] = packed.map(({ digest, size }, index) => ({
    mediaType: plan.layers[index]?.compression === 'zstd' ? mediaTypes.ociLayerZstd : zstd ? mediaTypes.ociLayerGzip : mediaTypes.dockerLayerGzip,
    size,
    digest,
  }));
  const config: Descriptor = { mediaType: configType, size: plan.config.bytes.length, digest: plan.config.digest };
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: manifestType, config, layers }, null, 2));
  const blobs: PushBlob[] = [...packed, { digest: config.digest, size: config.size, shown: config.digest, foreign: false, content: { kind: 'bytes', bytes: plan.config.bytes } }];
  return { image: plan.image, blobs, manifests: [{ bytes, mediaType: manifestType, digest: digestOf(bytes) }] };
}

