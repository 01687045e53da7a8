import { ZERO_TIME } from '#base/clock.ts';
import type { ImageInspect, ImageSummary } from '#spec/wire/image.ts';
import { versionBelow } from '../../version.ts';

/** Fields of an image's Config that are always sent, some only to older versions, with their empty values. */
const alwaysUntil149 = {
  AttachStderr: false,
  AttachStdin: false,
  AttachStdout: false,
  Domainname: '',
  Hostname: '',
  Image: '',
  OpenStdin: false,
  StdinOnce: false,
  Tty: false,
};
const always = {
  Cmd: null,
  Entrypoint: null,
  Env: null,
  Labels: null,
  OnBuild: null,
  User: '',
  Volumes: null,
  WorkingDir: '',
};

/** GET /images/{name}/json as a client of this version knows it. Empty fields, which Docker leaves out since 1.52, stay for those who read them unasked. */
export function adaptImage(image: ImageInspect, version: string, client = ''): ImageInspect {
  const adapted: Record<string, unknown> = { Parent: '', Comment: '', DockerVersion: '', Author: '', ...image };
  adapted['Config'] = {
    ...(versionBelow(version, '1.50') ? alwaysUntil149 : {}),
    ...always,
    ...image.Config,
  };
  if (versionBelow(version, '1.48')) delete adapted['Descriptor'];
  // docker-compose 1 speaks the newest version and yet reads the old field when it recreates a container.
  if (versionBelow(version, '1.45') || client.startsWith('docker-compose/1.')) {
    adapted['Container'] = '';
    // The container that a classic build commits has the image's own configuration; docker-compose 1.29 reads volumes there.
    adapted['ContainerConfig'] = { ...alwaysUntil149, ...always, ...image.Config };
  }
  if (versionBelow(version, '1.44')) {
    adapted['VirtualSize'] = image.Size ?? 0;
    if (!image.Created) adapted['Created'] = ZERO_TIME;
  }
  return adapted as ImageInspect;
}

/** One entry of GET /images/json. */
export function adaptImageSummary(image: ImageSummary, version: string): ImageSummary {
  if (!versionBelow(version, '1.51')) return image;
  const adapted: ImageSummary & { VirtualSize?: number } = { ...image, Containers: -1 };
  if (versionBelow(version, '1.48')) delete adapted.Descriptor;
  if (versionBelow(version, '1.44')) adapted.VirtualSize = image.Size;
  if (versionBelow(version, '1.43') && adapted.RepoTags.length === 0 && adapted.RepoDigests.length === 0) {
    adapted.RepoTags = ['<none>:<none>'];
    adapted.RepoDigests = ['<none>@<none>'];
  }
  return adapted;
}
