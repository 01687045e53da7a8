import { invalid, messageOf } from '#base/errors.ts';
import type { ClassicBuildRequest } from '#spec/wire/build.ts';
import type { BuildService } from '../../services.ts';
import type { ApiRequest } from '../api-request.ts';
import { anything, int64, list, map, nullable, object, text, type Decoder } from '../decode/decoder.ts';
import { errorLine } from '../errors.ts';
import { json, type Reply } from '../reply.ts';
import type { Route } from '../router.ts';
import { progress } from './streams.ts';

const ulimits = list(object<{ Name?: string; Soft?: number; Hard?: number }>('Ulimit', { Name: text, Soft: int64, Hard: int64 }));
const nullableTexts = map(nullable(text));

export function buildRoutes(builds: BuildService): Route[] {
  return [
    { method: 'POST', pattern: '/build', handle: (request) => classic(builds, request) },
    { method: 'POST', pattern: '/build/prune', handle: async (request) => json(await builds.prune(pruneRequest(request))) },
    {
      method: 'POST',
      pattern: '/build/cancel',
      handle: async ({ query }) => {
        const id = query.text('id');
        if (id === undefined) throw invalid('build ID not provided');
        await builds.cancel(id);
        return { kind: 'empty', status: 200 };
      },
    },
  ];
}

async function classic(builds: BuildService, request: ApiRequest): Promise<Reply> {
  const reply = await progress(builds.classic(classicRequest(request), request.body, request.signal));
  // A client that sees no exit code takes any failure for one of the engine.
  return reply.kind === 'stream' ? { ...reply, renderError: failureLine } : reply;
}

function failureLine(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'details' in error ? (error.details as { exitCode?: unknown }).exitCode : undefined;
  if (typeof code !== 'number') return errorLine(error);
  const message = messageOf(error);
  return `${JSON.stringify({ errorDetail: { code, message }, error: message })}\r\n`;
}

function classicRequest(request: ApiRequest): ClassicBuildRequest {
  const { query } = request;
  const number = (name: string): number => query.integer(name) ?? 0;
  return {
    tags: query.all('t'),
    dockerfile: query.text('dockerfile') ?? '',
    remote: query.text('remote') ?? '',
    quiet: query.flag('q'),
    noCache: query.flag('nocache'),
    pull: query.flag('pull'),
    remove: query.flag('forcerm') || query.flag('rm', true),
    forceRemove: query.flag('forcerm'),
    squash: query.flag('squash'),
    memory: number('memory'),
    memorySwap: number('memswap'),
    cpuShares: number('cpushares'),
    cpuPeriod: number('cpuperiod'),
    cpuQuota: number('cpuquota'),
    cpusetCpus: query.text('cpusetcpus') ?? '',
    cpusetMems: query.text('cpusetmems') ?? '',
    cgroupParent: query.text('cgroupparent') ?? '',
    shmSize: number('shmsize'),
    ulimits: parameter(request, 'ulimits', ulimits, []).map(({ Name = '', Soft = 0, Hard = 0 }) => ({ Name, Soft, Hard })),
    buildArgs: parameter(request, 'buildargs', nullableTexts, {}),
    labels: parameter(request, 'labels', map(text), {}),
    cacheFrom: parameter(request, 'cachefrom', list(text), []),
    extraHosts: query.all('extrahosts'),
    securityOpt: query.all('securityopt'),
    networkMode: query.text('networkmode') ?? '',
    platform: request.before('1.32') ? '' : (query.text('platform') ?? ''),
    target: query.text('target') ?? '',
    outputs: request.before('1.40') ? '' : (query.text('outputs') ?? ''),
    version: query.text('version') ?? '',
    buildId: query.text('buildid') ?? '',
    auth: registryConfig(request),
  };
}

function parameter<T>(request: ApiRequest, name: string, decoder: Decoder<T>, absent: T): T {
  const given = request.query.text(name);
  if (given === undefined) return absent;
  let value: unknown;
  try {
    value = JSON.parse(given);
  } catch (cause) {
    throw invalid(`error reading ${name}: ${messageOf(cause)}`, { cause });
  }
  return value === null ? absent : decoder.read(value, '');
}

/** What cannot be read counts as nothing, as in Docker. */
function registryConfig({ headers }: ApiRequest): ClassicBuildRequest['auth'] {
  const header = headers['x-registry-config'];
  if (typeof header !== 'string' || header === '') return {};
  try {
    const value: unknown = JSON.parse(Buffer.from(header, 'base64url').toString());
    return map(map(anything)).read(value, '') as ClassicBuildRequest['auth'];
  } catch {
    return {};
  }
}

function pruneRequest({ query }: ApiRequest): Parameters<BuildService['prune']>[0] {
  return {
    all: query.flag('all'),
    reservedSpace: query.integer('reserved-space') ?? query.integer('keep-storage') ?? 0,
    maxUsedSpace: query.integer('max-used-space') ?? 0,
    minFreeSpace: query.integer('min-free-space') ?? 0,
    filters: query.filters,
  };
}
