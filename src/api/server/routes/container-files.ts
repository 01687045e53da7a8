import { invalid } from '#base/errors.ts';
import type { ArchiveStat } from '#spec/streams.ts';
import type { ContainerService } from '../../services.ts';
import type { ApiRequest } from '../api-request.ts';
import { containerCreateRequest } from '../decode/container.ts';
import { empty, json } from '../reply.ts';
import type { Route } from '../router.ts';
import { bytes } from './streams.ts';

const STAT_HEADER = 'X-Docker-Container-Path-Stat';

/** Archives in and out of containers, export and commit. */
export function containerFileRoutes(containers: ContainerService): Route[] {
  return [
    {
      method: 'GET',
      pattern: '/containers/{name}/export',
      handle: async (request) => bytes(await containers.export(request.param('name'), request.signal), 'application/octet-stream'),
    },
    {
      method: 'HEAD',
      pattern: '/containers/{name}/archive',
      handle: async (request) => empty(200, statHeader(await containers.archiveStat(request.param('name'), archivePath(request)))),
    },
    {
      method: 'GET',
      pattern: '/containers/{name}/archive',
      handle: async (request) => {
        const { stat, tar } = await containers.archiveGet(request.param('name'), archivePath(request), request.signal);
        return bytes(tar, 'application/x-tar', statHeader(stat));
      },
    },
    {
      method: 'PUT',
      pattern: '/containers/{name}/archive',
      handle: async (request) => {
        await containers.archivePut(request.param('name'), archivePath(request), request.body, {
          noOverwriteDirNonDir: request.query.flag('noOverwriteDirNonDir'),
          copyUidGid: request.query.flag('copyUIDGID'),
        });
        return empty(200);
      },
    },
    {
      method: 'POST',
      pattern: '/commit',
      handle: async (request) => {
        const { query } = request;
        const config = await request.json(containerCreateRequest, {});
        const epoch = query.integer('epoch');
        const made = await containers.commit(query.text('container') ?? '', {
          repo: query.text('repo'),
          tag: query.text('tag'),
          comment: query.text('comment') ?? '',
          author: query.text('author') ?? '',
          pause: query.flag('pause', true),
          changes: query.all('changes').flatMap((text) => text.split('\n')).filter((line) => line.trim() !== ''),
          config: Object.keys(config).length === 0 ? undefined : config,
          ...(epoch === undefined ? {} : { epoch }),
        });
        return json(made, 201);
      },
    },
  ];
}

function archivePath(request: ApiRequest): string {
  const path = request.query.text('path');
  if (path === undefined) throw invalid("bad parameter: 'path' cannot be empty");
  return path;
}

function statHeader(stat: ArchiveStat): Record<string, string> {
  return { [STAT_HEADER]: Buffer.from(JSON.stringify(stat)).toString('base64') };
}
