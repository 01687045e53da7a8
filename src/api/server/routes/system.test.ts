import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conflict, EngineError, invalid } from '#base/errors.ts';
import { ask, gather, pieces } from '../../testing/ask.ts';
import { serve } from '../../testing/serve.ts';

test('a client that leaves a stream aborts it', async () => {
  const aborted = Promise.withResolvers<void>();
  await using served = await serve({
    system: {
      events: async function* (_, signal) {
        signal.addEventListener('abort', () => aborted.resolve());
        yield { Type: 'container', Action: 'start' };
        await aborted.promise;
      },
    },
  });
  for await (const event of await served.client.system.events()) {
    assert.equal(event.Action, 'start');
    break;
  }
  await aborted.promise;
});

test('images: load, save, import and bootstrap stream; failures are the last line', async () => {
  await using served = await serve({
    images: {
      load: async function* (tar, { quiet }) {
        yield { stream: `${quiet} ${await gather(tar)}` };
        throw conflict('half a tar');
      },
      import: async function* (tar, options) {
        yield { status: `${options.repo}:${options.tag} ${options.changes.join('|')} ${await gather(tar)}` };
      },
      bootstrap: async function* (name) {
        if (name === 'bad') throw invalid('no such base image');
        yield { status: name };
      },
      save: async (names) => pieces(names.join(' ')),
      tag: async () => {},
      remove: async (name, options) => [{ Untagged: `${name} ${options.force}` }],
      history: async () => [],
      list: async () => [],
      prune: async () => ({ ImagesDeleted: null, SpaceReclaimed: 0 }),
    },
  });
  const { images } = served.client;
  assert.deepEqual(await Array.fromAsync(await images.load(pieces('a', 'b'))), [
    { stream: 'false ab' },
    { errorDetail: { message: 'half a tar' }, error: 'half a tar' },
  ]);
  assert.deepEqual(await Array.fromAsync(await images.import(pieces('x'), { repo: 'r', tag: 't', changes: ['CMD a', 'ENV b=c'] })), [
    { status: 'r:t CMD a|ENV b=c x' },
  ]);
  assert.deepEqual(await Array.fromAsync(await images.bootstrap('busybox')), [{ status: 'busybox' }]);
  await assert.rejects(images.bootstrap('bad'), { code: 'invalid_argument', message: 'no such base image' });
  assert.equal(await gather(await images.save(['a', 'b'])), 'a b');
  await images.tag('a', { repo: 'b', tag: '1' });
  assert.deepEqual(await images.remove('r/a:1', { force: true }), [{ Untagged: 'r/a:1 true' }]);
  assert.deepEqual([await images.history('a'), await images.list()], [[], []]);
});

test('pull and push: names with tags and digests, credentials, failures before and after the first message', async () => {
  await using served = await serve({
    images: {
      pull: async function* ({ reference, all, platform, credentials }) {
        if (reference === 'missing:1') throw new EngineError('not_found', 'manifest for missing:1 not found');
        yield { status: [reference, all, platform, credentials?.username].join(' ') };
        throw new EngineError('internal', 'the line dropped');
      },
      push: async function* ({ reference, credentials }) {
        yield { status: `${reference} ${credentials?.identitytoken}` };
      },
      distribution: async (reference, credentials) => ({ Descriptor: { digest: `${reference} ${credentials?.password}` }, Platforms: [] }),
      authenticate: async ({ username }) => ({ Status: `${username} may`, IdentityToken: '' }),
      search: async (term, { limit }) => [{ name: `${term} ${limit}`, description: '', is_official: false, is_automated: false, star_count: 0 }],
    },
  });
  const { images } = served.client;
  assert.deepEqual(await Array.fromAsync(await images.pull('host:5000/a', { tag: '1', platform: 'linux/arm64', auth: { username: 'me' } })), [
    { status: 'host:5000/a:1 true linux/arm64 me' },
    { errorDetail: { message: 'the line dropped' }, error: 'the line dropped' },
  ]);
  const digest = `sha256:${'a'.repeat(64)}`;
  assert.deepEqual((await Array.fromAsync(await images.pull('a', { tag: digest })))[0], { status: `a@${digest} true  ` });
  assert.deepEqual((await Array.fromAsync(await images.pull('a')))[0], { status: 'a true  ' });
  await assert.rejects(images.pull('missing', { tag: '1' }), { code: 'not_found', message: 'manifest for missing:1 not found' });
  assert.deepEqual(await Array.fromAsync(await images.push('host:5000/a', { tag: '1', auth: { identitytoken: 'secret' } })), [{ status: 'host:5000/a:1 secret' }]);
  const json = async (method: string, path: string, body?: unknown): Promise<unknown> => JSON.parse((await ask(served, method, path, body === undefined ? undefined : JSON.stringify(body))).text);
  assert.deepEqual(await json('GET', '/distribution/host:5000/a/b:1/json'), { Descriptor: { digest: 'host:5000/a/b:1 undefined' }, Platforms: [] });
  assert.deepEqual(await json('GET', '/images/search?term=a&limit=3'), [{ name: 'a 3', description: '', is_official: false, is_automated: false, star_count: 0 }]);
  assert.deepEqual(await json('POST', '/auth', { username: 'me', password: 'x' }), { Status: 'me may', IdentityToken: '' });
});

test('volumes and networks', async () => {
  const volume = { Name: 'v', Driver: 'local', Mountpoint: '/m', Labels: {}, Scope: 'local', Options: {} };
  const seen: unknown[] = [];
  await using served = await serve({
    volumes: {
      list: async () => ({ Volumes: [volume] }),
      create: async (body) => {
        seen.push(body);
        return volume;
      },
      inspect: async () => volume,
      remove: async (name, { force }) => void seen.push([name, force]),
      prune: async (filters) => {
        seen.push(filters);
        return { VolumesDeleted: null, SpaceReclaimed: 0 };
      },
    },
    networks: {
      list: async () => [],
      create: async (body) => {
        seen.push(body);
        return { Id: 'n', Warning: '' };
      },
      inspect: async (name) => ({ Name: name }),
      connect: async (_, body) => void seen.push(body),
      disconnect: async (_, body) => void seen.push(body),
      remove: async (name) => void seen.push(name),
    },
  });
  const { volumes, networks } = served.client;
  assert.deepEqual(await volumes.list(), { Volumes: [volume], Warnings: null });
  assert.deepEqual(await volumes.create({ Name: 'v' }), volume);
  assert.deepEqual(await volumes.inspect('v'), volume);
  await volumes.remove('v', { force: true });
  await volumes.prune();
  await ask(served, 'POST', '/v1.41/volumes/prune');
  await networks.create({ Name: 'n', Driver: 'bridge' });
  assert.equal((await networks.inspect('n')).Name, 'n');
  await networks.connect('n', { Container: 'c', EndpointConfig: { Aliases: ['a'] } });
  await networks.disconnect('n', { Container: 'c', Force: true });
  await networks.remove('n');
  assert.deepEqual(seen, [
    { Name: 'v' },
    ['v', true],
    new Map(),
    new Map([['all', ['true']]]),
    { Name: 'n', Driver: 'bridge' },
    { Container: 'c', EndpointConfig: { Aliases: ['a'] } },
    { Container: 'c', Force: true },
    'n',
  ]);
});

test('system: version, info, df, events with their times', async () => {
  const seen: unknown[] = [];
  await using served = await serve({
    system: {
      version: async () => ({ Version: '1' }),
      info: async () => ({ ID: 'x' }),
      diskUsage: async (types) => {
        seen.push(types);
        return { layersSize: 3, images: [], containers: [], volumes: [], buildCache: [] };
      },
      events: async function* (options) {
        if (options.filters.has('foo')) throw invalid("invalid filter 'foo'");
        seen.push(options);
        yield { Type: 'network', Action: 'create', timeNano: 1795487530446428761n };
      },
    },
  });
  const { system } = served.client;
  assert.deepEqual([await system.version(), await system.info()], [{ Version: '1' }, { ID: 'x' }]);
  assert.deepEqual(await system.diskUsage(['image']), { layersSize: 3, images: [], containers: [], volumes: [], buildCache: [] });
  assert.deepEqual(await Array.fromAsync(await system.events({ since: '1', until: '2.5', filters: { type: ['network'] } })), [
    { Type: 'network', Action: 'create', timeNano: 1795487530446428761n },
  ]);
  assert.deepEqual(seen, [['image'], { since: 1_000_000_000n, until: 2_500_000_000n, filters: new Map([['type', ['network']]]) }]);
  assert.equal((await ask(served, 'GET', '/events?filters=%7B%22foo%22%3A%5B%22a%22%5D%7D')).status, 400);
  assert.match((await ask(served, 'GET', '/events?since=10&until=5')).text, /cannot be after/);
  assert.match((await ask(served, 'GET', '/events?since=abc')).text, /invalid time/);
  assert.match((await ask(served, 'GET', '/system/df?type=foo')).text, /unknown object type: foo/);
});

test('what this engine does not have says so', async () => {
  await using served = await serve({});
  const statusOf = async (method: string, path: string): Promise<number> => (await ask(served, method, path)).status;
  for (const path of ['/swarm', '/services', '/nodes/x', '/secrets', '/configs/x', '/tasks']) assert.equal(await statusOf('GET', path), 503, path);
  assert.equal((await ask(served, 'GET', '/plugins')).text, '[]\n');
  for (const [method, path] of [
    ['POST', '/plugins/pull'],
    ['POST', '/swarm/init'],
    ['POST', '/grpc'],
  ] as const) {
    const { status, text } = await ask(served, method, path);
    assert.equal(status, 501, `${method} ${path}`);
    assert.match((JSON.parse(text) as { message: string }).message, /\w+ \w+ \w+/);
  }

});
