import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '#base/clock.ts';
import { openDatabase } from '#host/database.ts';
import type { EngineEvent } from '#spec/event.ts';
import type { Filters } from '#spec/filters.ts';
import { eventMigrations, Events } from './events.ts';

const clock = (start = 1_000n): Clock & { nanos: bigint } => ({
  nanos: start,
  now: () => 0,
  nowNanos() {
    return this.nanos;
  },
  sleep: async () => {},
});
const container = (action: string, name = 'c', attributes: Record<string, string> = {}): EngineEvent => ({
  type: 'container', action, id: `id-${name}`, attributes: { name, image: 'busybox:1', ...attributes },
});
const forever = new AbortController().signal;

async function past(events: Events, filters: Filters, since = 0n, until = 10n ** 15n): Promise<string[]> {
  const ended = AbortSignal.abort();
  const found = await Array.fromAsync(events.stream({ since, until, filters }, ended));
  return found.map(({ Action }) => Action ?? '');
}

test('events get times that grow, and come back after a restart', async () => {
  const db = openDatabase(':memory:', eventMigrations);
  const time = clock();
  const first = new Events(db, time);
  first.emit(container('create'));
  first.emit(container('start'));
  const again = new Events(db, time);
  again.emit(container('die'));
  assert.deepEqual(await past(again, new Map()), ['create', 'start', 'die']);
  assert.deepEqual(await past(again, new Map(), 1_001n, 1_001n), ['start']);
});

test('a stream goes on from the past to what happens now', async () => {
  const events = new Events(openDatabase(':memory:', eventMigrations), clock());
  events.emit(container('create'));
  const stop = new AbortController();
  const stream = events.stream({ since: 0n, until: undefined, filters: new Map() }, stop.signal);
  assert.equal((await stream.next()).value?.Action, 'create');
  const next = stream.next();
  events.emit(container('start'));
  const { value } = await next;
  assert.equal(value?.Action, 'start');
  assert.equal(value?.scope, 'local');
  assert.equal(value?.timeNano, 1_001n);
  stop.abort();
  assert.equal((await stream.next()).done, true);
  assert.equal(events.listeners, 0);
});

test('without since only what comes is told', async () => {
  const events = new Events(openDatabase(':memory:', eventMigrations), clock());
  events.emit(container('create'));
  const stream = events.stream({ since: undefined, until: undefined, filters: new Map() }, forever);
  const next = stream.next();
  events.emit(container('start'));
  assert.equal((await next).value?.Action, 'start');
  await stream.return(undefined);
});

test('filters: any value of a key, all keys', async () => {
  const events = new Events(openDatabase(':memory:', eventMigrations), clock());
  events.emit(container('create', 'web', { tier: 'front' }));
  events.emit(container('exec_create: sh', 'web'));
  events.emit(container('health_status: healthy', 'db'));
  events.emit({ type: 'network', action: 'connect', id: 'n1', attributes: { name: 'bridge', container: 'id-web' } });
  events.emit({ type: 'image', action: 'pull', id: 'busybox:1', attributes: { name: 'busybox:1' } });
  const select = (filters: Record<string, string[]>) => past(events, new Map(Object.entries(filters)));
  assert.deepEqual(await select({ container: ['web'] }), ['create', 'exec_create: sh']);
  assert.deepEqual(await select({ event: ['health_status', 'exec_create'] }), ['exec_create: sh', 'health_status: healthy']);
  assert.deepEqual(await select({ type: ['network'] }), ['connect']);
  assert.deepEqual(await select({ label: ['tier=front'] }), ['create']);
  assert.deepEqual(await select({ image: ['busybox'], type: ['image'] }), ['pull']);
  assert.deepEqual(await select({ network: ['bridge'] }), ['connect']);
  assert.deepEqual(await select({ scope: ['swarm'] }), []);
  await assert.rejects(select({ nonsense: ['x'] }), /invalid filter 'nonsense'/);
});
