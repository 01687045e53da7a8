import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refuseBrowsers } from './browser-guard.ts';
import { DetachWatcher } from './detach-watcher.ts';
import { QueryValues } from './query-values.ts';
import { parseTarget } from './target.ts';
import { parseTime, parseDuration, renderTime } from '../time-value.ts';

test('a target is split into version, path and query', () => {
  assert.deepEqual(parseTarget('/v1.44/containers/a%20b/json?size=1'), { path: '/containers/a b/json', query: 'size=1', version: '1.44' });
  assert.deepEqual(parseTarget('/version'), { path: '/version', query: '', version: '1.55' });
  assert.deepEqual(parseTarget('/volumes/v1.44'), { path: '/volumes/v1.44', query: '', version: '1.55' });
  assert.throws(() => parseTarget('/v1.23/info'), /too old/);
  assert.throws(() => parseTarget('/v1.100/info'), /too new/);
  assert.throws(() => parseTarget('/containers/a%00b/json'), { code: 'invalid_argument' });
});

test('flags and numbers are read as Docker reads them', () => {
  const query = new QueryValues('a=1&b=True&c=0&d=false&e=&f=none&g=anything&n=-5&bad=1x');
  assert.deepEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'absent'].map((name) => query.flag(name)), [true, true, false, false, false, false, true, false]);
  assert.equal(query.flag('absent', true), true);
  assert.equal(query.flag('e', true), false);
  assert.equal(query.integer('n'), -5);
  assert.equal(query.integer('absent'), undefined);
  assert.throws(() => query.integer('bad'), { code: 'invalid_argument', message: /bad/ });
});

test('times: unix seconds, RFC 3339, durations', () => {
  assert.equal(parseTime('1795487530.446428761', 0), 1795487530446428761n);
  assert.equal(parseTime('1795487530', 0), 1795487530_000_000_000n);
  assert.equal(parseTime('2026-11-24T03:00:00.5Z', 0), BigInt(Date.parse('2026-11-24T03:00:00.500Z')) * 1_000_000n);
  assert.equal(parseTime('2026-11-24T03:00:00+01:00', 0), BigInt(Date.parse('2026-11-24T02:00:00Z')) * 1_000_000n);
  assert.equal(parseTime('2026-11-24', 0), BigInt(new Date(2026, 10, 24).getTime()) * 1_000_000n);
  assert.equal(parseTime('1h30m', 5_400_000), 0n);
  assert.equal(parseDuration('1.5s'), 1_500_000_000n);
  assert.equal(renderTime(1795487530_000000001n), '1795487530.000000001');
  for (const text of ['', 'abc', '2026-13-45', '10x']) assert.throws(() => parseTime(text, 0), { code: 'invalid_argument' });
});

test('detach keys are held back, let through when broken, and found across pieces', () => {
  const watcher = new DetachWatcher(Buffer.from([16, 17]));
  const push = (...bytes: number[]): [number[], boolean] => {
    const { pass, detached } = watcher.push(Buffer.from(bytes));
    return [[...pass], detached];
  };
  assert.deepEqual(push(1, 2), [[1, 2], false]);
  assert.deepEqual(push(3, 16), [[3], false]);
  assert.deepEqual(push(4), [[16, 4], false]);
  assert.deepEqual(push(16, 16), [[16], false]);
  assert.deepEqual(push(17, 9), [[], true]);
});

test('pages in a browser are refused, programs and pages of this machine are not', () => {
  const allowed = new Set(['http://dash.example']);
  const refused = { code: 'forbidden' };
  assert.throws(() => refuseBrowsers({ host: 'localhost:2375', origin: 'http://evil.example' }, allowed), refused);
  assert.throws(() => refuseBrowsers({ host: 'evil.example:2375', origin: 'http://evil.example:2375' }, allowed), refused);
  assert.throws(() => refuseBrowsers({ host: 'evil.example:2375', 'user-agent': 'Mozilla/5.0' }, allowed), refused);
  assert.throws(() => refuseBrowsers({ host: 'localhost:2375', 'sec-fetch-site': 'cross-site' }, allowed), refused);
  assert.throws(() => refuseBrowsers({ host: 'localhost:2375', origin: 'null' }, allowed), refused);
  assert.doesNotThrow(() => refuseBrowsers({ host: 'engine.example:2375', 'user-agent': 'Docker-Client/28.2.2 (linux)' }, allowed));
  assert.doesNotThrow(() => refuseBrowsers({ host: '127.0.0.1:2375', origin: 'http://127.0.0.1:2375' }, allowed));
  assert.doesNotThrow(() => refuseBrowsers({ host: 'localhost:2375', 'user-agent': 'Mozilla/5.0', 'sec-fetch-site': 'none' }, allowed));
  assert.doesNotThrow(() => refuseBrowsers({ host: 'localhost:2375', origin: 'http://dash.example' }, allowed));
});
