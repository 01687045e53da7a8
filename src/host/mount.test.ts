import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mountsUnder } from './mount.ts';

const mountinfo = String.raw`22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/root rw
40 22 0:35 / /run rw,nosuid shared:5 - tmpfs tmpfs rw,mode=755
90 40 0:50 / /run/x/a\040b/merged rw,relatime shared:9 - overlay overlay rw,lowerdir=/l
91 40 0:4 net:[4026532] /run/x/netns/1 rw shared:10 - nsfs nsfs rw
92 40 0:51 / /run/xy rw - tmpfs tmpfs rw
93 90 0:52 /sub\134dir /run/x/a\040b/merged/deep/er rw - ext4 /dev/sda rw
94 40 0:51 / /run/x rw - tmpfs tmpfs rw
`;

test('lists what is mounted at or below a folder, deepest last', () => {
  assert.deepEqual(mountsUnder(mountinfo, '/run/x'), [
    { target: '/run/x', type: 'tmpfs', source: 'tmpfs', root: '/' },
    { target: '/run/x/a b/merged', type: 'overlay', source: 'overlay', root: '/' },
    { target: '/run/x/netns/1', type: 'nsfs', source: 'nsfs', root: 'net:[4026532]' },
    { target: '/run/x/a b/merged/deep/er', type: 'ext4', source: '/dev/sda', root: String.raw`/sub\dir` },
  ]);
});

test('a folder that merely begins alike is not below', () => {
  assert.deepEqual(mountsUnder(mountinfo, '/run/xy').map(({ target }) => target), ['/run/xy']);
});
