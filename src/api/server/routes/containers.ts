import { invalid } from '#base/errors.ts';
import type { ContainerWaitResponse } from '#spec/wire/container.ts';
import type { ContainerService } from '../../services.ts';
import type { ApiRequest } from '../api-request.ts';
import { containerCreateRequest, containerUpdateRequest } from '../decode/container.ts';
import { json, noContent, type Reply, empty } from '../reply.ts';
import type { Route } from '../router.ts';
import { adaptContainer, adaptContainerSummary } from '../versions/container.ts';
import { adaptCreateRequest } from '../versions/create-request.ts';
import { jsonLines } from './streams.ts';

/** The life of containers. */
export function containerRoutes(containers: ContainerService): Route[] {
  return [
    {
      method: 'GET',
      pattern: '/containers/json',
      handle: async ({ query, version }) => {
        const limit = query.integer('limit');
        const list = await containers.list({
          all: query.flag('all'),
          // Docker counts 0 and less as no limit.
          limit: limit !== undefined && limit > 0 ? limit : undefined,
          size: query.flag('size'),
          filters: query.filters,
        });
        return json(list.map((summary) => adaptContainerSummary(summary, version)));
      },
    },
    { method: 'POST', pattern: '/containers/create', handle: (request) => create(containers, request) },
    {
      method: 'POST',
      pattern: '/containers/prune',
      handle: async ({ query }) => json(await containers.prune(query.filters)),
    },
    {
      method: 'GET',
      pattern: '/containers/{name}/json',
      handle: async (request) => {
        const inspected = await containers.inspect(request.param('name'), { size: request.query.flag('size') });
        return json(adaptContainer(inspected, request.version));
      },
    },
    {
      method: 'POST',
      pattern: '/containers/{name}/start',
      handle: async (request) => {
        const length = request.headers['content-length'];
        if (request.headers['transfer-encoding'] !== undefined || Number(length ?? 0) > 7) {
          throw invalid('starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24');
        }
        await containers.start(request.param('name'), { detachKeys: request.query.text('detachKeys') });
        return noContent;
      },
    },
    {
      method: 'POST',
      pattern: '/containers/{name}/stop',
      handle: async (request) => {
        await containers.stop(request.param('name'), stopOptions(request));
        return noContent;
      },
    },
    {
      method: 'POST',
      pattern: '/containers/{name}/restart',
      handle: async (request) => {
        await containers.restart(request.param('name'), stopOptions(request));
        return noContent;
      },
    },
    {
      method: 'POST',
      pattern: '/containers/{name}/kill',
      handle: async (request) => {
        await containers.kill(request.param('name'), request.query.text('signal'));
        return noContent;
      },
    },
    {
      method: 'POST',
      pattern: '/containers/{name}/pause',
      handle: async (request) => {
        await containers.pause(request.param('name'));
        return noContent;
      },
    },
    {
      method: 'POST',
      pattern: '/containers/{name}/unpause',
      handle: async (request) => {
        await containers.unpause(request.param('name'));
        return noContent;
      },
    },
    {
      method: 'POST',
      pattern: '/containers/{name}/rename',
      handle: async (request) => {
        await containers.rename(request.param('name'), request.query.text('name') ?? '');
        return noContent;
      },
    },
    {
      method: 'POST',
      pattern: '/containers/{name}/update',
      handle: async (request) => {
        const body = await request.json(containerUpdateRequest, {});
        if (request.before('1.40')) delete body.PidsLimit;
        // Zero and everything below it mean: no limit.
        else if (typeof body.PidsLimit === 'number' && body.PidsLimit < 0) body.PidsLimit = 0;
        const { Warnings } = await containers.update(request.param('name'), body);
        return json({ Warnings: Warnings ?? null });
      },
    },
    {
      method: 'POST',
      pattern: '/containers/{name}/resize',
      handle: async (request) => {
        await containers.resize(request.param('name'), terminalSize(request));
        return empty(200);
      },
    },
    { method: 'POST', pattern: '/containers/{name}/wait', handle: (request) => wait(containers, request) },
    {
      method: 'GET',
      pattern: '/containers/{name}/top',
      handle: async (request) => json(await containers.top(request.param('name'), request.query.text('ps_args') ?? '-ef')),
    },
    {
      method: 'GET',
      pattern: '/containers/{name}/stats',
      handle: async (request) => {
        const stream = request.query.flag('stream', true);
        const oneShot = !request.before('1.41') && request.query.flag('one-shot');
        return jsonLines(await containers.stats(request.param('name'), { stream, oneShot }, request.signal));
      },
    },
    {
      method: 'GET',
      pattern: '/containers/{name}/changes',
      handle: async (request) => {
        const changes = await containers.changes(request.param('name'));
        // As Docker: no changes are no list.
        return json(changes.length > 0 ? changes : null);
      },
    },
    {
      method: 'DELETE',
      pattern: '/containers/{name}',
      handle: async (request) => {
        const { query } = request;
        await containers.remove(request.param('name'), { volumes: query.flag('v'), force: query.flag('force'), link: query.flag('link') });
        return noContent;
      },
    },
  ];
}

async function create(containers: ContainerService, request: ApiRequest): Promise<Reply> {
  const body = await request.json(containerCreateRequest);
  const { adapted, warnings } = adaptCreateRequest(body, request.version);
  const made = await containers.create({
    name: request.query.text('name'),
    platform: request.before('1.41') ? undefined : request.query.text('platform'),
    body: adapted,
    ...(request.before('1.44') ? { shallowReadOnly: true } : {}),
  });
  return json({ Id: made.Id, Warnings: [...made.Warnings, ...warnings] }, 201);
}

function stopOptions(request: ApiRequest): { signal: string | undefined; timeout: number | undefined } {
  return {
    signal: request.before('1.42') ? undefined : request.query.text('signal'),
    timeout: request.query.integer('t'),
  };
}

/** Rows and columns of a terminal, each from 0 to 65535. */
export function terminalSize({ query }: ApiRequest): { height: number; width: number } {
  const read = (name: string, what: string): number => {
    const value = query.integer(name);
    if (value === undefined || value < 0 || value > 65535) {
      throw invalid(`invalid resize ${what} ${JSON.stringify(query.text(name) ?? '')}: expected a number from 0 to 65535`);
    }
    return value;
  };
  return { height: read('h', 'height'), width: read('w', 'width') };
}

const conditions = ['not-running', 'next-exit', 'removed'] as const;

async function wait(containers: ContainerService, request: ApiRequest): Promise<Reply> {
  const asked = request.before('1.30') ? undefined : request.query.text('condition');
  const condition = conditions.find((known) => known === (asked ?? 'not-running'));
  if (condition === undefined) throw invalid(`invalid condition: ${JSON.stringify(asked)}`);
  const { done } = await containers.wait(request.param('name'), condition, request.signal);
  done.catch(() => {});
  // Before 1.30 the head came with the outcome.
  if (request.before('1.30')) return json(await done);
  return jsonLines(single(done), {
    renderError: (error) => `${JSON.stringify({ StatusCode: -1, Error: { Message: error instanceof Error ? error.message : String(error) } })}\n`,
  });
}

async function* single(done: Promise<ContainerWaitResponse>): AsyncGenerator<ContainerWaitResponse> {
  yield await done;
}
