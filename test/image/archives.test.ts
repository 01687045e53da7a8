import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, lchownSync, linkSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { asContainerId } from '#spec/ids.ts';
import { kernelMounts } from '#host/mount.ts';
import { Archives, type ArchivedContainer, type HeldRoot, type ArchivedRoot } from '#engine/archive.ts';
import { archive, collect, needsRoot, stream, workshop, type Member } from './workshop.ts';

const shop = workshop();
const archives = new Archives({ jail: shop.jail, rootless: false });
const signal = new AbortController().signal;
let count = 0;

interface Made {
  container: ArchivedContainer;
  root: ArchivedRoot;
  merged: string;
  users(): number;
}

/** A container's files without an engine: an overlay over a small tree, mounted while somebody uses it. */
function makeContainer(options: Partial<ArchivedContainer> & { mounts?: HeldRoot['mounts'] } = {}): Made {
  const name = `container-${count++}`;
  const [lower, upper, work, merged, point] = ['lower', 'upper', 'work', 'merged', 'point'].map((part) => shop.folder(name, part)) as [string, string, string, string, string];
  for (const path of ['etc', 'usr/bin', 'run', 'data', 'tmp', 'rw']) mkdirSync(join(lower, path), { recursive: true });
  const { mounts = [], ...facts } = options;
  chmodSync(join(lower, 'tmp'), 0o1777);
  writeFileSync(join(lower, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\n');
  writeFileSync(join(lower, 'usr/bin/tool'), 'tool', { mode: 0o755 });
  symlinkSync('/usr/bin', join(lower, 'bin'));
  symlinkSync('../run', join(lower, 'usr/run'));
  let users = 0;
  return {
    merged,
    users: () => users,
    container: { id: asContainerId('a'.repeat(64)), readOnly: false, folder: shop.folder(name), ...facts },
    root: {
      upper,
      lower: [lower],
      point,
      acquire() {
        if (users++ === 0) kernelMounts.overlay({ lower: [lower], upper, work, target: merged });
        return merged;
      },
      release() {
        if (--users === 0) kernelMounts.unmount(merged);
      },
      async open() {
        this.acquire();
        return { merged, mounts, [Symbol.asyncDispose]: async () => this.release() };
      },
    },
  };
}

const get = async ({ container, root }: Made, path: string): Promise<{ names: string[]; tar: Buffer }> => {
  const { tar } = await archives.get('box', container, root, path, signal);
  const bytes = await collect(tar);
  return { tar: bytes, names: execFileSync('tar', ['-P', '-tf', '-'], { input: bytes, encoding: 'utf8' }).trim().split('\n') };
};
const put = ({ container, root }: Made, path: string, members: Member[], options: { noOverwriteDirNonDir?: boolean; owner?: { uid: number; gid: number } } = {}): Promise<void> =>
  archives.put('box', container, root, path, stream(archive(...members)), { noOverwriteDirNonDir: options.noOverwriteDirNonDir ?? true, owner: options.owner });

test('stat answers as Docker does, for every form of a path', needsRoot, async () => {
  const made = makeContainer();
  const { container, root } = made;
  const stat = (path: string) => archives.stat('box', container, root, path);
  const brief = async (path: string): Promise<unknown[]> => {
    const { name, mode, linkTarget } = await stat(path);
    return [name, mode, linkTarget];
  };
  assert.deepEqual(await brief('/'), ['/', 2147484141, '']);
  assert.deepEqual(await brief('etc'), ['etc', 2147484141, '']);
  assert.deepEqual(await brief('/etc/'), ['etc', 2147484141, '']);
  assert.deepEqual(await brief('/etc/.'), ['.', 2147484141, '']);
  assert.deepEqual(await brief('/etc/../etc/passwd'), ['passwd', 0o644, '']);
  assert.deepEqual(await brief('/tmp'), ['tmp', 2 ** 31 + 2 ** 20 + 0o777, '']);
  assert.deepEqual(await brief('/bin'), ['bin', 2 ** 27 + 0o777, '/usr/bin']);
  assert.deepEqual(await brief('/bin/'), ['bin', 2147484141, '']);
  assert.deepEqual(await brief('/bin/tool'), ['tool', 0o755, '']);
  assert.deepEqual(await brief('/usr/run'), ['run', 2 ** 27 + 0o777, '/run']);
  assert.equal((await stat('/etc/passwd')).size, 26);
  await assert.rejects(stat('/nope'), { code: 'not_found', message: 'Could not find the file /nope in container box' });
  await assert.rejects(stat('/etc/passwd/'), { code: 'invalid_argument', message: 'lstat /etc/passwd/: not a directory' });
  assert.equal(made.users(), 0);
});

test('files and folders come out named as docker cp expects', needsRoot, async () => {
  const made = makeContainer();
  assert.deepEqual((await get(made, '/etc')).names, ['etc/', 'etc/passwd']);
  assert.deepEqual((await get(made, '/etc/')).names, ['etc/', 'etc/passwd']);
  assert.deepEqual((await get(made, '/etc/.')).names, ['./', './passwd']);
  assert.deepEqual((await get(made, '/bin/tool')).names, ['tool']);
  assert.deepEqual((await get(made, '/bin')).names, ['bin']);
  assert.ok((await get(made, '/')).names.includes('/etc/passwd'));
  assert.equal(made.users(), 0);
});

test('what goes in lands inside, through absolute links too, with owners kept or given', needsRoot, async () => {
  const made = makeContainer();
  made.root.acquire();
  await put(made, '/bin', [{ name: 'new', mode: 0o4755, uid: 12, gid: 34, content: 'new' }]);
  const file = lstatSync(join(made.merged, 'usr/bin/new'));
  assert.deepEqual([file.uid, file.gid, file.mode & 0o7777], [12, 34, 0o4755]);
  await put(made, '/usr/run/', [{ name: 'folder', type: 'dir', mode: 0o700 }, { name: 'folder/.wh.kept', content: 'a name like any other' }], { owner: { uid: 1000, gid: 1001 } });
  assert.deepEqual([lstatSync(join(made.merged, 'run/folder/.wh.kept')).uid, lstatSync(join(made.merged, 'run/folder')).gid], [1000, 1001]);
  const tmp = lstatSync(join(made.merged, 'tmp')).mode;
  await put(made, '/tmp', [{ name: './', type: 'dir', mode: 0o700 }, { name: 'x' }]);
  assert.equal(lstatSync(join(made.merged, 'tmp')).mode, tmp, 'the folder itself stays as it is');
  await assert.rejects(put(made, '/nope', [{ name: 'x' }]), { code: 'not_found', message: 'Could not find the file /nope in container box' });
  await assert.rejects(put(made, '/etc/passwd', [{ name: 'x' }]), { message: 'extraction point is not a directory' });
  await assert.rejects(put(made, '/etc', [{ name: 'passwd', type: 'dir', mode: 0o755 }]), /cannot overwrite non-directory "\/etc\/passwd" with directory/);
  await assert.rejects(put(made, '/usr', [{ name: 'bin' }]), /cannot overwrite directory "\/usr\/bin" with non-directory/);
  await put(made, '/etc', [{ name: 'passwd', type: 'dir', mode: 0o755 }], { noOverwriteDirNonDir: false });
  assert.ok(lstatSync(join(made.merged, 'etc/passwd')).isDirectory());
  made.root.release();
  assert.equal(made.users(), 0);
});

test('binds and volumes are there, also for a container that never ran; read-only ones refuse', needsRoot, async () => {
  const volume = shop.folder('volume', 'sub');
  const mount = { type: 'volume' as const, subpath: '' };
  const made = makeContainer({
    readOnly: true,
    mounts: [
      { ...mount, source: shop.folder('volume'), destination: '/data', rw: false },
      { ...mount, source: shop.folder('volume'), subpath: 'sub', destination: '/rw', rw: true },
      { ...mount, source: shop.folder('volume'), destination: '/made/for/it', rw: true },
    ],
  });
  writeFileSync(join(volume, 'file'), 'volume');
  writeFileSync(join(made.container.folder, 'hosts'), '127.0.0.1 box\n');
  assert.deepEqual((await get(made, '/data')).names, ['data/', 'data/sub/', 'data/sub/file']);
  assert.deepEqual((await get(made, '/made/for/it/sub')).names, ['sub/', 'sub/file']);
  assert.match((await get(made, '/etc/hosts')).tar.toString('latin1'), /127\.0\.0\.1 box/);
  await put(made, '/rw', [{ name: 'in', content: 'in' }]);
  assert.equal(readFileSync(join(volume, 'in'), 'utf8'), 'in');
  await assert.rejects(put(made, '/data/sub', [{ name: 'x' }]), { code: 'forbidden', message: 'mounted volume is marked read-only' });
  await assert.rejects(put(made, '/etc', [{ name: 'x' }]), { code: 'forbidden', message: 'container rootfs is marked read-only' });
  assert.deepEqual(kernelMounts.list(shop.root), [], 'nothing is mounted where others can see it');
});

test('links that lead out stay inside (CVE-2018-15664), whatever swaps them meanwhile', needsRoot, async () => {
  const made = makeContainer();
  const outside = shop.folder('host');
  writeFileSync(join(outside, 'secret'), 'secret');
  made.root.acquire();
  symlinkSync(outside, join(made.merged, 'trap'));
  symlinkSync('/'.repeat(3) + '../'.repeat(40) + outside, join(made.merged, 'climb'));
  for (const path of ['/trap/secret', '/climb/secret', '/trap/.']) await assert.rejects(get(made, path), { code: 'not_found' });
  for (const path of ['/trap', '/climb/']) await assert.rejects(put(made, path, [{ name: 'planted' }]), { code: 'not_found' });
  // The same path inside the container is another matter.
  mkdirSync(join(made.merged, outside), { recursive: true });
  await put(made, '/trap', [{ name: 'planted', content: 'inside' }]);
  assert.equal(readFileSync(join(made.merged, outside, 'planted'), 'utf8'), 'inside');
  let swapping = true;
  const swap = (async () => {
    mkdirSync(join(made.merged, 'race'));
    while (swapping) {
      renameSync(join(made.merged, 'race'), join(made.merged, 'aside'));
      symlinkSync(outside, join(made.merged, 'race'));
      await new Promise((resolve) => setImmediate(resolve));
      unlinkSync(join(made.merged, 'race'));
      renameSync(join(made.merged, 'aside'), join(made.merged, 'race'));
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  for (let round = 0; round < 30; round++) await put(made, '/race', [{ name: 'loot', content: 'x' }, { name: 'secret', content: 'overwritten' }]).catch(() => {});
  swapping = false;
  await swap;
  made.root.release();
  assert.equal(readFileSync(join(outside, 'secret'), 'utf8'), 'secret');
  assert.ok(!existsSync(join(outside, 'planted')) && !existsSync(join(outside, 'loot')));
});

test('a bound /proc does not open the host', needsRoot, async () => {
  const bind = { type: 'bind' as const, subpath: '', rw: true };
  const made = makeContainer({ mounts: [{ ...bind, source: '/proc', destination: '/data' }, { ...bind, source: shop.folder('shared'), destination: '/rw' }] });
  const outside = shop.folder('host');
  writeFileSync(join(outside, 'secret'), 'secret');
  made.root.acquire();
  symlinkSync(`/data/${process.pid}/root${outside}`, join(made.merged, 'logs'));
  symlinkSync('/rw', join(made.merged, 'fine'));
  await assert.rejects(get(made, '/logs/secret'), { code: 'not_found' });
  await assert.rejects(put(made, '/logs', [{ name: 'planted' }]), { code: 'not_found' });
  await assert.rejects(put(made, '/', [{ name: 'logs/planted' }]), /"\/logs" is in the way: not a folder/);
  await put(made, '/', [{ name: 'fine/kept', content: 'kept' }]);
  assert.equal(readFileSync(join(shop.folder('shared'), 'kept'), 'utf8'), 'kept');
  made.root.release();
  assert.ok(!existsSync(join(outside, 'planted')));
});

test('changes: added, modified and deleted, as Docker prints them', needsRoot, async () => {
  const made = makeContainer();
  const { root } = made;
  assert.deepEqual(await archives.changes(root), []);
  root.acquire();
  const at = (path: string): string => join(made.merged, path);
  writeFileSync(at('etc/passwd'), 'changed');
  writeFileSync(at('tmp/new'), '');
  mkdirSync(at('srv/deep'), { recursive: true });
  writeFileSync(at('srv/deep/file'), 'x'.repeat(100));
  linkSync(at('srv/deep/file'), at('srv/again'));
  unlinkSync(at('bin'));
  rmSync(at('usr/bin'), { recursive: true });
  mkdirSync(at('usr/bin'));
  writeFileSync(at('usr/bin/other'), '');
  lchownSync(at('data'), 5, 5);
  writeFileSync(at('rw/come'), '');
  rmSync(at('rw/come'));
  root.release();
  const letters = 'CAD';
  assert.deepEqual((await archives.changes(root)).map(({ Path, Kind }) => `${letters[Kind]} ${Path}`), [
    'D /bin', 'C /data', 'C /etc', 'C /etc/passwd', 'A /srv', 'A /srv/again', 'A /srv/deep', 'A /srv/deep/file', 'C /tmp', 'A /tmp/new', 'C /usr', 'C /usr/bin', 'A /usr/bin/other', 'D /usr/bin/tool',
  ]);
  assert.equal(await archives.size(root), 'changed'.length + 100);
});

test('export is the whole root without mounts', needsRoot, async () => {
  const made = makeContainer({ mounts: [{ type: 'bind', source: shop.folder('host'), subpath: '', destination: '/data', rw: true }] });
  const names = execFileSync('tar', ['-tf', '-'], { input: await collect(archives.export(made.root, signal)), encoding: 'utf8' }).trim().split('\n');
  assert.deepEqual(names, ['bin', 'data/', 'etc/', 'etc/passwd', 'run/', 'rw/', 'tmp/', 'usr/', 'usr/bin/', 'usr/bin/tool', 'usr/run']);
  assert.equal(made.users(), 0);
});
