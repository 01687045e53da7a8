import { invalid } from '#base/errors.ts';
import type { SystemService } from '../../services.ts';
import { parseTime } from '../../time-value.ts';
import type { ApiRequest } from '../api-request.ts';
import { json, type Reply } from '../reply.ts';
import type { Route } from '../router.ts';
import { renderDiskUsage } from '../versions/disk-usage.ts';
import { renderEvents } from '../versions/event.ts';
import { adaptInfo } from '../versions/info.ts';
import { checked } from './streams.ts';

const PING_HEADERS = {
  // BuildKit's wire is not there yet: clients that can do both take the classic builder.
  'Builder-Version': '1',
  'Cache-Control': 'no-cache, no-store, must-revalidate',
  Pragma: 'no-cache',
  Swarm: 'inactive',
  'Content-Type': 'text/plain; charset=utf-8',
};
const PING: Reply = { kind: 'text', status: 200, text: 'OK', headers: PING_HEADERS };

const HEAD_PING: Reply = { kind: 'empty', status: 200, headers: PING_HEADERS };

const usageTypes = ['container', 'image', 'volume', 'build-cache'] as const;

export function systemRoutes(system: SystemService): Route[] {
  return [
    { method: 'GET', pattern: '/_ping', handle: () => PING },
    { method: 'HEAD', pattern: '/_ping', handle: () => HEAD_PING },
    { method: 'GET', pattern: '/version', handle: async () => json(await system.version()) },
    { method: 'GET', pattern: '/info', handle: async ({ version }) => json(adaptInfo(await system.info(), version)) },
    { method: 'GET', pattern: '/events', handle: (request) => events(system, request) },
    {
      method: 'GET',
      pattern: '/system/df',
      handle: async (request) => {
        const asked = request.before('1.42') ? [] : request.query.all('type');
        const types = asked.length === 0 ? [...usageTypes] : asked.map(usageType);
        return json(renderDiskUsage(await system.diskUsage(types), types, request.version, request.query.flag('verbose')));
      },
    },
  ];
}

function usageType(text: string): (typeof usageTypes)[number] {
  const found = usageTypes.find((known) => known === text);
  if (found === undefined) throw invalid(`unknown object type: ${text.slice(0, 60)}`);
  return found;
}

async function events(system: SystemService, request: ApiRequest): Promise<Reply> {
  const { query } = request;
  const now = Date.now();
  const time = (name: string): bigint | undefined => {
    const value = query.text(name);
    return value === undefined || value === '0' ? undefined : parseTime(value, now);
  };
  const since = time('since');
  const until = time('until');
  if (since !== undefined && until !== undefined && until < since) {
    throw invalid(`\`since\` time (${query.text('since')}) cannot be after \`until\` time (${query.text('until')})`);
  }
  const accept = request.headers.accept ?? '';
  const contentType = ['application/jsonl', 'application/x-ndjson', 'application/json-seq'].find((type) => accept.includes(type)) ?? 'application/json';
  const found = await checked(system.events({ since, until, filters: query.filters }, request.signal));
  return { kind: 'stream', status: 200, contentType, body: renderEvents(found, request.version, contentType) };
}
