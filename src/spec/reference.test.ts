import assert from 'node:assert/strict';
import { test } from 'node:test';
import { familiarName, familiarString, fullName, parseReference, parseTarget, withDefaultTag } from './reference.ts';

const digest = `sha256:${'a'.repeat(64)}`;

test('names are completed as Docker does', () => {
  const cases: Record<string, string> = {
    busybox: 'docker.io/library/busybox',
    'library/busybox': 'docker.io/library/busybox',
    'docker.io/busybox': 'docker.io/library/busybox',
    'index.docker.io/user/app': 'docker.io/user/app',
    'user/app': 'docker.io/user/app',
    'localhost/app': 'localhost/app',
    'host:5000/app': 'host:5000/app',
    'ghcr.io/a/b/c': 'ghcr.io/a/b/c',
    'UPPER/app': 'UPPER/app',
    '[::1]:5000/app': '[::1]:5000/app',
    'a__b/c--d.e_f': 'docker.io/a__b/c--d.e_f',
  };
  for (const [given, full] of Object.entries(cases)) assert.equal(fullName(parseReference(given)), full, given);
});

test('tags and digests are told from ports', () => {
  assert.deepEqual(parseReference('host:5000/app:1.2'), { domain: 'host:5000', path: 'app', tag: '1.2', digest: undefined });
  assert.equal(parseReference(`app@${digest}`).digest, digest);
  assert.equal(familiarString(parseReference(`app:1@${digest}`)), `app:1@${digest}`);
  assert.equal(familiarString(withDefaultTag(parseReference('docker.io/library/app'))), 'app:latest');
  assert.equal(familiarName(parseReference('docker.io/user/app')), 'user/app');
  assert.equal(familiarName(parseReference('docker.io/library/a/b')), 'library/a/b');
});

test('what is not a name is refused in Docker words', () => {
  const cases: Record<string, RegExp> = {
    '': /^invalid reference format$/,
    ':tag': /^invalid reference format$/,
    'a b': /^invalid reference format$/,
    'app:': /^invalid reference format$/,
    'app:a!': /^invalid reference format$/,
    '-app': /^invalid reference format$/,
    '../app': /^invalid reference format$/,
    'a//b': /^invalid reference format$/,
    'app@sha256:abc': /^invalid reference format$/,
    [`app@sha256:${'a'.repeat(40)}`]: /^invalid checksum digest length$/,
    [`app@md5:${'a'.repeat(32)}`]: /^unsupported digest algorithm$/,
    App: /^invalid reference format: repository name \(library\/App\) must be lowercase$/,
    'user/App': /repository name \(user\/App\) must be lowercase$/,
    ['a'.repeat(64)]: /cannot specify 64-byte hexadecimal strings$/,
    [`x/${'a'.repeat(300)}`]: /^repository name must not be more than 255 characters$/,
  };
  for (const [given, message] of Object.entries(cases)) assert.throws(() => parseReference(given), { code: 'invalid_argument', message }, given);
});

test('a target takes a tag apart and refuses digests', () => {
  assert.equal(parseTarget('app', undefined).tag, 'latest');
  assert.equal(parseTarget('app', '').tag, 'latest');
  assert.equal(parseTarget('app:1', '2').tag, '2');
  assert.throws(() => parseTarget(`app@${digest}`, undefined), /digest reference/);
  assert.throws(() => parseTarget('app', 'a!'), /^EngineError: invalid tag format$/);
});
