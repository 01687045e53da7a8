import { invalid, messageOf } from '#base/errors.ts';
import type { ContextOffer, NativeBuildRequest, OfferedFile } from '#spec/wire/native-build.ts';
import type { BuildService } from '../../services.ts';
import type { ApiRequest } from '../api-request.ts';
import { json, noContent, type Reply } from '../reply.ts';
import type { Route } from '../router.ts';
import { bytes, jsonLines } from './streams.ts';

const LARGEST_LINE = 64 * 1024;
const MOST_FILES = 5_000_000;
const LARGEST_BUILD = 64 << 20;

/** Gantry's own build protocol; see docs/build-protocol.md. */
export function nativeBuildRoutes(builds: BuildService): Route[] {
  return [
    { method: 'POST', pattern: '/gantry/v1/contexts', handle: (request) => offer(builds, request) },
    { method: 'POST', pattern: '/gantry/v1/contexts/tar', handle: async (request) => json(await builds.offerTar(request.body)) },
    {
      method: 'PUT',
      pattern: '/gantry/v1/contexts/{id}',
      handle: async (request) => {
        await builds.fillContext(request.param('id'), request.body);
        return noContent;
      },
    },
    { method: 'POST', pattern: '/gantry/v1/builds', handle: (request) => build(builds, request) },
    {
      method: 'GET',
      pattern: '/gantry/v1/builds/{ref}/outputs/{index}',
      handle: (request) => bytes(builds.output(request.param('ref'), Number(request.param('index'))), 'application/x-tar'),
    },
    { method: 'GET', pattern: '/gantry/v1/builds/cache', handle: async () => json(await builds.diskUsage()) },
    { method: 'GET', pattern: '/gantry/v1/history', handle: () => json(builds.history()) },
    { method: 'GET', pattern: '/gantry/v1/history/{ref}', handle: (request) => json(builds.historyOf(request.param('ref'))) },
    {
      method: 'DELETE',
      pattern: '/gantry/v1/history/{ref}',
      handle: (request) => {
        builds.forget(request.param('ref'));
        return noContent;
      },
    },
    {
      method: 'DELETE',
      pattern: '/gantry/v1/history',
      handle: () => {
        builds.forget(undefined);
        return noContent;
      },
    },
  ];
}

async function offer(builds: BuildService, request: ApiRequest): Promise<Reply> {
  let head: ContextOffer | undefined;
  const files: OfferedFile[] = [];
  for await (const line of lines(request.body)) {
    const value = parse(line);
    if (head === undefined) head = requireOffer(value);
    else {
      if (files.length >= MOST_FILES) throw invalid(`a context has more than ${MOST_FILES} files`);
      files.push(requireFile(value));
    }
  }
  if (head === undefined) throw invalid('a context begins with a line that says whose it is');
  return json(await builds.offerContext(head.sharedKey, files));
}

async function* lines(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true });
    const parts = rest.split('\n');
    rest = parts.pop() ?? '';
    if (rest.length > LARGEST_LINE) throw invalid('a line of a context is too long');
    for (const line of parts) if (line !== '') yield line;
  }
  if (rest !== '') yield rest;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid(`invalid JSON: ${messageOf(cause)}`, { cause });
  }
}

function requireOffer(value: unknown): ContextOffer {
  const key = typeof value === 'object' && value !== null && 'sharedKey' in value ? value.sharedKey : undefined;
  if (typeof key !== 'string' || key === '' || key.length > 300) throw invalid('a context needs a shared key');
  return { sharedKey: key };
}

function requireFile(value: unknown): OfferedFile {
  if (Array.isArray(value)) {
    const [path, type, mode, size, mtime, target] = value as unknown[];
    const good = typeof path === 'string' && (type === 'file' || type === 'dir' || type === 'symlink') && [mode, size, mtime].every((item) => typeof item === 'number' && Number.isFinite(item));
    if (good && typeof target === 'string') return [path, type, mode as number, size as number, mtime as number, target];
  }
  throw invalid('a file of a context is [path, type, mode, size, mtime, target]');
}

async function build(builds: BuildService, request: ApiRequest): Promise<Reply> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body) {
    size += chunk.length;
    if (size > LARGEST_BUILD) throw invalid(`the request body is larger than ${LARGEST_BUILD} bytes`);
    chunks.push(chunk);
  }
  const given = parse(Buffer.concat(chunks).toString());
  return jsonLines(builds.native(requireBuild(given), request.signal), {
    contentType: 'application/jsonl',
    renderError: (error) => `${JSON.stringify({ type: 'failed', message: messageOf(error), exitCode: undefined, excerpt: '' })}\n`,
  });
}

const blank: Omit<NativeBuildRequest, 'ref'> = {
  context: undefined, contexts: {}, dockerfile: { path: 'Dockerfile', text: undefined }, ignoreText: '', target: '', buildArgs: {}, labels: {}, annotations: [], tags: [], platforms: [],
  noCache: false, noCacheFilter: [], pull: false, addHosts: [], network: '', shmSize: 0, ulimits: [], cgroupParent: '', memory: 0, memorySwap: 0, cpuShares: 0, cpuPeriod: 0, cpuQuota: 0,
  cpusetCpus: '', cpusetMems: '', secrets: {}, ssh: [], allow: [], outputs: [], attestations: [], auth: {}, check: false, name: '',
};

/** What is left out has its default; what is there must have the kind of its default. */
function requireBuild(given: unknown): NativeBuildRequest {
  if (typeof given !== 'object' || given === null || !('ref' in given) || typeof given.ref !== 'string') throw invalid('a build needs a ref');
  const fields = Object.entries(blank).map(([name, initial]) => {
    const value = (given as Record<string, unknown>)[name];
    if (value === undefined || value === null) return [name, initial];
    const kind = (item: unknown): string => (Array.isArray(item) ? 'list' : typeof item);
    if (initial !== undefined && kind(value) !== kind(initial)) throw invalid(`${name} is a ${kind(value)}, expected a ${kind(initial)}`);
    return [name, value];
  });
  return { ref: given.ref, ...(Object.fromEntries(fields) as typeof blank) };
}
