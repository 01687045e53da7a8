import { mkdirSync } from 'node:fs';
import { link, rm } from 'node:fs/promises';
import { invalid, notFound } from '#base/errors.ts';
import type { Digest } from '#spec/digest.ts';
import { mediaTypes } from '#spec/oci-image.ts';
import type { JsonMessage } from '#spec/wire/image.ts';
import { Archive, type Member } from './archive-files.ts';
import { emitImage, nameImage, type ImageContext } from './context.ts';
import { chainIds, digestOf, parseConfig } from './documents.ts';
import { expandHostFormats } from './host-decoder.ts';
import { familiar, type ImageRecord } from './image-store.ts';
import { readContents, readParents, type ManifestContent, type PlainContent, type TargetContent } from './load-contents.ts';
import type { LayerSource } from './layer-store.ts';
import { isAttestation } from './manifest-view.ts';
import { bestPlatform, hostPlatform, parsePlatform, platformOf, platformScore } from './platform.ts';
import { recordImage, type PresentManifest } from './record.ts';
import type { Document } from './target-store.ts';
import { UnpackAhead } from './unpack-ahead.ts';

/** Loads every image of a docker-archive or an OCI layout, compressed or not. Yields Docker's lines. */
export async function* loadImages(
  context: ImageContext,
  tar: AsyncIterable<Uint8Array>,
  options: { quiet: boolean; platforms: readonly string[] },
): AsyncIterable<JsonMessage> {
  const folder = context.blobs.temporary();
  mkdirSync(folder, { mode: 0o700 });
  try {
    await using ahead = new UnpackAhead(context.layers);
    const members = await context.jail.run<'spool'>(
      { kind: 'spool', into: folder, source: { kind: 'stream' }, limits: { inflated: 512 * 2 ** 30, entries: 100_000 } },
      expandHostFormats(tar),
      // With platforms chosen, most of what arrives may not be wanted.
      options.platforms.length > 0 ? {} : { member: (member) => ahead.begin(folder, member) },
    );
    const archive = new Archive(folder, members);
    for (const content of await readContents(archive)) {
      if (content.kind === 'plain') yield* loadPlain(context, ahead, content, options);
      else yield* loadTarget(context, archive, ahead, content, options);
    }
    for (const { image, parent } of await readParents(archive)) joinParent(context, image, parent);
  } catch (error) {
    // Layers of an image that failed further up belong to nothing.
    await context.layers.collect();
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function* loadPlain(context: ImageContext, ahead: UnpackAhead, content: PlainContent, options: { quiet: boolean; platforms: readonly string[] }): AsyncIterable<JsonMessage> {
  const bytes = content.configBytes;
  const platform = platformOf(parseConfig(bytes));
  const wanted = options.platforms.map(parsePlatform);
  if (wanted.length > 0 && !wanted.some((want) => platformScore(platform, want) > 0)) throw notPresent(options.platforms);
  const unpacked = await unpack(context, ahead, bytes, content.layers);
  using _spared = unpacked.lease;
  if (!options.quiet) yield* unpacked.lines;
  const image = context.store.add({
    config: { bytes, digest: digestOf(bytes), mediaType: mediaTypes.dockerConfig },
    size: unpacked.size,
  });
  emitImage(context, 'load', image);
  for (const name of content.names) {
    const before = nameImage(context, image, name, undefined, false);
    if (before !== undefined) yield renamed(name, before);
  }
  yield* loaded(image, content.names);
}

/** Unpacks what suits this machine and what was asked for; other platforms stay packed until they are needed. */
async function* loadTarget(context: ImageContext, archive: Archive, ahead: UnpackAhead, content: TargetContent, options: { quiet: boolean; platforms: readonly string[] }): AsyncIterable<JsonMessage> {
  const images: { content: ManifestContent; config: Document; platform: ReturnType<typeof platformOf> }[] = [];
  const others: ManifestContent[] = [];
  for (const item of content.manifests) {
    const { config } = item.manifest;
    if (isAttestation(item.descriptor) || item.manifest.artifactType !== undefined || !isConfigType(config.mediaType)) {
      others.push(item);
      continue;
    }
    const bytes = await archive.read(archive.blob(config), 'image configuration');
    images.push({ content: item, config: { bytes, mediaType: config.mediaType, digest: config.digest }, platform: platformOf(parseConfig(bytes)) });
  }
  if (images.length === 0) throw invalid('the image archive holds no image: only manifests of other things');
  const wanted = options.platforms.map(parsePlatform);
  const asked = wanted.map((want) => bestPlatform(images, ({ platform }) => platform, want));
  if (asked.includes(undefined)) throw notPresent(options.platforms.filter((_, index) => asked[index] === undefined));
  const taken = wanted.length > 0 ? images.filter((image) => asked.includes(image)) : images;
  const unpacking = wanted.length > 0 ? taken : [bestPlatform(taken, ({ platform }) => platform, hostPlatform()) ?? taken[0]];

  using lease = context.leases.open();
  const manifests: PresentManifest[] = content.indexes.map((document) => ({ ...document }));
  for (const image of taken) {
    const layers = image.content.manifest.layers.map((layer) => archive.blob(layer));
    if (unpacking.includes(image)) {
      const unpacked = await unpack(context, ahead, image.config.bytes, layers);
      using _spared = unpacked.lease;
      lease.add(...unpacked.chains);
      if (!options.quiet) yield* unpacked.lines;
    } else for (const layer of layers) await adopt(context, layer, lease);
    manifests.push({ ...image.content.document, config: image.config });
  }
  for (const { document, manifest } of wanted.length > 0 ? [] : others) {
    for (const part of [manifest.config, ...manifest.layers]) await adopt(context, archive.blob(part), lease);
    manifests.push({ ...document });
  }
  const { image, replaced } = recordImage(context, { names: content.names, target: content.target, manifests, given: false });
  emitImage(context, 'load', image);
  for (const { name, image: before } of replaced) yield renamed(name, before);
  yield* loaded(image, content.names);
}

/** What an archive says of parents counts only as far as the images themselves agree: the child is one step more. */
function joinParent(context: ImageContext, childId: Digest, parentId: Digest): void {
  const [child, parent] = [context.store.get(childId), context.store.get(parentId)];
  if (child === undefined || parent === undefined) return;
  const [steps, before] = [child.config.history ?? [], parent.config.history ?? []];
  const oneMore = steps.length === before.length + 1 || (steps.length === 0 && before.length === 0);
  const same = before.every((step, index) => JSON.stringify(step) === JSON.stringify(steps[index])) && parent.chains.every((chain, index) => child.chains[index] === chain);
  if (oneMore && same) context.store.setParent(childId, parentId);
}

const isConfigType = (mediaType: string): boolean => mediaType === mediaTypes.ociConfig || mediaType === mediaTypes.dockerConfig;

const notPresent = (platforms: readonly string[]): Error => notFound(`the image archive has no image for ${platforms.join(', ')}`);

async function adopt(context: ImageContext, member: Member, lease: { add(...digests: Digest[]): void }): Promise<void> {
  lease.add(member.digest);
  if (context.blobs.has(member.digest)) return;
  const file = context.blobs.temporary();
  await link(member.path, file);
  await context.blobs.adopt(file, member.digest);
}

interface Unpacked {
  chains: Digest[];
  size: number;
  lines: JsonMessage[];
  lease: Disposable;
}

async function unpack(context: ImageContext, ahead: UnpackAhead, configBytes: Uint8Array, members: readonly Member[]): Promise<Unpacked> {
  const config = parseConfig(configBytes);
  if (config.os !== '' && config.os !== 'linux') throw invalid(`cannot load ${config.os} image on linux`);
  const diffIds = config.rootfs.diff_ids;
  if (diffIds.length !== members.length) throw invalid(`invalid manifest, layers length mismatch: expected ${members.length}, got ${diffIds.length}`);
  const chains = chainIds(diffIds);
  const lease = context.layers.protect(chains);
  try {
    const fresh = chains.map((chain) => !context.layers.isWhole(chain));
    const sources = members.map(async (member, index): Promise<LayerSource> => {
      const pending = fresh[index] === true ? await ahead.take(member.digest) : undefined;
      return pending === undefined ? { kind: 'file', ...member } : { kind: 'pending', pending };
    });
    const layers = await context.layers.ensure(diffIds, await Promise.all(sources));
    const lines = layers.flatMap((layer, index): JsonMessage[] => {
      const size = members[index]?.size ?? 0;
      return fresh[index] === true
        ? [{ status: 'Loading layer', id: layer.chainId.slice(7, 19), progressDetail: { current: size, total: size }, progress: progressBar(size) }]
        : [];
    });
    return { chains, lease, lines, size: layers.reduce((sum, layer) => sum + layer.size, 0) };
  } catch (error) {
    lease[Symbol.dispose]();
    throw error;
  }
}

const renamed = (name: string, before: Digest): JsonMessage => ({
  stream: `The image ${familiar(name)} already exists, renaming the old one with ID ${before} to empty string\n`,
});

function* loaded(image: ImageRecord, names: readonly string[]): Generator<JsonMessage> {
  if (names.length === 0) yield { stream: `Loaded image ID: ${image.id}\n` };
  for (const name of names) yield { stream: `Loaded image: ${familiar(name)}\n` };
}

function progressBar(size: number): string {
  const text = humanSize(size);
  return `[==================================================>]  ${text.padStart(7)}/${text}`;
}

/** As Docker prints sizes: four significant digits, powers of 1000. */
export function humanSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  for (; value >= 1000 && unit < 5; unit++) value /= 1000;
  return `${Number(value.toPrecision(4))}${['B', 'kB', 'MB', 'GB', 'TB', 'PB'][unit] ?? 'PB'}`;
}
