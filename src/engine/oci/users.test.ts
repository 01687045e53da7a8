import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RootFiles } from './root-files.ts';
import { resolveUser } from './users.ts';

const files = (passwd: string | undefined, group?: string): RootFiles => ({ read: (path) => (path === '/etc/passwd' ? passwd : group) });
const image = files('root:x:0:0:root:/root:/bin/sh\n# comment\nann:x:1000:1001::/home/ann:\nbroken\n77:x:0:0::/:\n', 'root:x:0:\nann:x:1001:\nstaff:x:50:ann,bob\nwheel:x:10:root\n66:x:0:\n');

describe('users as the image names them', () => {
  const cases: [string, string[], object][] = [
    ['', [], { uid: 0, gid: 0, groups: [0, 10], home: '/root' }],
    ['root', [], { uid: 0, gid: 0, groups: [0, 10], home: '/root' }],
    ['ann', [], { uid: 1000, gid: 1001, groups: [1001, 50], home: '/home/ann' }],
    ['1000', [], { uid: 1000, gid: 1001, groups: [1001, 50], home: '/home/ann' }],
    ['ann:staff', [], { uid: 1000, gid: 50, groups: [50], home: '/home/ann' }],
    ['ann:7', ['staff', '99'], { uid: 1000, gid: 7, groups: [7, 50, 99], home: '/home/ann' }],
    ['4321', [], { uid: 4321, gid: 0, groups: [0], home: '/' }],
    ['4321:8765', [], { uid: 4321, gid: 8765, groups: [8765], home: '/' }],
    [':', [], { uid: 0, gid: 0, groups: [0, 10], home: '/root' }],
    // Digits are an id even where the image has such a name (CVE-2016-3697).
    ['77', [], { uid: 77, gid: 0, groups: [0], home: '/' }],
    ['ann:66', [], { uid: 1000, gid: 66, groups: [66], home: '/home/ann' }],
  ];
  for (const [spec, additional, expected] of cases) {
    test(JSON.stringify([spec, ...additional]), () => assert.deepEqual(resolveUser(spec, additional, image), expected));
  }
  test('an image without files', () => assert.deepEqual(resolveUser('', [], files(undefined)), { uid: 0, gid: 0, groups: [0], home: '/' }));
  const refusals: [string, string[], string][] = [
    ['nope', [], 'unable to find user nope: no matching entries in passwd file'],
    ['1:nope', [], 'unable to find group nope: no matching entries in group file'],
    ['', ['nope'], 'Unable to find group nope: no matching entries in group file'],
    ['4294967296', [], 'uids and gids must be in range 0-2147483647'],
    ['-5', [], 'uids and gids must be in range 0-2147483647'],
    ['', ['99999999999'], 'uids and gids must be in range 0-2147483647'],
  ];
  for (const [spec, additional, message] of refusals) {
    test(JSON.stringify([spec, ...additional]), () => assert.throws(() => resolveUser(spec, additional, image), { code: 'invalid_argument', message }));
  }
});
