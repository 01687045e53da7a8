import { codeOf, wrap } from '#base/errors.ts';
import type { RegistryCredentials } from '#spec/wire/registry.ts';
import { chainIds } from '#image/documents.ts';
import type { Images } from '#image/images.ts';
import { renderPlatform } from '#image/platform.ts';
import { selectImage } from '#image/select.ts';
import { parseReference } from '#spec/reference.ts';
import type { VertexEvent } from '../solver/progress.ts';
import type { BaseImages, FoundImage, ImageWish } from './images.ts';

/** Base images of builds: those that are here, and those of registries. */
export function createBaseImages(images: Images): BaseImages {
  return {
    async find(reference, wish) {
      const platform = renderPlatform(wish.platform);
      if (wish.mode !== 'pull') {
        const here = await find(images, reference, platform).catch((error: unknown) => {
          if (wish.mode === 'local' || codeOf(error) !== 'not_found') throw error;
          return undefined;
        });
        if (here !== undefined) return here;
      }
      return remote(images, reference, platform, wish);
    },
  };
}

async function find({ context, prepare }: Images, reference: string, platform: string): Promise<FoundImage> {
  // Of an index only what was needed so far is unpacked.
  await prepare(reference, platform);
  const { id, chains, config } = selectImage(context, reference, platform).image;
  return { config, digest: undefined, id, chains, load: async () => chains };
}

async function remote({ context, registry }: Images, reference: string, platform: string, wish: ImageWish): Promise<FoundImage> {
  const credentials = credentialsFor(wish.auth, parseReference(reference).domain);
  const found = await registry.resolve(reference, { platform, credentials, signal: wish.signal }).catch((error: unknown) => {
    throw wrap(error, `failed to resolve source metadata for ${reference}`);
  });
  const chains = chainIds(found.config.rootfs.diff_ids);
  const isHere = (): boolean => chains.every((chain) => context.layers.get(chain) !== undefined);
  return {
    config: found.config,
    id: found.configDigest,
    digest: found.target,
    chains: isHere() ? chains : undefined,
    async load(tell, signal) {
      const sizes = new Map<string, { current: number; total: number | undefined }>();
      await registry.pullQuietly(reference, { platform, credentials, signal }, ({ id, status, progressDetail }) => {
        if (id === undefined || status === undefined) return;
        const known = sizes.get(id) ?? { current: 0, total: undefined };
        const current = progressDetail?.current ?? known.current;
        const total = progressDetail?.total ?? known.total;
        sizes.set(id, { current, total });
        const done = /^(?:Pull complete|Already exists|Download complete)/.test(status);
        const event: VertexEvent = { kind: 'status', id: `${id} ${status}`, current, total, done };
        if (done || progressDetail !== undefined) tell({ ...event, id });
      });
      return chains;
    },
  };
}

type Auth = ImageWish['auth'];

/** Keys are as config.json has them: `https://index.docker.io/v1/` or a host. */
export function credentialsFor(auth: Auth, domain: string): RegistryCredentials | undefined {
  const hosts = domain === 'docker.io' ? ['https://index.docker.io/v1/', 'index.docker.io', 'docker.io'] : [domain, `https://${domain}`, `http://${domain}`];
  const key = hosts.flatMap((host) => [host, `${host}/`]).find((host) => Object.hasOwn(auth, host));
  return key === undefined ? undefined : auth[key];
}
