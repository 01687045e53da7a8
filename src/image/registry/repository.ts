import { EngineError } from '#base/errors.ts';
import type { Digest } from '#spec/digest.ts';
import { mediaTypes } from '#spec/oci-image.ts';
import type { RegistryCredentials } from '#spec/wire/registry.ts';
import { digestOf, MAX_DOCUMENT } from '../documents.ts';
import { parseChallenges, type Challenge } from './challenge.ts';
import type { Endpoint } from './endpoints.ts';
import { refusal, registryError } from './fault.ts';
import { basicPair, type TokenSource } from './tokens.ts';
import { readBody, type Wire, type WireRequest, type WireResponse } from './wire.ts';

/** What a registry sent for a tag or digest, with the digest of the bytes themselves. */
export interface FetchedDocument {
  bytes: Buffer;
  mediaType: string;
  digest: Digest;
}

/** One repository at one endpoint, with what is needed to be let in. */
export interface Repository {
  readonly endpoint: Endpoint;
  readonly path: string;
  /** One request; `path` is below `/v2/`. Answers challenges; fails for every status that is not among `expect`. */
  request(request: RepositoryRequest): Promise<WireResponse>;
  /** By tag or digest. By digest, other bytes are refused. */
  manifest(reference: string, signal: AbortSignal): Promise<FetchedDocument>;
  /** What HEAD says of it; undefined when it is not there. */
  headManifest(reference: string, signal: AbortSignal): Promise<{ digest: string | undefined; mediaType: string; size: number } | undefined>;
  putManifest(reference: string, document: { bytes: Uint8Array; mediaType: string }, signal: AbortSignal): Promise<void>;
  /** A small blob such as a configuration, verified. */
  smallBlob(digest: Digest, signal: AbortSignal): Promise<Buffer>;
  hasBlob(digest: Digest, signal: AbortSignal): Promise<boolean>;
  tags(signal: AbortSignal): Promise<string[]>;
}

export interface RepositoryRequest extends Omit<WireRequest, 'url' | 'verify'> {
  /** Below the registry's root, or a whole URL that the registry gave. */
  path: string | URL;
  expect: readonly number[];
  /** Rights beside the repository's own, e.g. `repository:other:pull`. */
  scopes?: readonly string[];
}

export const MANIFEST_TYPES = [mediaTypes.ociIndex, mediaTypes.dockerList, mediaTypes.ociManifest, mediaTypes.dockerManifest];
const SCHEMA_1 = /^application\/vnd\.docker\.distribution\.manifest\.v1\+(?:json|prettyjws)/;
const MAX_ERROR = 64 << 10;
const MAX_TAGS = 1_000_000;

/** Credentials are missing or were refused, before the registry was asked for anything. */
class NotLetIn extends EngineError {
  constructor(refusal: EngineError, attempted = '') {
    super(refusal.code, `${attempted}${refusal.message}`, { cause: refusal.cause, details: refusal.details });
  }

  attempting(what: string): NotLetIn {
    return new NotLetIn(this, `${what}: `);
  }
}

export interface RepositoryOptions {
  wire: Wire;
  tokens: TokenSource;
  endpoint: Endpoint;
  path: string;
  credentials: RegistryCredentials | undefined;
  actions: 'pull' | 'pull,push';
}

export function createRepository(options: RepositoryOptions): Repository {
  const { wire, tokens, endpoint, path, credentials } = options;
  const own = `repository:${path}:${options.actions}`;
  let challenge: Challenge | undefined;

  const authorization = async (scopes: readonly string[], signal: AbortSignal): Promise<string | undefined> => {
    if (challenge === undefined) return undefined;
    if (challenge.scheme === 'basic') {
      const pair = basicPair(credentials);
      return pair === undefined ? undefined : `Basic ${Buffer.from(`${pair.username}:${pair.password}`).toString('base64')}`;
    }
    try {
      const { token } = await tokens.get({ registry: endpoint.base, verify: endpoint.verify, challenge, scopes, credentials, signal });
      return `Bearer ${token}`;
    } catch (error) {
      throw error instanceof EngineError && error.code === 'unauthorized' ? new NotLetIn(error) : error;
    }
  };

  const request = async ({ path: below, expect, scopes = [], ...given }: RepositoryRequest): Promise<WireResponse> => {
    const url = typeof below === 'string' ? new URL(below, endpoint.base) : below;
    // Credentials are for the registry, not for whom it points at.
    const trusted = url.origin === endpoint.base.origin;
    const wanted = [own, ...scopes];
    for (let attempt = 0; ; attempt++) {
      const header = trusted ? await authorization(wanted, given.signal) : undefined;
      const headers = { ...given.headers, ...(header === undefined ? {} : { authorization: header }) };
      const response = await wire.send({ ...given, headers, url, verify: endpoint.verify || !trusted });
      if (expect.includes(response.status)) return response;
      if (response.status === 401 && trusted && attempt === 0) {
        const offered = parseChallenges(response.headers['www-authenticate'] ?? '');
        const chosen = offered.find(({ scheme }) => scheme === 'bearer') ?? offered.find(({ scheme }) => scheme === 'basic');
        if (chosen !== undefined) {
          await readBody(response, MAX_ERROR).catch(() => undefined);
          challenge = chosen;
          if (header?.startsWith('Bearer ') === true) tokens.forget(header.slice(7));
          if (chosen.scheme === 'basic' && basicPair(credentials) === undefined) throw new NotLetIn(registryError('unauthorized', 'no basic auth credentials', { status: 401, code: 'UNAUTHORIZED' }));
          continue;
        }
      }
      const body = given.method === 'HEAD' ? Buffer.alloc(0) : await readBody(response, MAX_ERROR);
      if (given.method === 'HEAD') response.body.resume();
      throw refusal(response.status, body, url, response.headers['retry-after']);
    }
  };

  const root = `/v2/${path}`;
  return {
    endpoint,
    path,
    request,
    async manifest(reference, signal) {
      const path = `${root}/manifests/${reference}`;
      const response = await request({ method: 'GET', path, headers: { accept: MANIFEST_TYPES.join(', ') }, expect: [200], redirects: 5, signal }).catch((error: unknown) => {
        // Docker asks with HEAD first; who was not even let in to ask is told so.
        throw error instanceof NotLetIn ? error.attempting(`Head ${JSON.stringify(`${endpoint.base.origin}${path}`)}`) : error;
      });
      const mediaType = (response.headers['content-type'] ?? '').split(';')[0]?.trim() ?? '';
      const bytes = await readBody(response, MAX_DOCUMENT);
      const what = `${endpoint.base.host}/${options.path}${reference.includes(':') ? '@' : ':'}${reference}`;
      if (SCHEMA_1.test(mediaType)) {
        throw registryError(
          'invalid_argument',
          `${what} is an image of the old manifest schema 1, which is no longer supported: ask the author to push it again with a current tool, or copy it once with "skopeo copy --format v2s2"`,
          {},
        );
      }
      const digest = digestOf(bytes);
      const expected = reference.includes(':') ? reference : response.headers['docker-content-digest'];
      if (expected !== undefined && /^sha256:/.test(String(expected)) && expected !== digest) {
        throw registryError('internal', `registry ${endpoint.base.host} sent another manifest for ${what}: expected ${String(expected).slice(0, 100)}, got ${digest}`, {});
      }
      // What is not one of the types we asked for is judged by its content.
      return { bytes, mediaType: (MANIFEST_TYPES as readonly string[]).includes(mediaType) ? mediaType : '', digest };
    },
    async headManifest(reference, signal) {
      const response = await request({ method: 'HEAD', path: `${root}/manifests/${reference}`, headers: { accept: MANIFEST_TYPES.join(', ') }, expect: [200, 404], redirects: 5, signal });
      response.body.resume();
      if (response.status === 404) return undefined;
      const digest = response.headers['docker-content-digest'];
      return { digest: typeof digest === 'string' ? digest : undefined, mediaType: response.headers['content-type'] ?? '', size: Number(response.headers['content-length'] ?? 0) };
    },
    async putManifest(reference, { bytes, mediaType }, signal) {
      const response = await request({ method: 'PUT', path: `${root}/manifests/${reference}`, headers: { 'content-type': mediaType }, body: bytes, expect: [200, 201, 202], signal });
      await readBody(response, MAX_ERROR);
    },
    async smallBlob(digest, signal) {
      const response = await request({ method: 'GET', path: `${root}/blobs/${digest}`, expect: [200], redirects: 10, signal });
      const bytes = await readBody(response, MAX_DOCUMENT);
      if (digestOf(bytes) !== digest) throw registryError('internal', `registry ${endpoint.base.host} sent other bytes for blob ${digest} of ${path}: ${digestOf(bytes)}`, {});
      return bytes;
    },
    async hasBlob(digest, signal) {
      const response = await request({ method: 'HEAD', path: `${root}/blobs/${digest}`, expect: [200, 404], redirects: 10, signal });
      response.body.resume();
      return response.status === 200;
    },
    async tags(signal) {
      const found: string[] = [];
      let next: string | URL | undefined = `${root}/tags/list?n=1000`;
      while (next !== undefined) {
        const response: WireResponse = await request({ method: 'GET', path: next, expect: [200], redirects: 5, signal });
        const { tags } = JSON.parse((await readBody(response, MAX_DOCUMENT)).toString('utf8')) as { tags?: unknown };
        const before = found.length;
        if (Array.isArray(tags)) for (const tag of tags) if (typeof tag === 'string' && /^[\w][\w.-]{0,127}$/.test(tag)) found.push(tag);
        if (found.length > MAX_TAGS) throw registryError('internal', `registry ${endpoint.base.host} names more than ${MAX_TAGS} tags of ${path}`, {});
        const link = /<([^>]+)>\s*;\s*rel="?next"?/.exec(String(response.headers.link ?? ''))?.[1];
        const url: URL | null = link === undefined ? null : URL.parse(link, response.url);
        next = url === null || found.length === before ? undefined : url;
      }
      return found;
    },
  };
}
