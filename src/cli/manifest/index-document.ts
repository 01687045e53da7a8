import type { OCIPlatform } from '#spec/wire/image.ts';
import type { ListEntry } from './store.ts';

const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';

/** The index over some manifests, in docker's bytes: an OCI index when all of them are OCI manifests, else a Docker list. */
export function indexDocument(entries: readonly Pick<ListEntry, 'Descriptor'>[]): { mediaType: string; text: string } {
  const oci = entries.length > 0 && entries.every(({ Descriptor }) => Descriptor.mediaType === 'application/vnd.oci.image.manifest.v1+json');
  const mediaType = oci ? OCI_INDEX : DOCKER_LIST;
  const manifests = entries.map(({ Descriptor: { mediaType: type, size, digest, platform } }) => ({ mediaType: type, size, digest, platform: ordered(platform ?? {}) }));
  return { mediaType, text: JSON.stringify({ schemaVersion: 2, mediaType, manifests }, undefined, 3) };
}

export function ordered(platform: OCIPlatform): OCIPlatform {
  const { architecture = '', os = '', variant, 'os.version': version, 'os.features': features } = platform;
  return {
    architecture,
    os,
    ...(version ? { 'os.version': version } : {}),
    ...(features && features.length > 0 ? { 'os.features': features } : {}),
    ...(variant ? { variant } : {}),
  };
}
