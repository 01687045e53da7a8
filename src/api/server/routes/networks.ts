import type { NetworkService } from '../../services.ts';
import { networkConnectRequest, networkCreateRequest, networkDisconnectRequest } from '../decode/network.ts';
import { adaptNetwork } from '../versions/network.ts';
import { empty, json, noContent } from '../reply.ts';
import type { Route } from '../router.ts';

export function networkRoutes(networks: NetworkService): Route[] {
  return [
    { method: 'GET', pattern: '/networks', handle: async ({ query }) => json(await networks.list(query.filters)) },
    {
      method: 'POST',
      pattern: '/networks/create',
      handle: async (request) => {
        const body = await request.json(networkCreateRequest);
        if (request.before('1.48')) delete body.EnableIPv4;
        return json(await networks.create({ ...body, Name: body.Name ?? '' }), 201);
      },
    },
    { method: 'GET', pattern: '/gantry/networks/ports', handle: async () => json(await networks.ports()) },
    {
      method: 'GET',
      pattern: '/gantry/networks/explain',
      handle: async ({ query }) => json(await networks.explain({ from: query.text('from') ?? '', to: query.text('to') ?? '', port: query.text('port') })),
    },
    { method: 'POST', pattern: '/networks/prune', handle: async ({ query }) => json(await networks.prune(query.filters)) },
    {
      method: 'POST',
      pattern: '/networks/{id}/connect',
      handle: async (request) => {
        const body = await request.json(networkConnectRequest);
        await networks.connect(request.param('id'), { ...body, Container: body.Container ?? '' });
        return empty(200);
      },
    },
    {
      method: 'POST',
      pattern: '/networks/{id}/disconnect',
      handle: async (request) => {
        const body = await request.json(networkDisconnectRequest);
        await networks.disconnect(request.param('id'), { ...body, Container: body.Container ?? '' });
        return empty(200);
      },
    },
    {
      method: 'GET',
      pattern: '/networks/{id}',
      handle: async (request) =>
        json(adaptNetwork(await networks.inspect(request.param('id'), { verbose: request.query.flag('verbose'), scope: request.query.text('scope') }), request.version)),
    },
    {
      method: 'DELETE',
      pattern: '/networks/{id}',
      handle: async (request) => {
        await networks.remove(request.param('id'));
        return noContent;
      },
    },
  ];
}
