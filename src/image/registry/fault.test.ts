import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultOf, noAnswer, parseRetryAfter, refusal, shown } from './fault.ts';

const url = new URL('https://user:secret@registry.test:5000/v2/a/b/manifests/1?token=secret');

test('refusals in the registry\'s own words, or in ours when it has none', () => {
  const say = (status: number, body: string): string => refusal(status, Buffer.from(body), url, undefined).message;
  assert.equal(say(404, '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}'), 'manifest unknown: manifest unknown');
  assert.equal(say(403, '{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}'), 'denied: requested access to the resource is denied');
  assert.equal(say(401, ''), 'unauthorized: authentication required');
  assert.match(say(500, '<html>oops</html>'), /^registry registry.test:5000: error parsing HTTP 500 response body: "<html>/);
  assert.match(say(500, '{"errors":"none"}'), /error parsing/);
  assert.match(say(503, ''), /unexpected HTTP status 503/);
  assert.ok(say(500, 'x'.repeat(100_000)).length < 1000);
});

test('secrets of an address are not shown', () => assert.equal(shown(url), 'https://registry.test:5000/v2/'));

test('what may help to try again, and how long to wait', () => {
  assert.equal(faultOf(refusal(429, Buffer.alloc(0), url, '2'))?.retryAfter, 2000);
  assert.equal(faultOf(refusal(429, Buffer.alloc(0), url, '2'))?.transient, true);
  assert.equal(faultOf(refusal(404, Buffer.alloc(0), url, undefined))?.transient, false);
  assert.equal(parseRetryAfter('Thu, 01 Jan 1970 00:00:10 GMT', 4000), 6000);
  assert.equal(parseRetryAfter('999999', 0), 300_000);
  assert.equal(parseRetryAfter('soon', 0), undefined);
  const failure = (code: string): Error => Object.assign(new Error(code), { code });
  assert.equal(faultOf(noAnswer(failure('ECONNRESET'), 'GET', url))?.transient, true);
  assert.equal(faultOf(noAnswer(failure('ENOTFOUND'), 'GET', url))?.transient, false);
  assert.match(noAnswer(failure('ENOTFOUND'), 'GET', url).message, /^Get "https:\/\/registry.test:5000\/v2\/": dial tcp: lookup registry.test: no such host$/);
});
