import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DetachWatch, parseDetachKeys } from './detach-keys.ts';

test('keys are read as bytes', () => {
  assert.deepEqual([...parseDetachKeys('ctrl-p,ctrl-q')], [16, 17]);
  assert.deepEqual([...parseDetachKeys('a,ctrl-@,ctrl-[')], [97, 0, 27]);
  assert.throws(() => parseDetachKeys('ctrl-p,foo'), { message: "invalid detach keys (ctrl-p,foo): Unknown character: 'foo'" });
});

test('a sequence is found across chunks; what only begins one is passed on', () => {
  const watch = new DetachWatch(parseDetachKeys('ctrl-p,ctrl-q'));
  assert.deepEqual(watch.push(Uint8Array.of(97, 16)), { pass: Uint8Array.of(97), detached: false });
  assert.deepEqual(watch.push(Uint8Array.of(98)), { pass: Uint8Array.of(16, 98), detached: false });
  assert.deepEqual(watch.push(Uint8Array.of(16, 16)), { pass: Uint8Array.of(16), detached: false });
  assert.deepEqual(watch.push(Uint8Array.of(17, 99)), { pass: Uint8Array.of(), detached: true });
});
