import { invalid } from '#base/errors.ts';
import type { ExecService } from '../../services.ts';
import { execCreateRequest, execStartRequest } from '../decode/container.ts';
import { empty, json } from '../reply.ts';
import type { Route } from '../router.ts';
import { terminalSize } from './containers.ts';

/** Processes that are started in running containers. */
export function execRoutes(execs: ExecService): Route[] {
  return [
    {
      method: 'POST',
      pattern: '/containers/{name}/exec',
      handle: async (request) => {
        const body = await request.json(execCreateRequest, {});
        if ((body.Cmd ?? []).length === 0) throw invalid('No exec command specified');
        if (request.before('1.42')) delete body.ConsoleSize;
        return json(await execs.create(request.param('name'), body), 201);
      },
    },
    { method: 'GET', pattern: '/exec/{id}/json', handle: async (request) => json(await execs.inspect(request.param('id'))) },
    {
      method: 'POST',
      pattern: '/exec/{id}/start',
      hijacks: true,
      handle: async (request) => {
        const body = await request.json(execStartRequest, {});
        if (body.ConsoleSize != null && (request.before('1.42') || body.Tty !== true)) delete body.ConsoleSize;
        const session = await execs.start(request.param('id'), body);
        if (session === undefined) return empty(200);
        return { kind: 'session', session, multiplexed: !session.tty && !request.before('1.42') };
      },
    },
    {
      method: 'POST',
      pattern: '/exec/{id}/resize',
      handle: async (request) => {
        await execs.resize(request.param('id'), terminalSize(request));
        return empty(200);
      },
    },
  ];
}
