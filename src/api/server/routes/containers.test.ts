import assert from 'node:assert/strict';
import { test } from 'node:test';
import { invalid } from '#base/errors.ts';
import type { LogBatch, LogOptions } from '#spec/streams.ts';
import { ask, gather, pieces } from '../../testing/ask.ts';
import { rawExchange, serve } from '../../testing/serve.ts';

test('the life of a container, every option arriving where it belongs', async () => {
  const calls: unknown[] = [];
  const record =
    <T>(name: string, answer: T) =>
    async (...args: unknown[]): Promise<T> => {
      calls.push([name, ...args]);
      return answer;
    };
  await using served = await serve({
    containers: {
      create: record('create', { Id: 'i', Warnings: ['w'] }),
      start: record('start', undefined),
      stop: record('stop', undefined),
      restart: record('restart', undefined),
      kill: record('kill', undefined),
      pause: record('pause', undefined),
      unpause: record('unpause', undefined),
      rename: record('rename', undefined),
      update: record('update', {}),
      remove: record('remove', undefined),
      resize: record('resize', undefined),
      prune: record('prune', { ContainersDeleted: null, SpaceReclaimed: 0 }),
      top: record('top', { Titles: ['PID'], Processes: [['1']] }),
    },
  });
  const { containers } = served.client;
  assert.deepEqual(await containers.create({ Image: 'i', Cmd: ['x'] }, { name: 'n', platform: 'linux/amd64' }), { Id: 'i', Warnings: ['w'] });
  await containers.start('n', { detachKeys: 'ctrl-a' });
  await containers.stop('n', { signal: 'INT', timeout: 0 });
  await containers.restart('n', { timeout: -1 });
  await containers.kill('n', 'HUP');
  await containers.pause('n');
  await containers.unpause('n');
  await containers.rename('n', 'm');
  await containers.update('n', { Memory: 5, PidsLimit: -1 });
  await containers.remove('n', { force: true, volumes: true });
  await containers.resize('n', { height: 1, width: 2 });
  await containers.prune({ label: ['a=b'] });
  assert.deepEqual(await containers.top('n', '-o pid'), { Titles: ['PID'], Processes: [['1']] });
  assert.deepEqual(calls, [
    [
      'create',
      {
        name: 'n',
        platform: 'linux/amd64',
        body: { Image: 'i', Cmd: ['x'], HostConfig: { NetworkMode: 'bridge' }, NetworkingConfig: { EndpointsConfig: {} } },
      },
    ],
    ['start', 'n', { detachKeys: 'ctrl-a' }],
    ['stop', 'n', { signal: 'INT', timeout: 0 }],
    ['restart', 'n', { signal: undefined, timeout: -1 }],
    ['kill', 'n', 'HUP'],
    ['pause', 'n'],
    ['unpause', 'n'],
    ['rename', 'n', 'm'],
    ['update', 'n', { Memory: 5, PidsLimit: 0 }],
    ['remove', 'n', { volumes: true, force: true, link: false }],
    ['resize', 'n', { height: 1, width: 2 }],
    ['prune', new Map([['label', ['a=b']]])],
    ['top', 'n', '-o pid'],
  ]);
});

test('bodies: type, emptiness, size, trailing data', async () => {
  await using served = await serve({ containers: { create: async () => ({ Id: 'i', Warnings: [] }) } });
  const create = async (body: string | undefined, headers?: Record<string, string>): Promise<string> => {
    const { status, text } = await ask(served, 'POST', '/containers/create', body, headers);
    return `${status} ${text.trim()}`;
  };
  assert.equal(await create('{"Image":"a"}'), '201 {"Id":"i","Warnings":[]}');
  assert.equal(await create('{"Image":"a"}', { 'Content-Type': 'application/json; charset=utf-8' }), '201 {"Id":"i","Warnings":[]}');
  assert.equal(
    await create('{}', { 'Content-Type': 'text/plain' }),
    `400 {"message":"unsupported Content-Type header (text/plain): must be 'application/json'"}`,
  );
  assert.equal(await create(''), '400 {"message":"invalid JSON: got EOF while reading request body"}');
  assert.equal(await create('{"Image":"a"'), '400 {"message":"invalid JSON: unexpected EOF"}');
  assert.equal(await create('{"Image":"a"} {}'), '400 {"message":"unexpected content after JSON"}');
  assert.match(await create('nonsense'), /^400 {"message":"invalid JSON: /);
  assert.match(await create(`{"Image":"${'a'.repeat(5 * 1024 * 1024)}"}`), /^400 .*larger than 4 MiB/);
});

test('a body that is refused while it is sent is answered all the same', async () => {
  await using served = await serve({
    containers: {
      archivePut: async (_, __, tar) => {
        for await (const _chunk of tar) throw invalid('not a tar');
      },
    },
  });
  const { status, text } = await ask(served, 'POST', '/containers/create', 'x'.repeat(6 * 1024 * 1024), { 'Transfer-Encoding': 'chunked' });
  assert.equal(`${status} ${text}`, '400 {"message":"the request body is larger than 4 MiB"}\n');
  const large = (async function* () {
    for (let turn = 0; turn < 100; turn++) yield Buffer.alloc(65536);
  })();
  await assert.rejects(served.client.containers.archivePut('c', '/', large), { code: 'invalid_argument', message: 'not a tar' });
});

test('list: limit, flags and filters', async () => {
  const seen: unknown[] = [];
  await using served = await serve({
    containers: {
      list: async (options) => {
        seen.push(options);
        return [];
      },
    },
  });
  await served.client.containers.list({ all: true, limit: 2, size: true, filters: { status: ['exited'] } });
  await ask(served, 'GET', '/containers/json?limit=-1&all=0&filters={"label":{"a":true,"b":false}}'.replaceAll('"', '%22'));
  assert.deepEqual(seen, [
    { all: true, limit: 2, size: true, filters: new Map([['status', ['exited']]]) },
    { all: false, limit: undefined, size: false, filters: new Map([['label', ['a']]]) },
  ]);
  assert.equal((await ask(served, 'GET', '/containers/json?limit=x')).status, 400);
  assert.equal((await ask(served, 'GET', '/containers/json?filters=x')).status, 400);
});

test('wait sends its head at once and its outcome when there is one', async () => {
  const outcome = Promise.withResolvers<{ StatusCode: number }>();
  const conditions: string[] = [];
  await using served = await serve({
    containers: {
      wait: async (_, condition) => {
        conditions.push(condition);
        return { done: outcome.promise };
      },
    },
  });
  const { done } = await served.client.containers.wait('c', { condition: 'next-exit' });
  outcome.resolve({ StatusCode: 7 });
  assert.deepEqual(await done, { StatusCode: 7 });
  assert.equal((await ask(served, 'POST', '/containers/c/wait')).text, '{"StatusCode":7}\n');
  assert.deepEqual(conditions, ['next-exit', 'not-running']);
  assert.equal((await ask(served, 'POST', '/containers/c/wait?condition=never')).text, '{"message":"invalid condition: \\"never\\""}\n');
});

test('logs: options, frames, types', async () => {
  const seen: LogOptions[] = [];
  await using served = await serve({
    containers: {
      logs: async (name, options) => {
        seen.push(options);
        const batches = async function* (): AsyncGenerator<LogBatch> {
          yield [
            { stream: 'stdout', data: Buffer.from('a\nhalf') },
            { stream: 'stderr', data: Buffer.from('b\n') },
          ];
          if (name === 'broken') throw new Error('the log is damaged');
        };
        return { tty: name === 'tty', batches: batches() };
      },
    },
  });
  const logs = await served.client.containers.logs('c', { stdout: true, stderr: true, since: '10.5', tail: '3', timestamps: true });
  const lines: string[] = [];
  for await (const { stream, data } of logs.output) lines.push(`${stream} ${Buffer.from(data).toString()}`);
  assert.deepEqual(lines, ['stdout a\nhalf', 'stderr b\n']);
  assert.equal(
    (await ask(served, 'GET', '/containers/c/logs?stdout=1')).text,
    '\u0001\0\0\0\0\0\0\u0002a\n\u0001\0\0\0\0\0\0\u0004half\u0002\0\0\0\0\0\0\u0002b\n',
    'a frame for each line',
  );
  assert.deepEqual(seen[0], {
    stdout: true,
    stderr: true,
    follow: false,
    since: 10_500_000_000n,
    until: undefined,
    timestamps: true,
    details: false,
    tail: 3,
  });
  assert.equal((await ask(served, 'GET', '/containers/tty/logs?stdout=1&tail=all')).text, 'a\nhalfb\n');
  assert.equal(seen[2]?.tail, undefined);
  const typeOf = async (path: string): Promise<unknown> => (await ask(served, 'GET', path)).headers['content-type'];
  assert.equal(await typeOf('/v1.41/containers/c/logs?stdout=1'), 'application/vnd.docker.raw-stream');
  assert.equal(await typeOf('/v1.42/containers/c/logs?stdout=1'), 'application/vnd.docker.multiplexed-stream');
  assert.equal(
    (await ask(served, 'GET', '/containers/c/logs')).text,
    '{"message":"Bad parameters: you must choose at least one stream"}\n',
  );
  assert.match((await ask(served, 'GET', '/containers/broken/logs?stdout=1')).text, /\u0003.*Error grabbing logs: the log is damaged\n$/);
});

test('stats: one answer or a stream', async () => {
  const asked: unknown[] = [];
  await using served = await serve({
    containers: {
      stats: async (_, options) => {
        asked.push(options);
        return (async function* () {
          yield { num_procs: 1 };
          if (options.stream) yield { num_procs: 2 };
        })();
      },
    },
  });
  const read = async (options: object): Promise<unknown[]> => Array.fromAsync(await served.client.containers.stats('c', options));
  assert.deepEqual(await read({}), [{ num_procs: 1 }, { num_procs: 2 }]);
  assert.deepEqual(await read({ stream: false, oneShot: true }), [{ num_procs: 1 }]);
  await ask(served, 'GET', '/v1.40/containers/c/stats?stream=false&one-shot=1');
  assert.deepEqual(asked, [
    { stream: true, oneShot: false },
    { stream: false, oneShot: true },
    { stream: false, oneShot: false },
  ]);
});

test('archives go in and out, their stat in a header', async () => {
  const stat = { name: 'etc', size: 5, mode: 2147484141, mtime: '2026-11-24T00:00:00Z', linkTarget: '' };
  let put: unknown;
  await using served = await serve({
    containers: {
      archiveStat: async () => stat,
      archiveGet: async (_, path) => {
        if (path === '/missing') throw invalid('no such path');
        return { stat, tar: pieces('ta', 'r') };
      },
      archivePut: async (name, path, tar, options) => {
        put = [name, path, await gather(tar), options];
      },
      export: async () => pieces('whole'),
      changes: async () => [{ Path: '/a', Kind: 1 }],
      commit: async (_, options) => {
        put = options;
        return { Id: 'sha256:new' };
      },
    },
  });
  const { containers } = served.client;
  assert.deepEqual(await containers.archiveStat('c', '/etc'), stat);
  const got = await containers.archiveGet('c', '/etc');
  assert.deepEqual([got.stat, await gather(got.tar)], [stat, 'tar']);
  await assert.rejects(containers.archiveGet('c', '/missing'), { code: 'invalid_argument' });
  await assert.rejects(containers.archiveStat('c', ''), { code: 'invalid_argument' });
  await containers.archivePut('c', '/x', pieces('a', 'b'), { noOverwriteDirNonDir: true });
  assert.deepEqual(put, ['c', '/x', 'ab', { noOverwriteDirNonDir: true, copyUidGid: false }]);
  assert.equal(await gather(await containers.export('c')), 'whole');
  assert.deepEqual(await containers.changes('c'), [{ Path: '/a', Kind: 1 }]);
  assert.deepEqual(await containers.commit('c', { repo: 'r', changes: ['CMD x'], pause: false }), { Id: 'sha256:new' });
  assert.deepEqual(put, { repo: 'r', tag: undefined, comment: '', author: '', pause: false, changes: ['CMD x'], config: undefined });
});

test('starting with an old kind of body is refused', async () => {
  await using served = await serve({ containers: { start: async () => {} } });
  assert.equal((await ask(served, 'POST', '/containers/c/start', '{"Binds":["/a:/b"]}')).status, 400);
  assert.equal((await ask(served, 'POST', '/containers/c/start', '{}')).status, 204);
  assert.match(await rawExchange(served, 'POST /containers/c/start HTTP/1.0\r\n\r\n'), /^HTTP\/1.1 204/);
});
