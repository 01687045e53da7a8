import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerCreateRequest } from '#spec/wire/container.ts';
import { FakeEngine } from './engine.fake.ts';
import { listContainers } from './list.ts';

async function names(engine: FakeEngine, filters: Record<string, string[]>, options: { all?: boolean; limit?: number } = {}): Promise<string[]> {
  const found = await listContainers(
    { ...engine.context, archives: { size: async () => 0 }, networkId: (name) => (name === 'bridge' ? 'f'.repeat(64) : undefined) },
    { all: options.all ?? true, limit: options.limit, size: false, filters: new Map(Object.entries(filters)) },
  );
  return found.map(({ Names }) => Names?.[0]?.slice(1) ?? '');
}

function populate(engine: FakeEngine): void {
  const make = (name: string, body: Partial<ContainerCreateRequest>): void => void engine.create(body, name);
  make('web', { Labels: { tier: 'front' }, ExposedPorts: { '80/tcp': {} }, HostConfig: { PortBindings: { '80/tcp': [{ HostPort: '8080' }] } } });
  make('db', { Volumes: { '/data': {} }, HostConfig: { NetworkMode: 'none' } });
  make('job', { HostConfig: { Binds: ['store:/keep'] } });
}

test('newest first; running ones alone unless all, a limit or a status asks for more', async () => {
  using engine = new FakeEngine();
  populate(engine);
  await engine.lifecycle.start(engine.context.store.find('db').id);
  assert.deepEqual(await names(engine, {}), ['job', 'db', 'web']);
  assert.deepEqual(await names(engine, {}, { all: false }), ['db']);
  assert.deepEqual(await names(engine, {}, { all: false, limit: 2 }), ['job', 'db']);
  assert.deepEqual(await names(engine, { status: ['created'] }, { all: false }), ['job', 'web']);
});

test('every filter', async () => {
  using engine = new FakeEngine();
  populate(engine);
  const web = engine.context.store.find('web').id;
  const cases: [Record<string, string[]>, string[]][] = [
    [{ name: ['^/?d'] }, ['db']],
    [{ name: ['web', 'job'] }, ['job', 'web']],
    [{ name: ['(((('] }, []],
    [{ id: [web.slice(0, 12)] }, ['web']],
    [{ label: ['tier=front'] }, ['web']],
    [{ label: ['tier'] }, ['web']],
    [{ before: ['db'] }, ['web']],
    [{ since: ['db'] }, ['job']],
    [{ expose: ['80'] }, []],
    [{ volume: ['store'] }, ['job']],
    [{ volume: ['/data'] }, ['db']],
    [{ network: ['none'] }, ['db']],
    [{ network: ['bridge'] }, ['job', 'web']],
    [{ network: ['f'.repeat(12)] }, ['job', 'web']],
    [{ ancestor: ['busybox'] }, ['job', 'db', 'web']],
    [{ ancestor: ['nonesuch'] }, []],
    [{ health: ['none'] }, ['job', 'db', 'web']],
    [{ 'is-task': ['true'] }, []],
    [{ exited: ['0'] }, []],
    [{ name: ['web'], label: ['tier=back'] }, []],
  ];
  for (const [filters, expected] of cases) assert.deepEqual(await names(engine, filters), expected, JSON.stringify(filters));
});

test('a pattern that could take for ever is plain text', async () => {
  using engine = new FakeEngine();
  engine.create({}, `${'a'.repeat(60)}`);
  assert.deepEqual(await names(engine, { name: ['(a+)+$b'] }), []);
});

test('refusals in docker\'s words', async () => {
  using engine = new FakeEngine();
  const refused = (filters: Record<string, string[]>, text: RegExp) => assert.rejects(names(engine, filters), text);
  await refused({ status: ['foo'] }, /^EngineError: invalid filter 'status=foo'$/);
  await refused({ before: ['foo'] }, /No such container: foo/);
  await refused({ exited: ['foo'] }, /invalid filter 'exited=foo': strconv.Atoi: parsing "foo": invalid syntax/);
  await refused({ health: ['foo'] }, /unrecognized filter value for health: foo/);
  await refused({ bar: ['foo'] }, /^EngineError: invalid filter 'bar'$/);
});

test('ports are those of running containers: exposed ones inside, published ones on the host', async () => {
  using engine = new FakeEngine();
  populate(engine);
  const web = engine.context.store.find('web').id;
  await engine.lifecycle.start(web);
  engine.sandboxes.set(web, { id: 's', netnsPath: '', endpoints: {}, ports: { '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '8080' }], '90/udp': null }, hosts: '', resolvConf: '' });
  const cases: [Record<string, string[]>, string[]][] = [
    [{ expose: ['80'] }, ['web']],
    [{ expose: ['70-90/udp'] }, ['web']],
    [{ expose: ['8080'] }, []],
    [{ publish: ['8000-9000/tcp'] }, ['web']],
    [{ publish: ['8080'] }, ['web']],
    [{ publish: ['8080/udp'] }, []],
    [{ publish: ['80'] }, []],
  ];
  for (const [filters, expected] of cases) assert.deepEqual(await names(engine, filters), expected, JSON.stringify(filters));
});
