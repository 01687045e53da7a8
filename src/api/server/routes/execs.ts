import { invalid } from '#base/errors.ts';
import type { StdioSession } from '#spec/streams.ts';
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
        const id = request.param('id');
        // What is not there or ran before is refused while the connection still speaks HTTP.
        const { Running, ExitCode } = await execs.inspect(id);
        const fresh = !Running && ExitCode === null;
        if (body.Detach === true || !fresh) {
          (await execs.start(id, body))?.close();
          return empty(200);
        }
        // As in dockerd the client's word decides about frames, whatever the exec itself has.
        const tty = body.Tty === true;
        const open = async (): Promise<StdioSession> => {
          const session = await execs.start(id, body);
          if (session === undefined) throw new Error(`exec ${id} was started detached`);
          return session;
        };
        return { kind: 'session', tty, multiplexed: !tty && !request.before('1.42'), open, abandon: () => {} };
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
