import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIdMap } from './id-map.ts';

test('id mappings of mounts', () => {
  assert.equal(parseIdMap('1000'), 'uids=1000-0-65536;gids=1000-0-65536');
  assert.equal(parseIdMap('1000:50'), 'uids=1000-0-65536;gids=50-0-65536');
  const whole = 'uids=1000-0-1#2000-1-10;gids=1000-0-1';
  assert.equal(parseIdMap(whole), whole);
  for (const bad of ['', 'x', 'uids=1-2-3', 'uids=1-2-3;uids=1-2-3', 'uids=1-2;gids=1-2-3', 'uids=1-2-0;gids=1-2-3', 'uids=4294967295-0-1;gids=0-0-1', 'uids=1-0-1;gids=1-0-1,exec']) {
    assert.throws(() => parseIdMap(bad), /invalid idmap/, bad);
  }
});
