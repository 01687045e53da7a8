import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pathMatcher } from './glob.ts';

test('patterns match as in Go', () => {
  const yes: [string, string][] = [['busy*', 'busybox:latest'], ['*/app:?', 'user/app:1'], ['a[b-d]', 'ac'], ['a[^b]', 'ac'], ['a\\*', 'a*'], ['a.c', 'a.c'], ['[\\]]', ']']];
  const no: [string, string][] = [['busy*', 'user/busybox'], ['a[^b]', 'ab'], ['a.c', 'abc'], ['a\\*', 'ab'], ['a[^b]c', 'a/c'], ['busy', 'busybox']];
  for (const [pattern, text] of yes) assert.ok(pathMatcher(pattern)(text), `${pattern} ~ ${text}`);
  for (const [pattern, text] of no) assert.ok(!pathMatcher(pattern)(text), `${pattern} !~ ${text}`);
  for (const bad of ['[', 'a\\', '[]']) assert.throws(() => pathMatcher(bad), { message: 'syntax error in pattern' });
});
