import { mediaTypes, type Descriptor } from '#spec/oci-image.ts';
import { requireReachable } from './addresses.ts';
import type { OpenRange } from './download.ts';
import { faultOf, refusal, registryError } from './fault.ts';
import type { Registries } from './registries.ts';
import type { Repository } from './repository.ts';
import { readBody } from './wire.ts';

const dockerLayerTar = 'application/vnd.docker.image.rootfs.diff.tar';
const layerTypes: readonly string[] = [mediaTypes.ociLayer, mediaTypes.ociLayerGzip, mediaTypes.ociLayerZstd, mediaTypes.dockerLayerGzip, dockerLayerTar, `${dockerLayerTar}.zstd`, ''];
const FOREIGN = /^application\/vnd\.(?:docker\.image\.rootfs\.foreign\.diff\.tar(?:\.gzip|\.zstd)?|oci\.image\.layer\.nondistributable\.v1\.tar(?:\+gzip|\+zstd)?)$/;

/** A layer that its maker does not want given away: registries may lack it. */
export const isForeign = (mediaType: string): boolean => FOREIGN.test(mediaType);
export const isLayerType = (mediaType: string): boolean => layerTypes.includes(mediaType) || isForeign(mediaType);

/**
 * For a foreign layer: the registry first, then the addresses that the manifest gives, without any credentials and not closer to
 * us than the registry is (CVE-2020-15157). Undefined for all others, whose addresses do not count.
 */
export function foreignSource({ wire }: Registries, repository: Repository, { digest, mediaType, urls = [] }: Descriptor): OpenRange | undefined {
  if (!isForeign(mediaType) || urls.length === 0) return undefined;
  let elsewhere = false;
  return async (offset, end, signal) => {
    const headers: Record<string, string> = offset === 0 && end === undefined ? {} : { range: `bytes=${offset}-${end === undefined ? '' : end - 1}` };
    if (!elsewhere) {
      try {
        return await repository.request({ method: 'GET', path: `/v2/${repository.path}/blobs/${digest}`, headers, expect: [200, 206], redirects: 10, signal });
      } catch (error) {
        if (faultOf(error)?.status !== 404) throw error;
        elsewhere = true;
      }
    }
    let last: unknown = registryError('not_found', `registry ${repository.endpoint.base.host} does not have the foreign layer ${digest}, nor do its other addresses`, {});
    for (const text of urls.slice(0, 10)) {
      try {
        const url = URL.parse(text);
        if (url === null) continue;
        const addresses = await requireReachable(repository.endpoint.base, url, 'layer address');
        const response = await wire.send({ method: 'GET', url, headers, addresses, signal });
        if (response.status === 200 || response.status === 206) return response;
        throw refusal(response.status, await readBody(response, 64 << 10), url, response.headers['retry-after']);
      } catch (error) {
        last = error;
      }
    }
    throw last;
  };
}
