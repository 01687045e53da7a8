import { EngineError, codeOf, invalid, messageOf, wrap } from '#base/errors.ts';
import type { Digest } from '#spec/digest.ts';
import { digestHex } from '#spec/digest.ts';
import type { Descriptor } from '#spec/oci-image.ts';
import type { ImageContext } from '../context.ts';
import { chainIds } from '../documents.ts';
import type { Layer, PendingLayer } from '../layer-store.ts';
import { foreignSource, isLayerType } from '../registry/foreign.ts';
import type { Registries } from '../registry/registries.ts';
import type { Repository } from '../registry/repository.ts';
import type { Flight, Want } from './flights.ts';
import type { Progress } from './progress.ts';

export interface LayerPull {
  context: ImageContext;
  registries: Registries;
  fly: (want: Want) => Flight;
  /** Where the manifest came from, then where else to look. */
  repositories: readonly Repository[];
  layers: readonly Descriptor[];
  diffIds: readonly Digest[];
  progress: Progress;
  signal: AbortSignal;
  /** True when the next download would have to wait. */
  busy: () => boolean;
}

/** A layer may inflate to this many times its size, beyond a first gibibyte: more is no image but a bomb. */
const RATIO = 100;
const ALWAYS = 2 ** 30;

/**
 * Brings all layers of a stack into the store. They download side by side, unpack while they download and side by side too,
 * and take their places from the lowest up. When one fails the others stop; what was placed stays until it is collected.
 */
export async function pullLayers(pull: LayerPull): Promise<{ downloaded: boolean }> {
  const { context, layers, diffIds, progress } = pull;
  const chains = chainIds(diffIds);
  const missing = chains.map((chain) => !context.layers.isWhole(chain));
  for (const [index, { digest, mediaType }] of layers.entries()) {
    if (!isLayerType(mediaType)) throw invalid(`layer ${digest} has the unsupported media type ${JSON.stringify(mediaType.slice(0, 200))}`);
    progress.say({ status: missing[index] === true ? 'Pulling fs layer' : 'Already exists', progressDetail: {}, id: shortDigest(digest) });
  }
  const failed = new AbortController();
  const signal = AbortSignal.any([pull.signal, failed.signal]);
  const placed: Promise<unknown>[] = [];
  for (const [index, wanted] of missing.entries()) {
    if (!wanted) continue;
    const before = placed.at(-1) ?? Promise.resolve();
    placed.push(
      pullLayer({ ...pull, signal }, index, chains, before).catch((error: unknown) => {
        failed.abort(error);
        throw error;
      }),
    );
  }
  const settled = await Promise.allSettled(placed);
  const first = settled.find((item) => item.status === 'rejected');
  if (first !== undefined) throw failed.signal.aborted ? failed.signal.reason : first.reason;
  return { downloaded: placed.length > 0 };
}

async function pullLayer(pull: LayerPull, index: number, chains: readonly Digest[], before: Promise<unknown>): Promise<Layer> {
  const { context, progress, signal } = pull;
  const blob = pull.layers[index] as Descriptor;
  const id = shortDigest(blob.digest);
  const diffId = pull.diffIds[index] as Digest;
  // What an earlier try left may have been the lie: once more, from the start.
  const pending = await unpack(pull, blob, diffId).catch((error: unknown) => (error instanceof ResumedWrongly ? unpack(pull, blob, diffId) : Promise.reject(error)));
  try {
    // A lower one that failed has told why.
    await before;
    signal.throwIfAborted();
  } catch (error) {
    await context.layers.discard(pending);
    throw error;
  }
  const layer = await context.layers.place(pending, chains.slice(0, index));
  progress.say({ status: 'Pull complete', progressDetail: {}, id });
  return layer;
}

/** The bytes were wrong, and an earlier try had a part in them. */
class ResumedWrongly extends EngineError {}

async function unpack(pull: LayerPull, blob: Descriptor, diffId: Digest): Promise<PendingLayer> {
  const { context, fly, repositories, progress, signal } = pull;
  const id = shortDigest(blob.digest);
  if (pull.busy()) progress.say({ status: 'Waiting', progressDetail: {}, id });
  let position = 0;
  let complete = false;
  const show = (current: number): void => {
    if (!complete) progress.move(id, 'Downloading', current, blob.size);
  };
  if (context.blobs.has(blob.digest)) {
    const path = context.blobs.path(blob.digest);
    return checked(await context.layers.unpack({ kind: 'file', path, digest: blob.digest, size: blob.size }), context, blob, diffId);
  }
  const flight = fly({
    blob,
    sources: repositories.map((repository) => ({ repository, open: foreignSource(pull.registries, repository, blob) })),
    onProgress: show,
    onWaiting: (seconds) => progress.say({ status: `Retrying in ${seconds} seconds`, progressDetail: {}, id }),
  });
  try {
    signal.throwIfAborted();
    const growth = listen(flight.growth(), signal, blob.size, () => {
      complete = true;
      progress.say({ status: 'Verifying Checksum', progressDetail: {}, id });
      progress.say({ status: 'Download complete', progressDetail: {}, id });
      if (position < blob.size) progress.move(id, 'Extracting', position, blob.size);
    });
    // Not before there is something to unpack: a download that waits holds no thread.
    const first = await growth.next();
    const pending = await context.layers.unpack({
      kind: 'growing',
      path: flight.path,
      growth: resumed(growth, first),
      inflated: Math.max(ALWAYS, blob.size * RATIO),
      onPosition: (value) => {
        position = value;
        if (complete) progress.move(id, 'Extracting', value, blob.size);
      },
    });
    if (pending.unpacked.digest !== blob.digest) {
      flight.spoil();
      await context.layers.discard({ ...pending, blobFile: `${pending.folder}.blob` });
      throw new EngineError(
        'internal',
        `filesystem layer verification failed for digest ${blob.digest}: registry ${flightHost(pull)} sent bytes with the digest ${pending.unpacked.digest}`,
      );
    }
    const own = { ...pending, blobFile: `${pending.folder}.blob` };
    await flight.link(own.blobFile);
    const result = await checked(own, context, blob, diffId);
    flight.placed();
    return result;
  } catch (error) {
    if (codeOf(error) === 'invalid_argument') flight.spoil();
    const told = codeOf(error) === 'invalid_argument' ? wrap(error, `failed to register layer ${blob.digest} from registry ${flightHost(pull)}`) : error;
    if (flight.spoiled() && flight.resumed()) throw new ResumedWrongly(codeOf(told), messageOf(told), { cause: told });
    if (/no space left/.test(messageOf(error))) flight.spoil();
    throw told;
  } finally {
    await flight.leave();
  }
}

const flightHost = ({ repositories }: LayerPull): string => repositories[0]?.endpoint.base.host ?? '';

async function checked(pending: PendingLayer, context: ImageContext, blob: Descriptor, diffId: Digest): Promise<PendingLayer> {
  const { inflatedDigest } = pending.unpacked;
  if (inflatedDigest === diffId) return pending;
  await context.layers.discard(pending);
  throw invalid(`layer ${blob.digest} unpacks to ${inflatedDigest}, but the image says ${diffId}`);
}

/** Passes growth on until the whole blob is there, or the pull is given up. */
async function* listen(growth: AsyncIterable<number>, signal: AbortSignal, size: number, onComplete: () => void): AsyncGenerator<number> {
  const iterator = growth[Symbol.asyncIterator]();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  aborted.catch(() => {});
  const stop = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', stop, { once: true });
  try {
    for (;;) {
      signal.throwIfAborted();
      const next = await Promise.race([iterator.next(), aborted]);
      if (next.done === true) break;
      if (next.value >= size) onComplete();
      yield next.value;
    }
    if (size === 0) onComplete();
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function* resumed(rest: AsyncGenerator<number>, first: IteratorResult<number>): AsyncGenerator<number> {
  if (first.done !== true) yield first.value;
  yield* rest;
}

export const shortDigest = (digest: Digest): string => digestHex(digest).slice(0, 12);
