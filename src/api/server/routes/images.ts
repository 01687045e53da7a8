import { invalid } from '#base/errors.ts';
import type { ImageService } from '../../services.ts';
import type { ApiRequest } from '../api-request.ts';
import { empty, json, type Reply } from '../reply.ts';
import type { Route } from '../router.ts';
import { adaptImage, adaptImageSummary } from '../versions/image.ts';
import { pull } from './registry.ts';
import { bytes, progress } from './streams.ts';

/** Images, as far as no registry is needed; and pulling. */
export function imageRoutes(images: ImageService): Route[] {
  const save = async (request: ApiRequest, names: string[]): Promise<Reply> =>
    bytes(await images.save(names, { platforms: platforms(request) }, request.signal), 'application/x-tar');

  return [
    { method: 'GET', pattern: '/images/json', handle: (request) => list(images, request) },
    {
      method: 'GET',
      pattern: '/images/get',
      handle: (request) => {
        const names = request.query.all('names').flatMap((text) => text.split(',')).filter((name) => name !== '');
        if (names.length === 0) throw invalid('no image names given: name at least one in the query parameter names');
        return save(request, names);
      },
    },
    {
      method: 'POST',
      pattern: '/images/load',
      handle: (request) => progress(images.load(request.body, { quiet: request.query.flag('quiet', true), platforms: platforms(request) })),
    },
    { method: 'POST', pattern: '/images/create', handle: (request) => create(images, request) },
    { method: 'POST', pattern: '/images/prune', handle: async ({ query }) => json(await images.prune(query.filters)) },
    {
      method: 'POST',
      pattern: '/gantry/images/bootstrap',
      handle: (request) => {
        const name = request.query.text('name');
        if (name === undefined) throw invalid('no image name given: name a base image in the query parameter name, e.g. busybox');
        return progress(images.bootstrap(name, request.signal));
      },
    },
    {
      method: 'POST',
      pattern: '/gantry/system/check',
      handle: ({ query }) => progress(images.check({ repair: query.flag('repair'), quick: query.flag('quick') })),
    },
    {
      method: 'POST',
      pattern: '/images/{name}/tag',
      handle: async (request) => {
        const repo = request.query.text('repo');
        if (repo === undefined) throw invalid('invalid reference format: the query parameter repo is empty');
        if (/^(docker\.io\/)?(library\/)?sha256$/.test(repo)) throw invalid('refusing to create an ambiguous tag using digest algorithm as name');
        await images.tag(request.param('name'), { repo, tag: request.query.text('tag') });
        return empty(201);
      },
    },
    {
      method: 'GET',
      pattern: '/images/{name}/json',
      handle: async (request) => {
        const manifests = !request.before('1.48') && request.query.flag('manifests');
        const platform = request.before('1.49') ? undefined : request.query.text('platform');
        if (manifests && platform !== undefined) throw invalid('conflicting options: manifests and platform options cannot both be set');
        return json(adaptImage(await images.inspect(request.param('name'), { platform, manifests }), request.version, request.headers['user-agent']));
      },
    },
    {
      method: 'GET',
      pattern: '/images/{name}/history',
      handle: async (request) => {
        const platform = request.before('1.48') ? undefined : request.query.text('platform');
        return json(await images.history(request.param('name'), { platform }));
      },
    },
    { method: 'GET', pattern: '/images/{name}/get', handle: (request) => save(request, [request.param('name')]) },
    {
      method: 'DELETE',
      pattern: '/images/{name}',
      handle: async (request) => {
        const name = request.param('name');
        if (name.trim() === '') throw invalid('image name cannot be blank');
        const platforms = request.before('1.50') ? [] : request.query.all('platforms').filter((text) => text !== '');
        return json(await images.remove(name, { force: request.query.flag('force'), noPrune: request.query.flag('noprune'), platforms }));
      },
    },
  ];
}

async function list(images: ImageService, request: ApiRequest): Promise<Reply> {
  const { query, version } = request;
  const filters = new Map(query.filters);
  const glob = query.text('filter');
  if (request.before('1.41') && glob !== undefined && !filters.has('reference')) filters.set('reference', [glob]);
  const found = await images.list({
    all: query.flag('all'),
    filters,
    sharedSize: !request.before('1.42') && query.flag('shared-size'),
    digests: query.flag('digests'),
    manifests: !request.before('1.47') && query.flag('manifests'),
  });
  return json(found.map((image) => adaptImageSummary(image, version)));
}

function create(images: ImageService, request: ApiRequest): Promise<Reply> {
  const { query } = request;
  const from = query.text('fromImage');
  if (from !== undefined) return pull(images, request, from);
  const source = query.text('fromSrc');
  if (source === undefined) throw invalid('nothing to create from: give fromImage or fromSrc');
  const options = {
    repo: query.text('repo'),
    tag: query.text('tag'),
    message: query.text('message') ?? `Imported from ${source}`,
    changes: query.all('changes').flatMap((text) => text.split('\n')).filter((line) => line.trim() !== ''),
    platform: request.before('1.32') ? undefined : query.text('platform'),
  };
  return progress(source === '-' ? images.import(request.body, options) : images.importUrl(source, options));
}

function platforms(request: ApiRequest): string[] {
  const given = request.before('1.48') ? [] : request.query.all('platform').filter((text) => text !== '');
  if (given.length > 1 && request.before('1.52')) {
    throw invalid('multiple platform parameters are not supported in this API version; use API version 1.52 or later');
  }
  return given;
}
