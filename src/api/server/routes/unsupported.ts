import { EngineError, invalid, notImplemented } from '#base/errors.ts';
import { json } from '../reply.ts';
import type { Handler, Route } from '../router.ts';

const notManager: Handler = () => {
  throw new EngineError(
    'unavailable',
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
  );
};

const notPart =
  (message: string): Handler =>
  () => {
    throw notImplemented(message);
  };

const noPlugins = notPart('plugins are not there yet: this engine installs none');
const noSession = notPart('build sessions are not there yet: this engine does not build images');

/** What Docker has and this engine does not: each answers for itself, so that clients show the reason. */
export function unsupportedRoutes(): Route[] {
  const swarm: Route[] = [
    ['GET', '/swarm'],
    ['POST', '/swarm/update'],
    ['GET', '/swarm/unlockkey'],
    ['POST', '/swarm/unlock'],
    ...['nodes', 'services', 'tasks', 'secrets', 'configs'].flatMap((noun) => [
      ['GET', `/${noun}`],
      ['POST', `/${noun}/create`],
      ['GET', `/${noun}/{rest}`],
      ['POST', `/${noun}/{rest}`],
      ['DELETE', `/${noun}/{rest}`],
    ]),
  ].map(([method, pattern]) => ({ method: method!, pattern: pattern!, handle: notManager }));
  return [
    ...swarm,
    { method: 'POST', pattern: '/swarm/init', handle: notPart('swarm mode is not part of this engine') },
    { method: 'POST', pattern: '/swarm/join', handle: notPart('swarm mode is not part of this engine') },
    {
      method: 'POST',
      pattern: '/swarm/leave',
      handle: () => {
        throw new EngineError('unavailable', 'This node is not part of a swarm');
      },
    },
    { method: 'GET', pattern: '/plugins', handle: () => json([]) },
    {
      method: 'GET',
      pattern: '/plugins/{name}/json',
      handle: (request) => {
        throw new EngineError('not_found', `plugin ${JSON.stringify(request.param('name'))} not found`);
      },
    },
    { method: 'GET', pattern: '/plugins/privileges', handle: noPlugins },
    { method: 'POST', pattern: '/plugins/{rest}', handle: noPlugins },
    { method: 'DELETE', pattern: '/plugins/{rest}', handle: noPlugins },
    {
      method: 'POST',
      pattern: '/session',
      handle: ({ headers }) => {
        if (headers.upgrade === undefined) throw invalid('no upgrade proto in request');
        throw notImplemented('build sessions are not there yet: this engine does not build images');
      },
    },
    { method: 'POST', pattern: '/grpc', handle: noSession },
    { method: 'GET', pattern: '/containers/{name}/checkpoints', handle: notPart('checkpoints are not part of this engine') },
    { method: 'POST', pattern: '/containers/{name}/checkpoints', handle: notPart('checkpoints are not part of this engine') },
  ];
}
