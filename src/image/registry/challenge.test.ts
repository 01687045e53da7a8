import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseChallenges } from './challenge.ts';

test('a bearer challenge with commas inside of quotes', () => {
  assert.deepEqual(parseChallenges('Bearer realm="https://auth.test/token",service="registry.test",scope="repository:a/b:pull,push"'), [
    { scheme: 'bearer', parameters: { realm: 'https://auth.test/token', service: 'registry.test', scope: 'repository:a/b:pull,push' } },
  ]);
});

test('several challenges, escapes, unquoted values, odd spacing', () => {
  assert.deepEqual(parseChallenges('Basic realm="a \\"b\\"" , BEARER realm = x, error=invalid_token'), [
    { scheme: 'basic', parameters: { realm: 'a "b"' } },
    { scheme: 'bearer', parameters: { realm: 'x', error: 'invalid_token' } },
  ]);
});

test('nonsense ends the list and does not hang', () => {
  assert.deepEqual(parseChallenges(''), []);
  assert.deepEqual(parseChallenges('"'), []);
  assert.deepEqual(parseChallenges('Basic realm="open'), [{ scheme: 'basic', parameters: {} }]);
  assert.deepEqual(parseChallenges('realm="x"'), []);
});
