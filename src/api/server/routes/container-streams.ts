import { invalid } from '#base/errors.ts';
import type { ContainerService } from '../../services.ts';
import { parseTime } from '../../time-value.ts';
import type { ApiRequest } from '../api-request.ts';
import type { Reply } from '../reply.ts';
import type { Route } from '../router.ts';
import { logStream, MULTIPLEXED_STREAM, RAW_STREAM } from './streams.ts';

/** Logs and attach: what containers say and hear. */
export function containerStreamRoutes(containers: ContainerService): Route[] {
  return [
    { method: 'GET', pattern: '/containers/{name}/logs', handle: (request) => logs(containers, request) },
    {
      method: 'POST',
      pattern: '/containers/{name}/attach',
      hijacks: true,
      handle: async (request) => {
        const session = await attach(containers, request, false);
        const { tty } = session;
        return { kind: 'session', tty, multiplexed: !tty && !request.before('1.42'), open: async () => session, abandon: () => session.close() };
      },
    },
    {
      method: 'GET',
      pattern: '/containers/{name}/attach/ws',
      hijacks: true,
      handle: async (request) => {
        // Before 1.42 every stream was attached whatever the query said.
        const session = await attach(containers, request, request.before('1.42'));
        if (request.headers.upgrade?.toLowerCase() !== 'websocket') {
          session.close();
          throw invalid('this address speaks websocket: the request is not a websocket handshake');
        }
        return { kind: 'websocket', session, binary: !request.before('1.28') };
      },
    },
  ];
}

function attach(containers: ContainerService, { query, params }: ApiRequest, everything: boolean): ReturnType<ContainerService['attach']> {
  return containers.attach(params['name'] ?? '', {
    logs: query.flag('logs'),
    stream: query.flag('stream'),
    stdin: everything || query.flag('stdin'),
    stdout: everything || query.flag('stdout'),
    stderr: everything || query.flag('stderr'),
    detachKeys: query.text('detachKeys'),
  });
}

async function logs(containers: ContainerService, request: ApiRequest): Promise<Reply> {
  const { query } = request;
  const stdout = query.flag('stdout');
  const stderr = query.flag('stderr');
  if (!stdout && !stderr) throw invalid('Bad parameters: you must choose at least one stream');
  const { tty, batches } = await containers.logs(
    request.param('name'),
    {
      stdout,
      stderr,
      follow: query.flag('follow'),
      since: time(query.text('since')),
      until: time(query.text('until')),
      timestamps: query.flag('timestamps'),
      details: query.flag('details'),
      tail: tail(query.text('tail')),
    },
    request.signal,
  );
  return logStream(batches, tty, tty || request.before('1.42') ? RAW_STREAM : MULTIPLEXED_STREAM);
}

/** Docker's clients send `0` for no limit. */
function time(text: string | undefined): bigint | undefined {
  return text === undefined || text === '0' ? undefined : parseTime(text, Date.now());
}

/** A negative number, `all` and what is no number mean all lines, as with dockerd. */
function tail(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}
