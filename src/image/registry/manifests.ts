/** Single manifests at their registries, as they are: for those who compose indexes by hand. */
import { invalid, notFound } from '#base/errors.ts';
import { parseDigest } from '#spec/digest.ts';
import type { Reference } from '#spec/reference.ts';
import type { RegistryCredentials, RemoteManifest, RemoteManifestPut } from '#spec/wire/registry.ts';
import { digestOf, isIndexType, isManifestType, MAX_DOCUMENT, parseConfig, parseManifest } from '../documents.ts';
import type { Registries } from './registries.ts';
import type { Repository } from './repository.ts';
import { readBody } from './wire.ts';

export async function getManifest(registries: Registries, reference: Reference, credentials: RegistryCredentials | undefined, signal: AbortSignal): Promise<RemoteManifest> {
  const repositories = await registries.repositories(reference, 'pull', credentials);
  return registries.first(repositories, async (repository) => {
    const { bytes, mediaType, digest } = await repository.manifest(reference.digest ?? reference.tag ?? 'latest', signal);
    const parsed = parseManifest(bytes, mediaType);
    const type = mediaType || (parsed.kind === 'index' ? parsed.index.mediaType : parsed.manifest.mediaType) || '';
    const Descriptor = { mediaType: type, digest, size: bytes.length };
    const Raw = bytes.toString('base64');
    if (parsed.kind === 'index' || !/image/.test(parsed.manifest.config.mediaType)) return { Descriptor, Raw };
    const { architecture, os, variant, 'os.version': version } = parseConfig(await repository.smallBlob(parsed.manifest.config.digest, signal));
    return { Descriptor: { ...Descriptor, platform: { architecture, os, ...(version ? { 'os.version': version } : {}), ...(variant ? { variant } : {}) } }, Raw };
  });
}

/** Mounts the blobs that are not there yet, then puts the manifest. Returns its digest. */
export async function putManifest(
  registries: Registries,
  reference: Reference,
  { MediaType, Raw, Mounts = [] }: RemoteManifestPut,
  credentials: RegistryCredentials | undefined,
  signal: AbortSignal,
): Promise<{ Digest: string }> {
  const bytes = Buffer.from(Raw, 'base64');
  if (bytes.length > MAX_DOCUMENT) throw invalid(`invalid manifest: larger than ${MAX_DOCUMENT} bytes`);
  if (!isIndexType(MediaType) && !isManifestType(MediaType)) throw invalid(`${JSON.stringify(MediaType.slice(0, 100))} is not the media type of a manifest`);
  parseManifest(bytes, MediaType);
  const digest = digestOf(bytes);
  if (reference.digest !== undefined && reference.digest !== digest) throw invalid(`the manifest has the digest ${digest}, not ${reference.digest}`);
  const repositories = await registries.repositories(reference, 'push', credentials);
  return registries.first(repositories, async (repository) => {
    for (const mount of Mounts) await mountBlob(repository, mount, signal);
    await repository.putManifest(reference.digest ?? reference.tag ?? 'latest', { bytes, mediaType: MediaType }, signal);
    return { Digest: digest };
  });
}

async function mountBlob(repository: Repository, { Digest: given, From }: { Digest: string; From: string }, signal: AbortSignal): Promise<void> {
  const digest = parseDigest(given);
  if (await repository.hasBlob(digest, signal)) return;
  const response = await repository.request({
    method: 'POST',
    path: `/v2/${repository.path}/blobs/uploads/?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(From)}`,
    headers: { 'content-length': '0' },
    expect: [201, 202],
    scopes: [`repository:${From}:pull`],
    signal,
  });
  await readBody(response, 64 << 10);
  // An upload began instead: the registry does not find the blob there.
  if (response.status === 202) throw notFound(`blob ${digest} cannot be mounted from ${From}: push its image to ${repository.path} first`);
}
