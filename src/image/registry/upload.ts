import { open } from 'node:fs/promises';
import type { Digest } from '#spec/digest.ts';
import { faultOf, registryError } from './fault.ts';
import type { Repository } from './repository.ts';
import { retrying, type RetryPolicy } from './retry.ts';
import { readBody, type WireResponse } from './wire.ts';

export interface UploadOptions {
  repository: Repository;
  digest: Digest;
  size: number;
  /** The blob from a byte on. */
  read: (from: number) => AsyncIterable<Uint8Array>;
  /** Repositories of the same registry that may have it. */
  mountFrom: readonly string[];
  retries: RetryPolicy;
  signal: AbortSignal;
  onProgress: (sent: number) => void;
}

export type UploadResult = { kind: 'pushed' } | { kind: 'exists' } | { kind: 'mounted'; from: string };

const MAX_ANSWER = 64 << 10;

/**
 * Brings one blob to a registry: not when it is there, by a mount where another repository has it, else in one piece, going on
 * from where the registry says a broken one ended.
 */
export async function upload(options: UploadOptions): Promise<UploadResult> {
  const { repository, digest, mountFrom, retries, signal } = options;
  if (await retrying(retries, signal, () => repository.hasBlob(digest, signal))) return { kind: 'exists' };
  let location: URL | undefined;
  for (const from of mountFrom.slice(0, 4)) {
    const started = await startUpload(repository, signal, { digest, from }).catch((error: unknown) => {
      // A mount that is refused costs nothing: the upload goes on without it.
      if (faultOf(error)?.status === undefined) throw error;
      return undefined;
    });
    if (started?.mounted === true) return { kind: 'mounted', from };
    location = started?.location ?? location;
    if (location !== undefined) break;
  }
  let session = location;
  let sent = 0;
  await retrying(
    retries,
    signal,
    async (attempt) => {
      if (session !== undefined && attempt > 0) {
        const where = await whereIs(repository, session, signal);
        session = where?.location;
        sent = where?.offset ?? 0;
      }
      if (session === undefined) {
        const started = await startUpload(repository, signal);
        session = started.location;
        sent = 0;
      }
      await send(options, session, sent);
    },
    { progressed: () => sent > 0 },
  );
  return { kind: 'pushed' };
}

async function startUpload(repository: Repository, signal: AbortSignal, mount?: { digest: Digest; from: string }): Promise<{ mounted: boolean; location: URL }> {
  const query = mount === undefined ? '' : `?mount=${encodeURIComponent(mount.digest)}&from=${encodeURIComponent(mount.from)}`;
  const response = await repository.request({
    method: 'POST',
    path: `/v2/${repository.path}/blobs/uploads/${query}`,
    headers: { 'content-type': 'application/octet-stream' },
    body: new Uint8Array(0),
    expect: mount === undefined ? [202] : [201, 202],
    ...(mount === undefined ? {} : { scopes: [`repository:${mount.from}:pull`] }),
    signal,
  });
  await readBody(response, MAX_ANSWER);
  return { mounted: response.status === 201, location: locationOf(response, repository) };
}

function locationOf(response: WireResponse, repository: Repository): URL {
  const location = URL.parse(response.headers.location ?? '', response.url);
  if (location === null || response.headers.location === undefined || (location.protocol !== 'https:' && location.protocol !== 'http:')) {
    throw registryError('internal', `registry ${repository.endpoint.base.host} does not say where to upload for ${repository.path}`, {});
  }
  // Behind proxies registries often get their own scheme wrong.
  if (location.host === repository.endpoint.base.host) location.protocol = repository.endpoint.base.protocol;
  return location;
}

/** How much of an upload the registry has; undefined when it knows nothing of it. */
async function whereIs(repository: Repository, session: URL, signal: AbortSignal): Promise<{ location: URL; offset: number } | undefined> {
  try {
    const response = await repository.request({ method: 'GET', path: session, expect: [204], signal });
    await readBody(response, MAX_ANSWER);
    const range = /^(?:bytes=)?0-(\d+)$/.exec(response.headers.range ?? '');
    // "0-0" is what some say of nothing and others of one byte: one byte is soon sent again, in a new upload.
    if (range === null || range[1] === '0') return undefined;
    return { location: response.headers.location === undefined ? session : locationOf(response, repository), offset: Number(range[1]) + 1 };
  } catch (error) {
    if (faultOf(error)?.status !== undefined) return undefined;
    throw error;
  }
}

async function send(options: UploadOptions, session: URL, from: number): Promise<void> {
  const { repository, digest, size, signal, read, onProgress } = options;
  const whole = new URL(session);
  whole.searchParams.set('digest', digest);
  const body = { size: size - from, open: () => counted(read(from), from, onProgress) };
  const type = { 'content-type': 'application/octet-stream' };
  try {
    if (from === 0) {
      const response = await repository.request({ method: 'PUT', path: whole, headers: type, body, expect: [201, 204], signal });
      await readBody(response, MAX_ANSWER);
      return;
    }
    // The rest as one chunk, then the end.
    const headers = { ...type, 'content-range': `${from}-${size - 1}` };
    const patched = await repository.request({ method: 'PATCH', path: session, headers, body, expect: [202, 204], signal });
    await readBody(patched, MAX_ANSWER);
    const last = locationOf(patched, repository);
    last.searchParams.set('digest', digest);
    const response = await repository.request({ method: 'PUT', path: last, headers: type, body: new Uint8Array(0), expect: [201, 204], signal });
    await readBody(response, MAX_ANSWER);
  } catch (error) {
    const fault = faultOf(error);
    if (fault?.status === undefined || fault.transient) throw error;
    throw registryError('internal', `registry ${repository.endpoint.base.host}, blob ${digest} of ${repository.path}: ${error instanceof Error ? error.message : String(error)}`, fault, error);
  }
}

async function* counted(chunks: AsyncIterable<Uint8Array>, from: number, onProgress: (sent: number) => void): AsyncGenerator<Uint8Array> {
  let sent = from;
  for await (const chunk of chunks) {
    yield chunk;
    sent += chunk.length;
    onProgress(sent);
  }
}

const PIECE = 1 << 20;

/** A file from a byte on. */
export async function* readFrom(path: string, from: number): AsyncGenerator<Uint8Array> {
  const handle = await open(path, 'r');
  try {
    for (let position = from; ; ) {
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(PIECE), 0, PIECE, position);
      if (bytesRead === 0) return;
      position += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}
