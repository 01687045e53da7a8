import { EngineError, invalid } from '#base/errors.ts';
import type { Digest } from '#spec/digest.ts';
import { familiarName, familiarString, fullName, parseReference, type Reference } from '#spec/reference.ts';
import type { RegistryCredentials } from '#spec/wire/registry.ts';
import type { JsonMessage } from '#spec/wire/image.ts';
import type { ImageContext } from '../context.ts';
import { recordName, type ImageRecord } from '../image-store.ts';
import { parsePlatform } from '../platform.ts';
import { recordImage, type PresentManifest } from '../record.ts';
import type { Limiter } from '#base/limiter.ts';
import { chainIds } from '../documents.ts';
import type { Registries } from '../registry/registries.ts';
import type { Sources } from '../registry/sources.ts';
import type { Flight, Want } from './flights.ts';
import { pullLayers } from './layers.ts';
import { Progress } from './progress.ts';
import { resolveImage, translated, type ResolvedImage } from './resolve.ts';

/** What pulls share. */
export interface PullContext {
  context: ImageContext;
  registries: Registries;
  sources: Sources;
  fly: (want: Want) => Flight;
  downloads: Limiter;
}

export interface PullOptions {
  /** `repo`, `repo:tag` or `repo@sha256:...`; without either, `all` decides between `latest` and every tag. */
  reference: string;
  platform?: string | undefined;
  all?: boolean | undefined;
  credentials?: RegistryCredentials | undefined;
}

/**
 * Pulls and records, telling Docker's progress. The first message comes when the registry has answered: what fails before
 * is thrown as a refusal. Leaving the stream early stops the downloads; what came of them is kept for the next try.
 */
export async function* pullImages(shared: PullContext, options: PullOptions): AsyncGenerator<JsonMessage> {
  const given = parseReference(options.reference);
  if (options.platform) parsePlatform(options.platform);
  const progress = new Progress();
  const gone = new AbortController();
  const work = pullAll(shared, { ...options, given }, progress, gone.signal).then(
    () => progress.end(),
    (error: unknown) => progress.fail(error),
  );
  try {
    yield* progress;
  } finally {
    gone.abort(new EngineError('internal', 'the pull was given up'));
    await work;
  }
}

async function pullAll(shared: PullContext, options: PullOptions & { given: Reference }, progress: Progress, signal: AbortSignal): Promise<void> {
  const { given, all = false } = options;
  if (!all || given.tag !== undefined || given.digest !== undefined) {
    const reference = given.tag === undefined && given.digest === undefined ? { ...given, tag: 'latest' } : given;
    const { updated } = await pullOne(shared, reference, options, progress, signal);
    progress.say({ status: `Status: ${updated ? 'Downloaded newer image' : 'Image is up to date'} for ${familiarString(reference)}` });
    return;
  }
  const { registries } = shared;
  const repositories = await registries.repositories(given, 'pull', options.credentials);
  const tags = await registries.first(repositories, (repository) => repository.tags(signal)).catch((error: unknown) => {
    throw translated(error, given);
  });
  if (tags.length === 0) throw new EngineError('not_found', `registry ${given.domain} has no tags of ${familiarName(given)}`);
  let any = false;
  for (const tag of tags) any = (await pullOne(shared, { ...given, tag }, options, progress, signal)).updated || any;
  progress.say({ status: `Status: ${any ? 'Downloaded newer image' : 'Image is up to date'} for ${familiarName(given)}` });
}

export interface PulledImage {
  image: ImageRecord;
  target: Digest;
  /** The name stands for another image than before. */
  updated: boolean;
}

export async function pullOne(
  { context, registries, sources, fly, downloads }: PullContext,
  reference: Reference,
  { platform, credentials }: Pick<PullOptions, 'platform' | 'credentials'>,
  progress: Progress,
  signal: AbortSignal,
): Promise<PulledImage> {
  context.layers.warm();
  const repositories = await registries.repositories(reference, 'pull', credentials);
  const resolved = await resolveImage(context, registries, repositories, reference, platform, signal);
  progress.say({ status: `Pulling from ${reference.path}`, id: reference.digest ?? reference.tag ?? 'latest' });
  const chains = chainIds(resolved.config.parsed.rootfs.diff_ids);
  using _spared = context.leases.open([...chains, ...resolved.manifest.layers.map(({ digest }) => digest)]);
  if (context.store.get(resolved.config.digest) === undefined) {
    const at = repositories.indexOf(resolved.repository);
    const others = repositories.slice(at + 1).filter(({ endpoint }) => !endpoint.mirror && endpoint.base.host !== resolved.repository.endpoint.base.host);
    try {
      await pullLayers({
        context, registries, fly, progress, signal,
        repositories: [resolved.repository, ...others],
        layers: resolved.manifest.layers,
        diffIds: resolved.config.parsed.rootfs.diff_ids,
        busy: () => downloads.busy,
      });
    } catch (error) {
      // Layers of an image that failed further up belong to nothing.
      await context.layers.collect().catch(() => undefined);
      throw error;
    }
  }
  sources.seen(reference, resolved.manifest.layers.map(({ digest }) => digest));
  return record(context, reference, resolved, progress);
}

function record(context: ImageContext, reference: Reference, resolved: ResolvedImage, progress: Progress): PulledImage {
  const { config, target, manifestDocument, indexes } = resolved;
  const names = [...(reference.digest === undefined ? [recordName(reference)] : []), `${fullName(reference)}@${target.digest}`];
  const manifests: PresentManifest[] = [...indexes, { ...manifestDocument, config: { digest: config.digest, mediaType: config.mediaType, bytes: config.bytes } }];
  const before = context.store.names().find(({ name }) => name === names[0]);
  const { image } = context.db.transaction(() => {
    const recorded = recordImage(context, { names: [], target, manifests });
    // Names that come from a registry are no `tag` events.
    for (const name of names) context.store.setName(name, recorded.image.id, target.digest, false);
    return recorded;
  });
  const updated = before?.image !== image.id;
  progress.say({ status: `Digest: ${target.digest}` });
  const labels = image.config.config?.Labels;
  context.emit({ type: 'image', action: 'pull', id: familiarString(reference), attributes: { ...labels, name: familiarName(reference) } });
  return { image, target: target.digest, updated };
}

/** A reference that needs a registry: an id is none. */
export function requireRemote(text: string): Reference {
  if (/^sha256:[0-9a-f]{64}$/.test(text)) throw invalid(`invalid reference format: ${text} is an image id`);
  return parseReference(text);
}
