import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Limiter } from './limiter.ts';

test('at most so many at a time, in order, and a failure makes room', async () => {
  const limiter = new Limiter(2);
  const { signal } = new AbortController();
  const gates = Array.from({ length: 4 }, () => Promise.withResolvers<void>());
  const began: number[] = [];
  const runs = gates.map(({ promise }, index) => limiter.run(signal, async () => {
    began.push(index);
    await promise;
  }));
  assert.equal(began.join(), '0,1');
  assert.equal(limiter.busy, true);
  gates[1]!.reject(new Error('broken'));
  await assert.rejects(runs[1]!, /broken/);
  gates[2]!.resolve();
  await runs[2];
  await new Promise(setImmediate);
  assert.equal(began.join(), '0,1,2,3');
  gates[0]!.resolve();
  gates[3]!.resolve();
  await Promise.all([runs[0], runs[3]]);
  assert.equal(limiter.busy, false);
});

test('who gives up while waiting takes no turn away', async () => {
  const limiter = new Limiter(1);
  const { signal } = new AbortController();
  const gate = Promise.withResolvers<void>();
  const first = limiter.run(signal, () => gate.promise);
  const leaving = new AbortController();
  const second = limiter.run(leaving.signal, async () => assert.fail('it gave up'));
  const third = limiter.run(signal, async () => 'served');
  leaving.abort();
  await assert.rejects(second, /abort/i);
  gate.resolve();
  await first;
  assert.equal(await third, 'served');
  assert.equal(limiter.busy, false);
});
