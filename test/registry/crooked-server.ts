/** A registry of a test's own, that tells the truth until it is told not to. Only what pulls and pushes ask for. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { TAR_END, tarHeader, tarPadding } from '#spec/tar/writer.ts';
import { goArchitecture } from '#image/configuration.ts';

export const sha256 = (bytes: Uint8Array | string): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

export interface MadeLayer {
  bytes: Buffer;
  digest: string;
  diffId: string;
  mediaType: string;
  urls?: string[];
}

export interface MadeImage {
  manifest: Buffer;
  mediaType: string;
  digest: string;
  config: Buffer;
  layers: MadeLayer[];
}

export const dockerLayer = 'application/vnd.docker.image.rootfs.diff.tar.gzip';
export const dockerManifest = 'application/vnd.docker.distribution.manifest.v2+json';

/** A layer of one file. */
export function makeLayer(name: string, data: Buffer | string, level = 1): MadeLayer {
  const body = Buffer.from(data);
  const tar = Buffer.concat([tarHeader({ name, type: 'file', mode: 0o644, size: body.length }), body, ...(body.length % 512 === 0 ? [] : [tarPadding(body.length)]), TAR_END]);
  const bytes = gzipSync(tar, { level });
  return { bytes, digest: sha256(bytes), diffId: sha256(tar), mediaType: dockerLayer };
}

export function makeImage(layers: MadeLayer[], change: (manifest: Record<string, unknown>) => unknown = (manifest) => manifest): MadeImage {
  const config = Buffer.from(JSON.stringify({ os: 'linux', architecture: goArchitecture(), config: {}, rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) } }));
  const manifest = Buffer.from(
    JSON.stringify(
      change({
        schemaVersion: 2,
        mediaType: dockerManifest,
        config: { mediaType: 'application/vnd.docker.container.image.v1+json', size: config.length, digest: sha256(config) },
        layers: layers.map(({ mediaType, bytes, digest, urls }) => ({ mediaType, size: bytes.length, digest, ...(urls === undefined ? {} : { urls }) })),
      }),
    ),
  );
  return { manifest, mediaType: dockerManifest, digest: sha256(manifest), config, layers };
}

export interface Seen {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
}

/** Answers in the server's place, or returns false to have the truth told. */
export type Trick = (request: IncomingMessage, response: ServerResponse, body: Buffer | undefined) => boolean;

export interface CrookedServer extends AsyncDisposable {
  host: string;
  /** Publishes an image under `name:1`; returns the complete name. */
  publish(name: string, image: MadeImage): string;
  trick: Trick;
  seen: Seen[];
  /** Requests for a blob's bytes. */
  blobRequests(digest?: string): Seen[];
}

export async function startCrookedServer(): Promise<CrookedServer> {
  const blobs = new Map<string, Buffer>();
  const manifests = new Map<string, { bytes: Buffer; mediaType: string }>();
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '', 'http://x').pathname;
    self.seen.push({ method: request.method ?? '', path, headers: request.headers });
    request.resume();
    const blob = /\/blobs\/(sha256:.*)$/.exec(path)?.[1];
    const manifest = /^\/v2\/(.+)\/manifests\/(.+)$/.exec(path);
    const found = manifest === null ? undefined : manifests.get(`${manifest[1]}:${manifest[2]}`);
    const body = blob === undefined ? found?.bytes : blobs.get(blob);
    if (self.trick(request, response, body)) return;
    if (path === '/v2/') response.end('{}');
    else if (body === undefined) {
      response.statusCode = 404;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ errors: [{ code: blob === undefined ? 'MANIFEST_UNKNOWN' : 'BLOB_UNKNOWN', message: 'unknown' }] }));
    } else if (found !== undefined) {
      response.setHeader('content-type', found.mediaType);
      response.setHeader('docker-content-digest', sha256(body));
      response.end(body);
    } else sendBlob(request, response, body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const self: CrookedServer = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    trick: () => false,
    seen: [],
    publish(name, { manifest, mediaType, digest, config, layers }) {
      manifests.set(`${name}:1`, { bytes: manifest, mediaType });
      manifests.set(`${name}:${digest}`, { bytes: manifest, mediaType });
      blobs.set(sha256(config), config);
      for (const layer of layers) blobs.set(layer.digest, layer.bytes);
      return `${self.host}/${name}:1`;
    },
    blobRequests: (digest) => self.seen.filter(({ method, path }) => method === 'GET' && path.includes('/blobs/') && (digest === undefined || path.endsWith(digest))),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return self;
}

/** With ranges, as registries do. */
export function sendBlob(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  response.setHeader('content-type', 'application/octet-stream');
  if (range === null) {
    response.setHeader('content-length', body.length);
    response.end(body);
    return;
  }
  const from = Number(range[1]);
  const to = range[2] === '' ? body.length - 1 : Math.min(Number(range[2]), body.length - 1);
  response.statusCode = 206;
  response.setHeader('content-range', `bytes ${from}-${to}/${body.length}`);
  response.setHeader('content-length', to - from + 1);
  response.end(body.subarray(from, to + 1));
}
