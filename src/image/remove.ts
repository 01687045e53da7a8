import { EngineError, codeOf, conflict, notFound } from '#base/errors.ts';
import { shortId } from '#base/ids.ts';
import type { Digest } from '#spec/digest.ts';
import { requireKnownFilters, matchLabels, type Filters } from '#spec/filters.ts';
import { fullName, parseReference, type Reference } from '#spec/reference.ts';
import { parseMoment } from '#spec/timestamp.ts';
import type { ImageDeleteResponseItem, ImagesPruneResponse } from '#spec/wire/image.ts';
import { createdAt } from './configuration.ts';
import { emitImage, type ImageContext, type ImageUser } from './context.ts';
import { familiar, isDigestName, recordName, type ImageRecord } from './image-store.ts';
import { booleanFilter } from './list.ts';
import { renderPlatform } from '#spec/platform.ts';
import { bestPlatform, hostPlatform, parsePlatform, platformOf, platformScore } from './platform.ts';
import { platformsOf, type PlatformImage } from './select.ts';
import { unpackPlatform } from './unpack-platform.ts';

/** Docker's rules: a name is untagged, and the image goes with its last name; an id takes all names with it. */
export async function removeImage(context: ImageContext, given: string, options: { force: boolean; noPrune: boolean; platforms?: readonly string[] | undefined }): Promise<ImageDeleteResponseItem[]> {
  const platforms = options.platforms ?? [];
  const records = platforms.length > 0 ? await forgetPlatforms(context, given, platforms, options) : forget(context, given, options);
  records.push(...(await collect(context)).layers);
  return records;
}

async function collect(context: ImageContext): Promise<{ freed: number; layers: ImageDeleteResponseItem[] }> {
  const { freed, layers } = await context.layers.collect();
  return { freed, layers: layers.toReversed().map((layer) => ({ Deleted: layer })) };
}

/** Removes records only; layers are collected afterwards. */
function forget(context: ImageContext, given: string, { force, noPrune }: { force: boolean; noPrune: boolean }): ImageDeleteResponseItem[] {
  const { store } = context;
  const { image, reference, target } = store.find(given);
  const records: ImageDeleteResponseItem[] = [];
  return context.db.transaction(() => {
    if (reference !== undefined) {
      if (!force && isSingle(store.namesOf(image.id))) {
        const [user] = usersOf(context, image);
        if (user !== undefined) {
          throw conflict(
            `conflict: unable to remove repository reference ${JSON.stringify(given)} (must force) - container ${shortId(user.id)} is using its referenced image ${shortId(image.id)}`,
          );
        }
      }
      for (const name of namesMeant(context, reference, target)) untag(context, image, name, records);
      if (reference.digest === undefined) dropDigestNames(context, image, fullName(reference), records);
      if (store.namesOf(image.id).length > 0) return records;
      discard(context, image, records, { force, prune: !noPrune, quiet: true });
      return records;
    }
    const names = store.namesOf(image.id);
    if (names.length === 0 && image.target === undefined && store.targets.hasImage(image.id)) {
      // Only a platform of something else.
      refuse(obstacle(context, image, { force, named: true }), image);
      for (const { digest, target: of } of memberships(context, image)) note(context, image, store.dropMember(of, digest), records);
      return records;
    }
    if (isSingle(names)) {
      refuse(obstacle(context, image, { force, named: true }), image);
      for (const name of names) untag(context, image, name, records);
    }
    discard(context, image, records, { force, prune: !noPrune, quiet: false });
    return records;
  });
}

/** A digest may mean tags that stand for it. */
function namesMeant(context: ImageContext, reference: Reference, target: Digest | undefined): string[] {
  const name = recordName(reference);
  const names = context.store.names();
  if (reference.digest === undefined || names.some((entry) => entry.name === name)) return [name];
  return names.filter((entry) => entry.target === target && fullName(parseReference(entry.name)) === fullName(reference)).map((entry) => entry.name);
}

/** What was forgotten, the image itself first. */
function note(context: ImageContext, image: ImageRecord, gone: readonly Digest[], records: ImageDeleteResponseItem[]): void {
  for (const id of gone) {
    emitImage(context, 'delete', id === image.id ? image : { id, config: { os: '', architecture: '', rootfs: { type: 'layers', diff_ids: [] } } });
    records.push({ Deleted: id });
  }
}

function memberships(context: ImageContext, image: ImageRecord): { digest: Digest; target: Digest }[] {
  if (image.manifest === undefined) return [];
  const digest = image.manifest;
  return context.store.targets.targetsOf(digest).map((target) => ({ digest, target }));
}

/** Containers of the image, or of another platform of what it stands for. */
function usersOf(context: ImageContext, image: ImageRecord): ImageUser[] {
  const images = new Set([image.id]);
  if (image.target !== undefined) for (const { config } of context.store.targets.members(image.target)) if (config !== undefined) images.add(config);
  return context.usage().filter((container) => images.has(container.image));
}

/** Takes single platforms away; the name goes with the last one. */
async function forgetPlatforms(context: ImageContext, given: string, platforms: readonly string[], options: { force: boolean; noPrune: boolean }): Promise<ImageDeleteResponseItem[]> {
  const { store } = context;
  const { image, target } = store.find(given);
  const offers = target === undefined ? [] : platformsOf(context, target);
  const doomed = new Set<PlatformImage>();
  for (const text of platforms) {
    const wanted = parsePlatform(text);
    const match = bestPlatform(offers, (offer) => offer.platform, wanted);
    if (match !== undefined) doomed.add(match);
    else if (offers.length > 0 || platformScore(platformOf(image.config), wanted) === 0) {
      throw notFound(`image with reference ${given} was found but does not provide the specified platform (${renderPlatform(wanted)})`);
    }
  }
  const left = offers.filter((offer) => !doomed.has(offer));
  if (target === undefined || left.length === 0) return forget(context, given, options);
  for (const { member } of doomed) {
    const user = context.usage().find((container) => container.image === member.config && (container.running || !options.force));
    if (user !== undefined) throw conflict(`conflict: unable to delete ${shortId(member.config)} (${user.running ? 'cannot' : 'must'} be forced) - container ${shortId(user.id)} is using its platform`);
  }
  // What is left must be able to make containers.
  if (!left.some(({ member }) => member.unpacked)) await unpackPlatform(context, target, bestPlatform(left, (offer) => offer.platform, hostPlatform()) ?? (left[0] as PlatformImage));
  return context.db.transaction(() => {
    const records: ImageDeleteResponseItem[] = [];
    for (const { member } of doomed) {
      records.push({ Deleted: member.digest });
      store.targets.dropMember(target, member.digest);
    }
    const head = store.targets.elect(target);
    note(context, image, store.dropMember(target, target).filter((id) => id !== head), records);
    return records;
  });
}

function untag(context: ImageContext, image: ImageRecord, name: string, records: ImageDeleteResponseItem[]): void {
  context.store.dropName(name);
  records.push({ Untagged: familiar(name) });
  emitImage(context, 'untag', image);
}

/** Digest names make no sense without a tag of the same repository. */
function dropDigestNames(context: ImageContext, image: ImageRecord, repository: string, records: ImageDeleteResponseItem[]): void {
  const same = context.store.namesOf(image.id).filter((name) => fullName(parseReference(name)) === repository);
  if (same.every(isDigestName)) for (const name of same) untag(context, image, name, records);
}

/** At most one tag, and digests of its repository only. */
function isSingle(names: readonly string[]): boolean {
  if (names.length <= 1) return true;
  const tags = names.filter((name) => !isDigestName(name));
  const repositories = new Set(names.map((name) => fullName(parseReference(name))));
  return tags.length <= 1 && repositories.size === 1;
}

interface Obstacle {
  hard: boolean;
  /** A container is the reason. */
  used: boolean;
  message: string;
}

function obstacle(context: ImageContext, image: ImageRecord, { force, named }: { force: boolean; named: boolean }): Obstacle | undefined {
  if (context.store.children(image.id).length > 0) return { hard: true, used: false, message: 'image has dependent child images' };
  const users = usersOf(context, image);
  const running = users.find((container) => container.running);
  if (running !== undefined) return { hard: true, used: true, message: `image is being used by running container ${shortId(running.id)}` };
  if (force) return undefined;
  if (!named && context.store.namesOf(image.id).length > 0) return { hard: false, used: false, message: 'image is referenced in multiple repositories' };
  const [stopped] = users;
  return stopped === undefined ? undefined : { hard: false, used: true, message: `image is being used by stopped container ${shortId(stopped.id)}` };
}

function refuse(found: Obstacle | undefined, image: ImageRecord): void {
  if (found === undefined) return;
  throw conflict(`conflict: unable to delete ${shortId(image.id)} (${found.hard ? 'cannot be forced' : 'must be forced'}) - ${found.message}`);
}

/** Deletes an image and, when wanted, its parents that nothing needs any more. */
function discard(
  context: ImageContext,
  image: ImageRecord,
  records: ImageDeleteResponseItem[],
  { force, prune, quiet }: { force: boolean; prune: boolean; quiet: boolean },
): void {
  const found = obstacle(context, image, { force, named: false });
  if (found !== undefined) {
    const dangling = context.store.namesOf(image.id).length === 0 && context.store.children(image.id).length === 0;
    if (quiet && (!dangling || found.used)) return;
    refuse(found, image);
  }
  for (const name of context.store.namesOf(image.id)) untag(context, image, name, records);
  note(context, image, context.store.drop(image.id), records);
  const parent = prune && image.parent !== undefined ? context.store.get(image.parent) : undefined;
  if (parent !== undefined) discard(context, parent, records, { force: false, prune: true, quiet: true });
}

/** Without `dangling=false` only images without a tag go; with it, all that no container uses. */
export async function pruneImages(context: ImageContext, filters: Filters): Promise<ImagesPruneResponse> {
  requireKnownFilters(filters, ['dangling', 'label', 'label!', 'until']);
  const danglingOnly = booleanFilter(filters, 'dangling') ?? true;
  const until = (filters.get('until') ?? []).map((text) => Number(parseMoment(text, context.clock.nowNanos()) / 1_000_000n));
  const records: ImageDeleteResponseItem[] = [];
  for (const image of context.store.list()) {
    const labels = image.config.config?.Labels ?? {};
    const unwanted = filters.get('label!') ?? [];
    if (usersOf(context, image).length > 0 || until.some((limit) => createdAt(image.config) > limit)) continue;
    if (!matchLabels(filters.get('label'), labels) || (unwanted.length > 0 && matchLabels(unwanted, labels))) continue;
    if (context.store.get(image.id) === undefined) continue;
    const names = context.store.namesOf(image.id);
    if (danglingOnly && names.some((name) => !isDigestName(name))) continue;
    const targets = names.length > 0 ? names.map(familiar) : [image.id as Digest];
    for (const target of targets) records.push(...tryForget(context, target));
  }
  const { freed, layers } = await collect(context);
  records.push(...layers);
  context.emit({ type: 'image', action: 'prune', id: '', attributes: { reclaimed: String(freed) } });
  return { ImagesDeleted: records.length > 0 ? records : null, SpaceReclaimed: freed };
}

/** What is in use by then stays. */
function tryForget(context: ImageContext, target: string): ImageDeleteResponseItem[] {
  try {
    return forget(context, target, { force: false, noPrune: false });
  } catch (error) {
    if (error instanceof EngineError && ['conflict', 'not_found'].includes(codeOf(error))) return [];
    throw error;
  }
}
