/** What an image archive says it holds, whichever format says it. */
import { invalid } from '#base/errors.ts';
import { isDigest, type Digest } from '#spec/digest.ts';
import { mediaTypes, type Descriptor, type ImageManifest } from '#spec/oci-image.ts';
import { parseReference, withDefaultTag } from '#spec/reference.ts';
import type { Archive, Member } from './archive-files.ts';
import { digestOf, isFields, isIndexType, isManifestType, parseJson, parseManifest } from './documents.ts';
import { isDigestName, recordName } from './image-store.ts';
import { readLegacy } from './legacy-archive.ts';
import type { Document } from './target-store.ts';

/** Who was made from whom, as `docker save` notes it. */
export async function readParents(archive: Archive): Promise<{ image: Digest; parent: Digest }[]> {
  const file = archive.find('manifest.json');
  const table = file && parseJson(await archive.read(file, 'manifest.json'), 'manifest.json');
  if (!Array.isArray(table)) return [];
  return table.flatMap((item: unknown) => {
    if (!isFields(item) || typeof item['Config'] !== 'string' || typeof item['Parent'] !== 'string' || !isDigest(item['Parent'])) return [];
    const config = archive.find(item['Config']);
    return config === undefined ? [] : [{ image: config.digest, parent: item['Parent'] }];
  });
}

/** One image of a docker-archive: no manifest, layers by file name. */
export interface PlainContent {
  kind: 'plain';
  configBytes: Buffer;
  layers: Member[];
  names: string[];
}

/** A manifest or an index with those of its parts that are there. */
export interface TargetContent {
  kind: 'target';
  target: Document;
  manifests: ManifestContent[];
  /** Nested indexes. */
  indexes: Document[];
  names: string[];
}

export interface ManifestContent {
  document: Document;
  manifest: ImageManifest;
  /** As its index describes it. */
  descriptor: Descriptor;
}

export type Content = PlainContent | TargetContent;

/** The OCI layout where there is one: it alone keeps manifests. */
export async function readContents(archive: Archive): Promise<Content[]> {
  const table = archive.find('manifest.json');
  if (archive.find('index.json') !== undefined) {
    const found = await readLayout(archive, table !== undefined);
    if (found.length > 0) {
      if (table !== undefined) addNames(found, readDockerTable(archive, parseJson(await archive.read(table, 'manifest.json'), 'manifest.json')));
      return found;
    }
  }
  if (table !== undefined) return Promise.all(readDockerTable(archive, parseJson(await archive.read(table, 'manifest.json'), 'manifest.json')).map(async ({ config, ...image }): Promise<PlainContent> => ({ kind: 'plain', ...image, configBytes: await archive.read(config, 'image configuration') })));
  if (archive.find('index.json') !== undefined) return [];
  if (archive.find('oci-layout') !== undefined) throw invalid('the image archive is incomplete: "index.json" is missing');
  if (archive.find('repositories') !== undefined) return (await readLegacy(archive)).map((image) => ({ kind: 'plain', ...image }));
  throw invalid('the archive is not an image archive: it has neither manifest.json nor index.json (use import for a root file system)');
}

/** An entry of manifest.json. */
interface TableEntry {
  config: Member;
  layers: Member[];
  names: string[];
}

function readDockerTable(archive: Archive, table: unknown): TableEntry[] {
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
      names: names.map((name: string) => taggedName(name)),
    };
  });
}

function taggedName(text: string): string {
  const reference = parseReference(text);
  if (reference.tag === undefined || reference.digest !== undefined) throw invalid(`invalid tag ${JSON.stringify(text.slice(0, 200))}`);
  return recordName(reference);
}

/** Several names of one target are several descriptors of it. `lenient` passes over what is not complete: manifest.json has it. */
async function readLayout(archive: Archive, lenient: boolean): Promise<TargetContent[]> {
  const top = parseManifest(await archive.read(archive.need('index.json'), 'index.json'), '');
  if (top.kind !== 'index') throw invalid('invalid index.json: it must be an index');
  const found = new Map<Digest, TargetContent>();
  for (const descriptor of top.index.manifests) {
    const known = found.get(descriptor.digest);
    if (known !== undefined) {
      known.names.push(...nameOf(descriptor.annotations));
      continue;
    }
    if (lenient && !archive.hasBlob(descriptor.digest)) continue;
    const target = await readDocument(archive, descriptor);
    const content: TargetContent = { kind: 'target', target, manifests: [], indexes: [], names: nameOf(descriptor.annotations) };
    await gather(archive, content, descriptor, target, 0);
    if (lenient && content.manifests.length === 0) continue;
    found.set(descriptor.digest, content);
  }
  return [...found.values()];
}

async function readDocument(archive: Archive, descriptor: Descriptor): Promise<Document> {
  const { mediaType } = descriptor;
  if (!isIndexType(mediaType) && !isManifestType(mediaType)) {
    throw invalid(`the image archive holds a ${JSON.stringify(mediaType.slice(0, 100))}, which is not an image`);
  }
  const bytes = await archive.read(archive.blob(descriptor), 'manifest');
  return { bytes, mediaType, digest: digestOf(bytes) };
}

/** Takes what is there: of an index, those parts whose manifest and blobs all are; of a manifest, itself. */
async function gather(archive: Archive, content: TargetContent, descriptor: Descriptor, document: Document, depth: number): Promise<void> {
  if (depth > 4) throw invalid('invalid index: nested too deeply');
  const parsed = parseManifest(document.bytes, document.mediaType);
  if (parsed.kind === 'manifest') {
    const { manifest } = parsed;
    const parts = [manifest.config, ...manifest.layers];
    if (depth > 0 && !parts.every(({ digest }) => archive.hasBlob(digest))) return;
    // Also tells lies about digests and sizes.
    for (const part of parts) archive.blob(part);
    content.manifests.push({ document: { ...document, mediaType: manifest.mediaType ?? (document.mediaType || mediaTypes.ociManifest) }, manifest, descriptor });
    return;
  }
  if (depth > 0) content.indexes.push(document);
  for (const child of parsed.index.manifests) {
    if (!archive.hasBlob(child.digest) || (!isIndexType(child.mediaType) && !isManifestType(child.mediaType))) continue;
    await gather(archive, content, child, await readDocument(archive, child), depth + 1);
  }
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

/** A docker-archive's names for what the layout describes too. */
function addNames(found: readonly TargetContent[], table: readonly TableEntry[]): void {
  for (const { config, names } of table) {
    const content = found.find(({ manifests }) => manifests.some(({ manifest }) => manifest.config.digest === config.digest));
    for (const name of names) if (content !== undefined && !found.some((other) => other.names.includes(name))) content.names.push(name);
  }
}
