import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Progress } from './progress.ts';

test('every sentence arrives in order; of numbers only the latest, and none after the last word', async () => {
  const progress = new Progress();
  progress.say({ status: 'Pulling fs layer', id: 'a' });
  for (let current = 0; current <= 1000; current++) progress.move('a', 'Downloading', current, 1000);
  progress.move('b', 'Downloading', 500, 1000);
  const seen: string[] = [];
  for await (const { id, status, progressDetail, progress: bar } of progress) {
    seen.push(`${id} ${status} ${progressDetail?.current ?? ''}`.trim());
    if (id === 'b') {
      assert.equal(bar, `[${'='.repeat(25)}>${' '.repeat(25)}]     500B/1kB`);
      progress.move('a', 'Extracting', 3, 1000);
      progress.say({ status: 'Pull complete', id: 'a' });
      progress.end();
    }
  }
  assert.deepEqual(seen, ['a Pulling fs layer', 'a Downloading 1000', 'b Downloading 500', 'a Pull complete']);
});

test('a failure comes after what was said before it', async () => {
  const progress = new Progress();
  progress.say({ status: 'one' });
  progress.fail(new Error('broken'));
  const seen: unknown[] = [];
  await assert.rejects(async () => {
    for await (const { status } of progress) seen.push(status);
  }, /broken/);
  assert.deepEqual(seen, ['one']);
});
