import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Health } from '#spec/wire/container.ts';
import { afterProbe, healthTimes } from './health-rules.ts';

const fail = { ExitCode: 1, Output: 'no' };
const pass = { ExitCode: 0, Output: 'ok' };
const fresh: Health = { Status: 'starting', FailingStreak: 0, Log: [] };
const second = 1e9;

test('one success makes healthy, a row of failures unhealthy', () => {
  const context = { check: { Retries: 2 }, sinceStart: 1e6 };
  const one = afterProbe(fresh, fail, context);
  assert.deepEqual([one.Status, one.FailingStreak], ['starting', 1]);
  const two = afterProbe(one, fail, context);
  assert.deepEqual([two.Status, two.FailingStreak], ['unhealthy', 2]);
  const better = afterProbe(two, pass, context);
  assert.deepEqual([better.Status, better.FailingStreak], ['healthy', 0]);
  assert.equal(afterProbe(better, fail, context).Status, 'healthy');
});

test('failures in the start period do not count, a success ends it', () => {
  const check = { Retries: 1, StartPeriod: 10 * second };
  const early = afterProbe(fresh, fail, { check, sinceStart: 5000 });
  assert.deepEqual([early.Status, early.FailingStreak], ['starting', 0]);
  const healthy = afterProbe(early, pass, { check, sinceStart: 6000 });
  assert.equal(afterProbe(healthy, fail, { check, sinceStart: 7000 }).Status, 'unhealthy');
});

test('five results are kept', () => {
  let health = fresh;
  for (let probe = 0; probe < 8; probe++) health = afterProbe(health, { ExitCode: 0, Output: String(probe) }, { check: {}, sinceStart: 0 });
  assert.deepEqual(health.Log?.map(({ Output }) => Output), ['3', '4', '5', '6', '7']);
});

test('defaults are docker\'s', () => {
  assert.deepEqual(healthTimes({}), { interval: 30_000, timeout: 30_000, startPeriod: 0, startInterval: 5_000 });
});
