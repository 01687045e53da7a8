import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAptSources, publicSources, sourcesFor } from './debian.ts';

const deb822 = `Types: deb
# a comment inside
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb-src
URIs: http://mirror.example/debian
Suites: bookworm
Components: main

Types: deb
URIs: https://elsewhere.example/tools
Suites: any
Components: main
`;

test('both formats of apt sources are read, Debian repositories only', () => {
  const sources = parseAptSources(deb822);
  assert.equal(sources.length, 1);
  assert.deepEqual(sources[0]?.suites, ['bookworm', 'bookworm-updates', 'bookworm-backports']);
  assert.deepEqual(parseAptSources('deb [signed-by=/k] http://m/debian bookworm main\n# deb http://x/debian y z\ndeb http://m/ubuntu x main'), [
    { uri: 'http://m/debian', suites: ['bookworm'], components: ['main'], signedBy: '/k' },
  ]);
});

test('sources turn to another release', () => {
  const sources = parseAptSources(deb822);
  assert.deepEqual(sourcesFor(sources, 'bookworm', 'trixie'), [
    'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example/debian trixie main',
    'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example/debian trixie-updates main',
  ]);
  assert.equal(sourcesFor(sources, 'bookworm', 'sid').length, 1);
  assert.deepEqual(sourcesFor([], 'stable', 'stable'), ['deb http://deb.debian.org/debian stable main']);
});

test('the image names public servers only', () => {
  assert.match(publicSources('bookworm'), /URIs: http:\/\/deb\.debian\.org\/debian-security\nSuites: bookworm-security/);
  assert.doesNotMatch(publicSources('sid'), /security\nSuites/);
});
