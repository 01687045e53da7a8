import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nextRestart, startsAtBoot } from './restart-policy.ts';

const run = { exitCode: 1, duration: 50, stoppedByUser: false, restartCount: 0, lastDelay: 0 };

test('the delay doubles up to a minute and begins anew after a steady run', () => {
  const delays: number[] = [];
  for (let lastDelay = 0; delays.length < 12; ) delays.push((lastDelay = nextRestart({ Name: 'always' }, { ...run, lastDelay }) ?? NaN));
  assert.deepEqual(delays, [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000]);
  assert.equal(nextRestart({ Name: 'always' }, { ...run, lastDelay: 60000, duration: 10_000 }), 100);
});

test('each policy', () => {
  assert.equal(nextRestart({ Name: 'no' }, run), undefined);
  assert.equal(nextRestart(undefined, run), undefined);
  assert.equal(nextRestart({ Name: 'on-failure' }, { ...run, exitCode: 0 }), undefined);
  assert.equal(nextRestart({ Name: 'on-failure', MaximumRetryCount: 2 }, { ...run, restartCount: 1 }), 100);
  assert.equal(nextRestart({ Name: 'on-failure', MaximumRetryCount: 2 }, { ...run, restartCount: 2 }), undefined);
  assert.equal(nextRestart({ Name: 'unless-stopped' }, { ...run, exitCode: 0 }), 100);
  assert.equal(nextRestart({ Name: 'always' }, { ...run, stoppedByUser: true }), undefined);
});

test('at boot always means always, unless-stopped remembers, and what never ran stays', () => {
  const stopped = { exitCode: 0, stoppedByUser: true, ran: true };
  assert.equal(startsAtBoot({ Name: 'always' }, stopped), true);
  assert.equal(startsAtBoot({ Name: 'unless-stopped' }, stopped), false);
  assert.equal(startsAtBoot({ Name: 'unless-stopped' }, { ...stopped, stoppedByUser: false }), true);
  assert.equal(startsAtBoot({ Name: 'on-failure' }, { ...stopped, stoppedByUser: false, exitCode: 255 }), true);
  assert.equal(startsAtBoot({ Name: 'always' }, { ...stopped, ran: false }), false);
});
