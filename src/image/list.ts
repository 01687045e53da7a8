import { invalid } from '#base/errors.ts';
import type { Digest } from '#spec/digest.ts';
import { matchLabels, requireKnownFilters, type Filters } from '#spec/filters.ts';
import { pathMatcher } from '#spec/glob.ts';
import { parseMoment } from '#spec/timestamp.ts';
import type { ImageSummary } from '#spec/wire/image.ts';
import { createdAt } from './configuration.ts';
import type { ImageContext } from './context.ts';
import { descriptorOf, manifestsOf } from './manifest-view.ts';
import { familiar, familiarRepository, isDigestName, type ImageRecord } from './image-store.ts';

export interface ListOptions {
  all: boolean;
  filters: Filters;
  sharedSize: boolean;
  /** Count the containers of each image; -1 otherwise, as Docker's list. */
  containerCount?: boolean | undefined;
  /** Show the parts of what each image stands for. */
  manifests?: boolean | undefined;
}

/** Newest first. Images without a name that others are built on show up only with `all`. */
export function listImages(context: ImageContext, options: ListOptions): ImageSummary[] {
  const { filters } = options;
  requireKnownFilters(filters, ['dangling', 'label', 'before', 'since', 'reference', 'until']);
  const dangling = booleanFilter(filters, 'dangling');
  const before = (filters.get('before') ?? []).map((name) => createdAt(context.store.find(name).image.config));
  const since = (filters.get('since') ?? []).map((name) => createdAt(context.store.find(name).image.config));
  const until = (filters.get('until') ?? []).map((text) => Number(parseMoment(text, context.clock.nowNanos()) / 1_000_000n));
  const patterns = filters.get('reference')?.map(pathMatcher);
  const names = Map.groupBy(context.store.names(), ({ image }) => image);
  const images = context.store.list();
  const parents = new Set(images.map((image) => image.parent));
  const shares = options.sharedSize ? countLayers(images) : undefined;
  const users = options.containerCount === true ? Map.groupBy(context.usage(), ({ image }) => image) : undefined;

  const summaries: ImageSummary[] = [];
  const times = new Map<string, number>();
  for (const image of images) {
    const created = createdAt(image.config);
    const labels = image.config.config?.Labels ?? {};
    if (before.some((limit) => created >= limit) || since.some((limit) => created <= limit) || until.some((limit) => created >= limit)) continue;
    if (!matchLabels(filters.get('label'), labels)) continue;
    const mine = (names.get(image.id) ?? []).map(({ name }) => name);
    const shown = patterns === undefined ? mine : mine.filter((name) => patterns.some((match) => match(familiar(name)) || match(familiarRepository(name))));
    if (patterns !== undefined && shown.length === 0) continue;
    if (mine.length === 0) {
      if (dangling === false) continue;
      if (parents.has(image.id) && !options.all) continue;
    } else if (dangling === true) continue;
    times.set(image.id, created);
    summaries.push({
      Id: image.id,
      ParentId: image.parent ?? '',
      RepoTags: shown.filter((name) => !isDigestName(name)).map(familiar),
      RepoDigests: shown.filter(isDigestName).map(familiar),
      Created: Math.floor(created / 1000),
      Size: image.size,
      SharedSize: shares === undefined ? -1 : sharedSize(context, image, shares),
      Labels: labels,
      Containers: users === undefined ? -1 : (users.get(image.id)?.length ?? 0),
      ...descriptorOf(context, image),
      ...(options.manifests === true ? manifestField(context, image.target ?? image.manifest) : {}),
    });
  }
  // Seconds are not fine enough for images made one after another.
  return summaries.sort((a, b) => (times.get(b.Id) ?? 0) - (times.get(a.Id) ?? 0));
}

/** `true`, `1`, `false`, `0`; undefined when the filter is absent. */
export function booleanFilter(filters: Filters, key: string): boolean | undefined {
  const values = filters.get(key);
  if (values === undefined || values.length === 0) return undefined;
  for (const value of values) if (!['true', '1', 'false', '0'].includes(value)) throw invalid(`invalid filter '${key}=[${values.join(' ')}]'`);
  const truths = new Set(values.map((value) => value === 'true' || value === '1'));
  return truths.size > 1 ? undefined : truths.has(true);
}

function countLayers(images: readonly ImageRecord[]): Map<Digest, number> {
  const counts = new Map<Digest, number>();
  for (const image of images) for (const chain of image.chains) counts.set(chain, (counts.get(chain) ?? 0) + 1);
  return counts;
}

function sharedSize(context: ImageContext, image: ImageRecord, shares: ReadonlyMap<Digest, number>): number {
  return image.chains.reduce((sum, chain) => sum + ((shares.get(chain) ?? 0) > 1 ? (context.layers.get(chain)?.size ?? 0) : 0), 0);
}

function manifestField(context: ImageContext, target: Digest | undefined): Pick<ImageSummary, 'Manifests'> {
  return target === undefined ? {} : { Manifests: manifestsOf(context, target) };
}
