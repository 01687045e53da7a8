import { EngineError } from '#base/errors.ts';
import type { VolumeService } from '../../services.ts';
import { volumeCreateRequest } from '../decode/volume.ts';
import { json, noContent } from '../reply.ts';
import type { Route } from '../router.ts';

export function volumeRoutes(volumes: VolumeService): Route[] {
  return [
    {
      method: 'GET',
      pattern: '/volumes',
      handle: async ({ query }) => {
        const { Volumes, Warnings } = await volumes.list(query.filters);
        return json({ Volumes: Volumes ?? [], Warnings: Warnings ?? null });
      },
    },
    { method: 'POST', pattern: '/volumes/create', handle: async (request) => json(await volumes.create(await request.json(volumeCreateRequest, {})), 201) },
    {
      method: 'POST',
      pattern: '/volumes/prune',
      handle: async (request) => {
        // Since 1.42 only anonymous volumes go unless `all` is given.
        const filters = request.before('1.42') ? new Map([...request.query.filters, ['all', ['true']]]) : request.query.filters;
        return json(await volumes.prune(filters));
      },
    },
    { method: 'GET', pattern: '/volumes/{name}', handle: async (request) => json(await volumes.inspect(request.param('name'))) },
    {
      method: 'PUT',
      pattern: '/volumes/{name}',
      handle: () => {
        throw new EngineError('unavailable', 'volume update only valid for cluster volumes, but swarm is unavailable');
      },
    },
    {
      method: 'DELETE',
      pattern: '/volumes/{name}',
      handle: async (request) => {
        await volumes.remove(request.param('name'), { force: request.query.flag('force') });
        return noContent;
      },
    },
  ];
}
