import { invalid } from '#base/errors.ts';
import { isDigest } from '#spec/digest.ts';
import type { RegistryCredentials, RemoteManifestPut } from '#spec/wire/registry.ts';
import type { ImageService } from '../../services.ts';
import type { ApiRequest } from '../api-request.ts';
import { list, object, text } from '../decode/decoder.ts';
import { credentialsFrom, registryAuth } from '../registry-auth.ts';
import { json, type Reply } from '../reply.ts';
import type { Route } from '../router.ts';
import { progress } from './streams.ts';

const credentialsBody = object<RegistryCredentials>('registry.AuthConfig', {
  username: text, password: text, auth: text, serveraddress: text, identitytoken: text, registrytoken: text,
});

const manifestBody = object<RemoteManifestPut>('gantry.RemoteManifestPut', {
  MediaType: text, Raw: text, Mounts: list(object('gantry.RemoteMount', { Digest: text, From: text })),
});

/** What is asked of registries; pulling is part of `/images/create`. */
export function registryRoutes(images: ImageService): Route[] {
  return [
    { method: 'POST', pattern: '/images/{name}/push', handle: (request) => push(images, request) },
    { method: 'GET', pattern: '/images/search', handle: (request) => search(images, request) },
    {
      method: 'GET',
      pattern: '/distribution/{name}/json',
      handle: async (request) => json(await images.distribution(request.param('name'), registryAuth(request.headers), request.signal)),
    },
    {
      method: 'GET',
      pattern: '/gantry/distribution/{name}/manifest',
      handle: async (request) => json(await images.manifest(request.param('name'), registryAuth(request.headers), request.signal)),
    },
    {
      method: 'PUT',
      pattern: '/gantry/distribution/{name}/manifest',
      handle: async (request) => json(await images.putManifest(request.param('name'), await request.json(manifestBody), registryAuth(request.headers), request.signal)),
    },
    {
      method: 'POST',
      pattern: '/auth',
      handle: async (request) => {
        const body = await request.json(credentialsBody);
        return json(await images.authenticate(credentialsFrom({ ...body }) ?? {}, request.signal));
      },
    },
  ];
}

async function push(images: ImageService, request: ApiRequest): Promise<Reply> {
  const { query } = request;
  const name = request.param('name');
  const tag = query.text('tag');
  let credentials = registryAuth(request.headers);
  if (request.headers['x-registry-auth'] === undefined && Number(request.headers['content-length'] ?? 0) > 0) {
    // The way of very old clients.
    credentials = credentialsFrom({ ...(await request.json(credentialsBody)) });
  }
  const platform = request.before('1.46') ? undefined : query.text('platform');
  return progress(images.push({ reference: withTag(name, tag), platform, credentials }));
}

/** The tag of its own parameter; it may be a digest. */
export function withTag(name: string, tag: string | undefined): string {
  if (tag === undefined) return name;
  const slash = name.lastIndexOf('/');
  const at = name.indexOf('@');
  const bare = at >= 0 ? name.slice(0, at) : name;
  const colon = bare.indexOf(':', slash + 1);
  if (isDigest(tag)) return `${colon < 0 ? bare : bare.slice(0, colon)}@${tag}`;
  if (!/^[\w][\w.-]{0,127}$/.test(tag)) throw invalid('invalid tag format');
  return `${colon < 0 ? bare : bare.slice(0, colon)}:${tag}`;
}

export function pull(images: ImageService, request: ApiRequest, from: string): Promise<Reply> {
  const { query } = request;
  // `pull -a` of old clients sends a name that ends in a colon.
  const reference = withTag(from.replace(/:$/, ''), query.text('tag'));
  return progress(
    images.pull({ reference, all: true, platform: request.before('1.32') ? undefined : query.text('platform'), credentials: registryAuth(request.headers) }),
  );
}

async function search(images: ImageService, request: ApiRequest): Promise<Reply> {
  const { query } = request;
  const term = query.text('term');
  if (term === undefined) throw invalid('no search term given: name it in the query parameter term');
  return json(await images.search(term, { limit: query.integer('limit') ?? 0, filters: query.filters, credentials: registryAuth(request.headers) }, request.signal));
}
