/** Manifests, indexes and configurations from outside: size, shape and kind are checked before anything uses them. */
import { createHash } from 'node:crypto';
import { invalid } from '#base/errors.ts';
import { parseDigest, sha256Digest, type Digest } from '#spec/digest.ts';
import { mediaTypes } from '#spec/oci-image.ts';
import type { Descriptor, ImageConfigFile, ImageIndex, ImageManifest, ImageRunConfig, Platform } from '#spec/oci-image.ts';

/** Larger documents are refused unread. */
export const MAX_DOCUMENT = 8 << 20;
/** As Docker; overlayfs would take some more. */
export const MAX_LAYERS = 127;

type Fields = Readonly<Record<string, unknown>>;

export const digestOf = (bytes: Uint8Array): Digest => sha256Digest(createHash('sha256').update(bytes).digest('hex'));

export function parseJson(bytes: Uint8Array, what: string): unknown {
  if (bytes.length > MAX_DOCUMENT) throw invalid(`invalid ${what}: larger than ${MAX_DOCUMENT} bytes`);
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
  } catch (error) {
    throw invalid(`invalid ${what}: not JSON`, { cause: error });
  }
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function fields(value: unknown, what: string): Fields {
  if (!isFields(value)) throw invalid(`invalid ${what}: expected an object`);
  return value;
}

function list(value: unknown, what: string, most: number): readonly unknown[] {
  if (!Array.isArray(value)) throw invalid(`invalid ${what}: expected a list`);
  if (value.length > most) throw invalid(`invalid ${what}: more than ${most} entries`);
  return value;
}

function optionalText(value: unknown, what: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string') throw invalid(`invalid ${what}: expected a string`);
  return value;
}

function texts(value: unknown, what: string): string[] | undefined {
  if (value === undefined || value === null) return undefined;
  return list(value, what, 100_000).map((item) => {
    if (typeof item !== 'string') throw invalid(`invalid ${what}: expected a list of strings`);
    return item;
  });
}

function textMap(value: unknown, what: string): Record<string, string> | undefined {
  if (value === undefined || value === null) return undefined;
  const entries = Object.entries(fields(value, what));
  for (const [, item] of entries) if (typeof item !== 'string') throw invalid(`invalid ${what}: expected strings`);
  return Object.fromEntries(entries) as Record<string, string>;
}

function keySet(value: unknown, what: string): Record<string, Record<string, never>> | undefined {
  if (value === undefined || value === null) return undefined;
  return Object.fromEntries(Object.keys(fields(value, what)).map((key) => [key, {}]));
}

export function parseDescriptor(value: unknown, what: string): Descriptor {
  const given = fields(value, what);
  const size = given['size'];
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw invalid(`invalid ${what}: size must be a whole number`);
  const platform = given['platform'] === undefined || given['platform'] === null ? undefined : parseDescriptorPlatform(fields(given['platform'], what), what);
  return {
    mediaType: optionalText(given['mediaType'], `${what}: mediaType`) ?? '',
    digest: parseDigest(given['digest']),
    size,
    ...(platform ? { platform } : {}),
    ...optional('annotations', textMap(given['annotations'], `${what}: annotations`)),
    ...optional('urls', texts(given['urls'], `${what}: urls`)),
    ...optional('artifactType', optionalText(given['artifactType'], `${what}: artifactType`)),
    ...optional('urls', texts(given['urls'], `${what}: urls`)),
  };
}

function optional<K extends string, V>(key: K, value: V | undefined): { [key in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { [key in K]?: V };
}

function parseDescriptorPlatform(given: Fields, what: string): Platform {
  return {
    os: optionalText(given['os'], `${what}: os`) ?? '',
    architecture: optionalText(given['architecture'], `${what}: architecture`) ?? '',
    ...optional('variant', optionalText(given['variant'], `${what}: variant`)),
    ...optional('os.version', optionalText(given['os.version'], `${what}: os.version`)),
  };
}

const indexTypes: readonly string[] = [mediaTypes.ociIndex, mediaTypes.dockerList];
const manifestTypes: readonly string[] = [mediaTypes.ociManifest, mediaTypes.dockerManifest];

export const isIndexType = (mediaType: string): boolean => indexTypes.includes(mediaType);
export const isManifestType = (mediaType: string): boolean => manifestTypes.includes(mediaType);

/**
 * Reads a manifest or an index. `mediaType` is what the one who pointed here claimed ('' when nothing was): a document
 * that says otherwise, or that could be read as both kinds, is refused (CVE-2021-41190).
 */
export function parseManifest(bytes: Uint8Array, mediaType: string): { kind: 'manifest'; manifest: ImageManifest } | { kind: 'index'; index: ImageIndex } {
  const given = fields(parseJson(bytes, 'manifest'), 'manifest');
  if (given['schemaVersion'] !== 2) throw invalid('invalid manifest: schemaVersion must be 2');
  const own = optionalText(given['mediaType'], 'manifest: mediaType') ?? '';
  if (own !== '' && mediaType !== '' && own !== mediaType) {
    throw invalid(`invalid manifest: it calls itself ${JSON.stringify(own)} but was announced as ${JSON.stringify(mediaType)}`);
  }
  const looksLikeIndex = given['manifests'] !== undefined;
  const looksLikeManifest = given['config'] !== undefined || given['layers'] !== undefined || given['fsLayers'] !== undefined;
  if (looksLikeIndex === looksLikeManifest) throw invalid('invalid manifest: it must be either a manifest or an index');
  const type = own || mediaType;
  if ((looksLikeIndex && isManifestType(type)) || (looksLikeManifest && isIndexType(type))) {
    throw invalid(`invalid manifest: its content is not a ${type}`);
  }
  const annotations = optional('annotations', textMap(given['annotations'], 'manifest: annotations'));
  if (looksLikeIndex) {
    const manifests = list(given['manifests'], 'index: manifests', 1000).map((item) => parseDescriptor(item, 'index: manifests'));
    return { kind: 'index', index: { schemaVersion: 2, ...optional('mediaType', own || undefined), manifests, ...annotations } };
  }
  const config = parseDescriptor(given['config'], 'manifest: config');
  const layers = list(given['layers'], 'manifest: layers', MAX_LAYERS).map((item) => parseDescriptor(item, 'manifest: layers'));
  const artifact = {
    ...optional('artifactType', optionalText(given['artifactType'], 'manifest: artifactType') || undefined),
    ...(given['subject'] === undefined || given['subject'] === null ? {} : { subject: parseDescriptor(given['subject'], 'manifest: subject') }),
  };
  return { kind: 'manifest', manifest: { schemaVersion: 2, ...optional('mediaType', own || undefined), ...artifact, config, layers, ...annotations } };
}

/** Reads an image configuration; absent and null members come out as undefined. */
export function parseConfig(bytes: Uint8Array): ImageConfigFile {
  const what = 'image configuration';
  const given = fields(parseJson(bytes, what), what);
  const rootfs = fields(given['rootfs'], `${what}: rootfs`);
  if (rootfs['type'] !== 'layers') throw invalid(`invalid ${what}: rootfs.type must be "layers"`);
  const diffIds = list(rootfs['diff_ids'] ?? [], `${what}: rootfs.diff_ids`, MAX_LAYERS).map((item) => parseDigest(item));
  const history = given['history'] === undefined || given['history'] === null ? undefined : list(given['history'], `${what}: history`, 10_000);
  return {
    ...optional('created', parseTime(given['created'])),
    ...optional('author', optionalText(given['author'], `${what}: author`)),
    ...optional('comment', optionalText(given['comment'], `${what}: comment`)),
    architecture: optionalText(given['architecture'], `${what}: architecture`) ?? '',
    os: optionalText(given['os'], `${what}: os`) ?? '',
    ...optional('variant', optionalText(given['variant'], `${what}: variant`)),
    ...optional('os.version', optionalText(given['os.version'], `${what}: os.version`)),
    ...optional('config', given['config'] === undefined || given['config'] === null ? undefined : parseRunConfig(given['config'], `${what}: config`)),
    rootfs: { type: 'layers', diff_ids: diffIds },
    ...optional('history', history?.map((item) => parseHistory(fields(item, `${what}: history`), `${what}: history`))),
  };
}

function parseTime(value: unknown): string | undefined {
  const text = optionalText(value, 'image configuration: created');
  if (text !== undefined && Number.isNaN(Date.parse(text))) throw invalid('invalid image configuration: created is not a time');
  return text;
}

function parseHistory(given: Fields, what: string): NonNullable<ImageConfigFile['history']>[number] {
  return {
    ...optional('created', optionalText(given['created'], what)),
    ...optional('created_by', optionalText(given['created_by'], what)),
    ...optional('author', optionalText(given['author'], what)),
    ...optional('comment', optionalText(given['comment'], what)),
    ...(given['empty_layer'] === true ? { empty_layer: true } : {}),
  };
}

/** The `config` member, also of a docker-archive's or a container's. */
export function parseRunConfig(value: unknown, what: string): ImageRunConfig {
  const given = fields(value, what);
  const health = given['Healthcheck'] === undefined || given['Healthcheck'] === null ? undefined : fields(given['Healthcheck'], `${what}.Healthcheck`);
  return {
    ...optional('User', optionalText(given['User'], `${what}.User`)),
    ...optional('ExposedPorts', keySet(given['ExposedPorts'], `${what}.ExposedPorts`)),
    ...optional('Env', texts(given['Env'], `${what}.Env`)),
    ...optional('Entrypoint', texts(given['Entrypoint'], `${what}.Entrypoint`)),
    ...optional('Cmd', texts(given['Cmd'], `${what}.Cmd`)),
    ...optional('Volumes', keySet(given['Volumes'], `${what}.Volumes`)),
    ...optional('WorkingDir', optionalText(given['WorkingDir'], `${what}.WorkingDir`)),
    ...optional('Labels', textMap(given['Labels'], `${what}.Labels`)),
    ...optional('StopSignal', optionalText(given['StopSignal'], `${what}.StopSignal`)),
    ...optional('OnBuild', texts(given['OnBuild'], `${what}.OnBuild`)),
    ...optional('Shell', texts(given['Shell'], `${what}.Shell`)),
    ...(given['ArgsEscaped'] === true ? { ArgsEscaped: true } : {}),
    ...(health === undefined ? {} : { Healthcheck: parseHealth(health, `${what}.Healthcheck`) }),
  };
}

function parseHealth(given: Fields, what: string): NonNullable<ImageRunConfig['Healthcheck']> {
  const test = texts(given['Test'], `${what}.Test`);
  const result: NonNullable<ImageRunConfig['Healthcheck']> = { ...optional('Test', test) };
  for (const key of ['Interval', 'Timeout', 'StartPeriod', 'StartInterval', 'Retries'] as const) {
    const value = given[key];
    if (value === undefined || value === null) continue;
    if (typeof value !== 'number' || !Number.isFinite(value)) throw invalid(`invalid ${what}.${key}: expected a number`);
    result[key] = value;
  }
  return result;
}

/** Names each layer by everything below it too. Lowest first. */
export function chainIds(diffIds: readonly Digest[]): Digest[] {
  let chain: Digest | undefined;
  return diffIds.map((diffId) => (chain = chain === undefined ? diffId : digestOf(Buffer.from(`${chain} ${diffId}`))));
}
