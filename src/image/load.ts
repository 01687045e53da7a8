import { mkdirSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { invalid } from '#base/errors.ts';
import type { Digest } from '#spec/digest.ts';
import { mediaTypes, type Descriptor, type ImageManifest } from '#spec/oci-image.ts';
import { parseReference, withDefaultTag } from '#spec/reference.ts';
import type { JsonMessage } from '#spec/wire/image.ts';
import type { JobResults } from '#host/jail.ts';
import { goArchitecture } from './configuration.ts';
import { emitImage, nameImage, type ImageContext } from './context.ts';
import { chainIds, digestOf, isFields, isIndexType, isManifestType, MAX_DOCUMENT, parseConfig, parseJson, parseManifest } from './documents.ts';
import { expandHostFormats } from './host-decoder.ts';
import { familiar, isDigestName, recordName, type ImageRecord } from './image-store.ts';

/** A regular file of the archive, by its name there. */
interface Member {
  path: string;
  digest: Digest;
  size: number;
}

/** What the archive says about one image, whichever format said it. */
interface Candidate {
  config: Member;
  layers: Member[];
  manifest: { bytes: Buffer; mediaType: string; digest: Digest } | undefined;
  names: string[];
}

class Archive {
  readonly #folder: string;
  readonly #members: JobResults['spool'];

  constructor(folder: string, members: JobResults['spool']) {
    this.#folder = folder;
    this.#members = members;
  }

  /** Follows the archive's own links, by name only. */
  find(name: string): Member | undefined {
    let at = name.replace(/^\.\//, '');
    for (let hops = 0; hops < 10; hops++) {
      const member = this.#members.get(at);
      if (member === undefined) return undefined;
      if (member.kind === 'file') return { path: join(this.#folder, member.file), digest: member.digest, size: member.size };
      at = member.target;
    }
    return undefined;
  }

  need(name: string): Member {
    const member = this.find(name);
    if (member === undefined) throw invalid(`the image archive is incomplete: ${JSON.stringify(name.slice(0, 200))} is missing`);
    return member;
  }

  /** A blob by digest: its name must tell the truth. */
  blob({ digest, size }: Pick<Descriptor, 'digest' | 'size'>): Member {
    const member = this.need(`blobs/sha256/${digest.slice('sha256:'.length)}`);
    if (member.digest !== digest) throw invalid(`the image archive is damaged: blob ${digest} has the digest ${member.digest}`);
    if (member.size !== size) throw invalid(`the image archive is damaged: blob ${digest} has ${member.size} bytes, expected ${size}`);
    return member;
  }

  async read(member: Member, what: string): Promise<Buffer> {
    if (member.size > MAX_DOCUMENT) throw invalid(`invalid ${what}: larger than ${MAX_DOCUMENT} bytes`);
    return readFile(member.path);
  }
}

/** Loads every image of a docker-archive or an OCI layout, compressed or not. Yields Docker's lines. */
export async function* loadImages(
  context: ImageContext,
  tar: AsyncIterable<Uint8Array>,
  options: { quiet: boolean; platforms: readonly string[] },
): AsyncIterable<JsonMessage> {
  const folder = context.blobs.temporary();
  mkdirSync(folder, { mode: 0o700 });
  try {
    const members = await context.jail.run<'spool'>(
      { kind: 'spool', into: folder, source: { kind: 'stream' }, limits: { inflated: 512 * 2 ** 30, entries: 100_000 } },
      expandHostFormats(tar),
    );
    const archive = new Archive(folder, members);
    const candidates = await readCandidates(archive, options.platforms);
    for (const candidate of candidates) yield* loadOne(context, archive, candidate, options.quiet);
  } catch (error) {
    // Layers of an image that failed further up belong to nothing.
    await context.layers.collect();
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function readCandidates(archive: Archive, platforms: readonly string[]): Promise<Candidate[]> {
  const table = archive.find('manifest.json');
  if (table !== undefined) return readDockerTable(archive, parseJson(await archive.read(table, 'manifest.json'), 'manifest.json'));
  if (archive.find('oci-layout') !== undefined || archive.find('index.json') !== undefined) return readLayout(archive, platforms);
  if (archive.find('repositories') !== undefined) throw invalid('the image archive has no manifest.json: archives from before Docker 1.10 are not supported');
  throw invalid('the archive is not an image archive: it has neither manifest.json nor index.json (use import for a root file system)');
}

async function readDockerTable(archive: Archive, table: unknown): Promise<Candidate[]> {
  if (!Array.isArray(table) || table.length > 10_000) throw invalid('invalid manifest.json: expected a list of images');
  return table.map((item: unknown) => {
    if (!isFields(item) || typeof item['Config'] !== 'string' || !Array.isArray(item['Layers'])) {
      throw invalid('invalid manifest.json: an image needs Config and Layers');
    }
    const names = item['RepoTags'] ?? [];
    const layers: unknown[] = item['Layers'];
    if (!Array.isArray(names) || !names.every((name) => typeof name === 'string')) throw invalid('invalid manifest.json: RepoTags must be a list of names');
    if (!layers.every((layer) => typeof layer === 'string')) throw invalid('invalid manifest.json: Layers must be a list of file names');
    return {
      config: archive.need(item['Config']),
      layers: layers.map((layer) => archive.need(layer)),
      manifest: undefined,
      names: names.map((name: string) => taggedName(name)),
    };
  });
}

function taggedName(text: string): string {
  const reference = parseReference(text);
  if (reference.tag === undefined || reference.digest !== undefined) throw invalid(`invalid tag ${JSON.stringify(text.slice(0, 200))}`);
  return recordName(reference);
}

async function readLayout(archive: Archive, platforms: readonly string[]): Promise<Candidate[]> {
  const top = parseManifest(await archive.read(archive.need('index.json'), 'index.json'), '');
  if (top.kind !== 'index') throw invalid('invalid index.json: it must be an index');
  const found: Candidate[] = [];
  for (const descriptor of top.index.manifests) {
    const chosen = await choose(archive, descriptor, platforms, 0);
    const bytes = await archive.read(chosen.member, 'manifest');
    const manifest = chosen.manifest;
    found.push({
      config: archive.blob(manifest.config),
      layers: manifest.layers.map((layer) => archive.blob(layer)),
      manifest: { bytes, mediaType: manifest.mediaType ?? mediaTypes.ociManifest, digest: digestOf(bytes) },
      names: nameOf(descriptor.annotations),
    });
  }
  return found;
}

/** Follows an index to the manifest for the wanted platform, else for this machine's. */
async function choose(archive: Archive, descriptor: Descriptor, platforms: readonly string[], depth: number): Promise<{ member: Member; manifest: ImageManifest }> {
  if (depth > 4) throw invalid('invalid index: nested too deeply');
  if (!isIndexType(descriptor.mediaType) && !isManifestType(descriptor.mediaType)) {
    throw invalid(`the image archive holds a ${JSON.stringify(descriptor.mediaType.slice(0, 100))}, which is not an image`);
  }
  const member = archive.blob(descriptor);
  const parsed = parseManifest(await archive.read(member, 'manifest'), descriptor.mediaType);
  if (parsed.kind === 'manifest') return { member, manifest: parsed.manifest };
  const wanted = platforms.length > 0 ? platforms : [`linux/${goArchitecture()}`];
  const present = parsed.index.manifests.filter(({ digest }) => archive.find(`blobs/sha256/${digest.slice(7)}`) !== undefined);
  const isImage = ({ platform }: Descriptor): boolean => platform?.os !== 'unknown';
  const match = present.find(({ platform }) => platform && wanted.some((text) => `${platform.os}/${platform.architecture}/${platform.variant ?? ''}`.startsWith(text)));
  const next = match ?? (platforms.length === 0 ? present.find(isImage) : undefined);
  if (next === undefined) throw invalid(`the image archive has no image for ${wanted.join(', ')}`);
  return choose(archive, next, platforms, depth + 1);
}

/** containerd writes the whole name; others only a tag or a name in ref.name. */
function nameOf(annotations: Readonly<Record<string, string>> | undefined): string[] {
  for (const key of ['io.containerd.image.name', 'org.opencontainers.image.ref.name']) {
    const text = annotations?.[key];
    if (text === undefined || text === '' || (key !== 'io.containerd.image.name' && !/[:/]/.test(text))) continue;
    try {
      const reference = withDefaultTag(parseReference(text));
      return isDigestName(recordName(reference)) ? [] : [recordName(reference)];
    } catch {
      // A free-form annotation need not be an image name.
    }
  }
  return [];
}

async function* loadOne(context: ImageContext, archive: Archive, candidate: Candidate, quiet: boolean): AsyncIterable<JsonMessage> {
  const bytes = await archive.read(candidate.config, 'image configuration');
  const config = parseConfig(bytes);
  if (config.os !== '' && config.os !== 'linux') throw invalid(`cannot load ${config.os} image on linux`);
  const diffIds = config.rootfs.diff_ids;
  if (diffIds.length !== candidate.layers.length) {
    throw invalid(`invalid manifest, layers length mismatch: expected ${candidate.layers.length}, got ${diffIds.length}`);
  }
  const chains = chainIds(diffIds);
  using _spared = context.layers.protect(chains);
  const fresh = chains.map((chain) => context.layers.get(chain) === undefined);
  const layers = await context.layers.ensure(diffIds, candidate.layers.map((layer) => ({ kind: 'file' as const, ...layer })));
  if (!quiet) {
    for (const [index, layer] of layers.entries()) {
      const size = candidate.layers[index]?.size ?? 0;
      if (fresh[index] === true) yield { status: 'Loading layer', id: layer.chainId.slice(7, 19), progressDetail: { current: size, total: size }, progress: progressBar(size) };
    }
  }
  const image = context.store.add({
    config: { bytes, digest: candidate.config.digest, mediaType: mediaTypes.dockerConfig },
    manifest: candidate.manifest,
    size: layers.reduce((sum, layer) => sum + layer.size, 0),
  });
  emitImage(context, 'load', image);
  if (candidate.names.length === 0) {
    yield { stream: `Loaded image ID: ${image.id}\n` };
    return;
  }
  for (const name of candidate.names) {
    yield* takeName(context, image, name);
    yield { stream: `Loaded image: ${familiar(name)}\n` };
  }
}

function* takeName(context: ImageContext, image: ImageRecord, name: string): Generator<JsonMessage> {
  const before = nameImage(context, image, name);
  if (before !== undefined) yield { stream: `The image ${familiar(name)} already exists, renaming the old one with ID ${before} to empty string\n` };
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
