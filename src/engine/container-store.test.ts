import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDatabase } from '#host/database.ts';
import type { Digest } from '#spec/digest.ts';
import { asContainerId } from '#spec/ids.ts';
import type { ContainerDefinition } from './container-record.ts';
import { containerMigrations, ContainerStore } from './container-store.ts';
import { mayBecome, transitions, type ContainerStatus } from './container-state.ts';

const open = () => openDatabase(':memory:', containerMigrations);
const definition = (id: string, name: string): ContainerDefinition => ({
  version: 1, id: asContainerId(id), name, created: '2026-01-01T00:00:00Z', image: 'sha256:x' as Digest, platform: { os: 'linux', architecture: 'amd64' },
  config: {}, hostConfig: {}, mounts: [], networks: {},
});

test('containers are found by id, unique prefix and name', () => {
  const store = new ContainerStore(open());
  store.insert(definition('aaa1', 'one'));
  store.insert(definition('aab2', 'two'));
  assert.equal(store.find('aaa').name, 'one');
  assert.equal(store.find('/two').id, 'aab2');
  assert.throws(() => store.find('aa'), /Multiple IDs found with provided prefix: aa/);
  assert.throws(() => store.find(''), /No such container: /);
  assert.throws(() => store.find('zz'), { message: 'No such container: zz', code: 'not_found' });
});

test('records come back from the database as they were', () => {
  const db = open();
  const first = new ContainerStore(db);
  const { id } = first.insert(definition('aaa1', 'one'));
  first.change(id, { life: { status: 'running', process: { pid: 1, startTime: 2, monitorPid: 3, monitorStartTime: 4 } }, exitCode: 3 });
  first.redefine(id, { name: 'other' });
  assert.deepEqual(new ContainerStore(db).require(id), first.require(id));
});

test('a name is given once, and free again after a rename', () => {
  const store = new ContainerStore(open());
  const { id } = store.insert(definition('aaa1', 'one'));
  assert.throws(() => store.insert(definition('aab2', 'one')), /Conflict. The container name "\/one" is already in use by container "aaa1"/);
  store.redefine(id, { name: 'two' });
  store.insert(definition('aab2', 'one'));
  assert.equal(store.find('two').id, 'aaa1');
});

test('a transaction that fails leaves memory as the database', () => {
  const db = open();
  const store = new ContainerStore(db);
  const { id } = store.insert(definition('aaa1', 'one'));
  assert.throws(() =>
    store.transaction(() => {
      store.insert(definition('bbb1', 'new'));
      store.redefine(id, { name: 'renamed' });
      store.change(id, { exitCode: 9 });
      store.remove(id);
      throw new Error('disk full');
    }),
  );
  assert.equal(store.require(id).name, 'one');
  assert.equal(store.require(id).exitCode, 0);
  assert.deepEqual([...store.all()].map(({ name }) => name), ['one']);
  assert.deepEqual([...new ContainerStore(db).all()], [...store.all()]);
});

test('only the transitions of the table happen', () => {
  const store = new ContainerStore(open());
  const { id } = store.insert(definition('aaa1', 'one'));
  assert.throws(() => store.change(id, { life: { status: 'dead' } }), /cannot go from created to dead/);
  assert.equal(store.require(id).life.status, 'created');
});

test('every state can be reached and, but for removal, left', () => {
  const all = Object.keys(transitions) as ContainerStatus[];
  const reached = new Set<ContainerStatus>(['created']);
  for (let size = 0; size !== reached.size; ) {
    size = reached.size;
    for (const from of [...reached]) for (const to of all) if (mayBecome(from, to)) reached.add(to);
  }
  assert.deepEqual([...reached].sort(), [...all].sort());
  for (const from of all) assert.ok(Object.keys(transitions[from]).length > 0, `${from} can be left`);
});
