import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDetachKeys } from './detach-keys.ts';

test('keys become the bytes a terminal sends', () => {
  assert.deepEqual([...parseDetachKeys(undefined)], [16, 17]);
  assert.deepEqual([...parseDetachKeys('')], [16, 17]);
  assert.deepEqual([...parseDetachKeys('a,ctrl-@,ctrl-[,ctrl-_,ctrl-x')], [97, 0, 27, 31, 24]);
});

test('what is no key is refused', () => {
  for (const text of ['ctrl-', 'shift-a', 'ctrl-1', 'a,,b', 'ctrl-A,a']) assert.throws(() => parseDetachKeys(text), /Invalid detach keys \(.*\) provided/);
  assert.throws(() => parseDetachKeys('ctrl-A', 'escape'), { message: 'Invalid escape keys (ctrl-A) provided' });
});
