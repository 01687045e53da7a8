import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, ftruncateSync, lstatSync, mkdirSync, openSync, readFileSync, readdirSync, readlinkSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import type { Jail, JobResults, UnpackJob } from '#host/jail.ts';
import { lgetxattr, mknod } from '#host/kernel.ts';
import { kernelMounts } from '#host/mount.ts';
import { fromText } from '#spec/tar/header.ts';
import { archive, collect, needsRoot, stream, workshop, type Member } from './workshop.ts';

const { jail, root, folder } = workshop();
let count = 0;

const freshFolder = (): string => folder(`unpacked-${count++}`);

function unpack(into: string, tar: Uint8Array, options: Partial<UnpackJob> = {}, use: Jail = jail): Promise<JobResults['unpack']> {
  const job: UnpackJob = {
    kind: 'unpack',
    root: { kind: 'folder', path: into },
    folder: '/',
    source: { kind: 'stream' },
    whiteouts: 'overlay',
    noOverwriteDirNonDir: false,
    owner: undefined,
    keep: undefined,
    limits: { inflated: 1e9, entries: 10_000 },
    ...options,
  };
  return use.run<'unpack'>(job, stream(tar));
}

const tree = (path: string): string[] => readdirSync(path, { recursive: true }).map(String).sort();

test('owners, modes, times, links, devices and attributes come out exactly, whatever the umask', needsRoot, async () => {
  const into = freshFolder();
  const capability = Buffer.from('0100000202000000000000000000000000000000', 'hex');
  const before = process.umask(0o077);
  try {
    const mtime = { seconds: 1_600_000_000, nanos: 123_456_789 };
    await unpack(
      into,
      archive(
        { name: './', type: 'dir', mode: 0o711, uid: 5, gid: 6, mtime },
        { name: 'bin', type: 'dir', mode: 0o2775, uid: 7, mtime },
        { name: 'bin/su', mode: 0o6755, uid: 1, gid: 2, content: 'program', mtime, xattrs: new Map<string, Uint8Array>([['security.capability', capability], ['user.note', Buffer.from('a\0b')]]) },
        { name: 'bin/other', type: 'link', linkName: 'bin/su' },
        { name: 'sticky', type: 'dir', mode: 0o1777 },
        { name: 'closed', mode: 0 },
        { name: 'link', type: 'symlink', linkName: '/bin/su', uid: 3, gid: 4, mtime: { seconds: -5, nanos: 0 } },
        { name: 'null', type: 'char', mode: 0o666, major: 1, minor: 3 },
        { name: 'disk', type: 'block', mode: 0o660, major: 259, minor: 70_000 },
        { name: 'fifo', type: 'fifo', mode: 0o622 },
        { name: fromText('ünï\u0001'), content: 'x' },
        { name: `${'long/'.repeat(60)}name`, content: 'deep' },
      ),
    );
  } finally {
    process.umask(before);
  }
  const su = lstatSync(join(into, 'bin/su'), { bigint: true });
  assert.equal(su.mode & 0o7777n, 0o6755n);
  assert.deepEqual([su.uid, su.gid, su.nlink], [1n, 2n, 2n]);
  assert.equal(su.mtimeNs, 1_600_000_000_123_456_789n);
  assert.deepEqual(lgetxattr(join(into, 'bin/su'), 'security.capability')?.subarray(0, 20), capability);
  assert.deepEqual(lgetxattr(join(into, 'bin/su'), 'user.note'), Buffer.from('a\0b'));
  assert.equal(lstatSync(join(into, 'bin/other')).ino, lstatSync(join(into, 'bin/su')).ino);
  const bin = lstatSync(join(into, 'bin'), { bigint: true });
  assert.deepEqual([bin.mode & 0o7777n, bin.uid, bin.mtimeNs], [0o2775n, 7n, 1_600_000_000_123_456_789n]);
  const top = lstatSync(into, { bigint: true });
  assert.deepEqual([top.mode & 0o7777n, top.uid, top.gid, top.mtimeNs], [0o711n, 5n, 6n, 1_600_000_000_123_456_789n]);
  assert.equal(lstatSync(join(into, 'sticky')).mode & 0o7777, 0o1777);
  assert.equal(lstatSync(join(into, 'closed')).mode & 0o7777, 0);
  const link = lstatSync(join(into, 'link'), { bigint: true });
  assert.deepEqual([readlinkSync(join(into, 'link')), link.uid, link.gid, link.mtimeNs], ['/bin/su', 3n, 4n, -5_000_000_000n]);
  assert.deepEqual([lstatSync(join(into, 'null')).rdev, lstatSync(join(into, 'null')).isCharacterDevice()], [(1 << 8) | 3, true]);
  const disk = lstatSync(join(into, 'disk'), { bigint: true });
  assert.ok(disk.isBlockDevice());
  assert.equal(execFileSync('stat', ['-c', '%t:%T', join(into, 'disk')], { encoding: 'utf8' }).trim(), '103:11170');
  assert.ok(lstatSync(join(into, 'fifo')).isFIFO());
  assert.equal(readFileSync(join(into, 'ünï\u0001'), 'utf8'), 'x');
  assert.equal(readFileSync(join(into, 'long/'.repeat(60), 'name'), 'utf8'), 'deep');
});

test('whiteouts and opaque folders act through overlayfs', needsRoot, async () => {
  const lower = freshFolder();
  for (const path of ['gone', 'kept', 'dir/hidden', 'dir/also', 'tree/a/b', 'replaced/inner', 'order/x']) {
    mkdirSync(join(lower, path, '..'), { recursive: true });
    writeFileSync(join(lower, path), 'lower');
  }
  const upper = freshFolder();
  await unpack(
    upper,
    archive(
      { name: '.wh.gone' },
      { name: 'dir', type: 'dir', mode: 0o755 },
      { name: 'dir/.wh..wh..opq' },
      { name: 'dir/new', content: 'upper' },
      { name: 'tree', type: 'dir', mode: 0o755 },
      { name: 'tree/.wh.a' },
      { name: '.wh.replaced' },
      { name: 'replaced', type: 'dir', mode: 0o755 },
      { name: 'replaced/fresh' },
      { name: 'order', type: 'dir', mode: 0o755 },
      { name: 'order/x', content: 'upper' },
      { name: 'order/.wh.x' },
      { name: '.wh..wh.plnk', type: 'dir', mode: 0o755 },
    ),
  );
  assert.equal(lgetxattr(join(upper, 'dir'), 'trusted.overlay.opaque')?.toString(), 'y');
  const gone = lstatSync(join(upper, 'gone'));
  assert.ok(gone.isCharacterDevice() && gone.rdev === 0);
  const merged = freshFolder();
  kernelMounts.overlay({ lower: [upper, lower], target: merged });
  try {
    assert.deepEqual(tree(merged), ['dir', 'dir/new', 'kept', 'order', 'order/x', 'replaced', 'replaced/fresh', 'tree']);
    assert.equal(readFileSync(join(merged, 'order/x'), 'utf8'), 'upper');
  } finally {
    kernelMounts.unmount(merged);
  }
});

test('a layer packs to the same bytes again and again, and comes back as it was', needsRoot, async () => {
  const first = freshFolder();
  await unpack(
    first,
    archive(
      { name: 'a', type: 'dir', mode: 0o755, mtime: { seconds: 9, nanos: 1 } },
      { name: 'a/.wh..wh..opq' },
      { name: 'a/file', content: 'x', mtime: { seconds: 1, nanos: 0 }, xattrs: new Map([['user.k', Buffer.from('v')]]) },
      { name: 'b', type: 'link', linkName: 'a/file' },
      { name: '.wh.c' },
      { name: 'd', type: 'symlink', linkName: '../..' },
      { name: 'e', type: 'fifo' },
    ),
  );
  const pack = async (path: string): Promise<Buffer> =>
    collect(jail.pack({ kind: 'pack', root: { kind: 'folder', path }, path: '/', name: '', whiteouts: 'overlay', include: undefined, into: undefined }));
  const bytes = await pack(first);
  const second = freshFolder();
  await unpack(second, bytes);
  assert.ok(bytes.equals(await pack(second)));
  const names = execFileSync('tar', ['tf', '-'], { input: bytes, encoding: 'utf8' }).trim().split('\n');
  assert.deepEqual(names, ['a/', 'a/.wh..wh..opq', 'a/file', 'b', '.wh.c', 'd', 'e']);
});

test('sparse files keep their holes, as GNU tar writes them in each format', needsRoot, async () => {
  const source = folder('sparse');
  const fd = openSync(join(source, 'f'), 'w');
  writeSync(fd, 'start', 0);
  writeSync(fd, 'middle', 5_000_000);
  ftruncateSync(fd, 10_000_000);
  closeSync(fd);
  for (const format of [['--format=gnu'], ['--format=pax', '--sparse-version=0.0'], ['--format=pax', '--sparse-version=0.1'], ['--format=pax', '--sparse-version=1.0']]) {
    const tar = execFileSync('tar', ['-cS', ...format, '-C', source, 'f'], { maxBuffer: 1 << 26 });
    assert.ok(tar.length < 100_000, 'the archive is sparse');
    const into = freshFolder();
    await unpack(into, tar);
    const stats = statSync(join(into, 'f'));
    assert.equal(stats.size, 10_000_000);
    assert.ok(stats.blocks * 512 < 1_000_000, format.join(' '));
    assert.ok(readFileSync(join(into, 'f')).equals(readFileSync(join(source, 'f'))), format.join(' '));
  }
});

test('gzip of several members, zstd of several frames, and nothing at all are read alike', needsRoot, async () => {
  const tar = archive({ name: 'f', content: 'x'.repeat(100_000) });
  const cut = 51_234;
  const forms = {
    none: tar,
    gzip: Buffer.concat([gzipSync(tar.subarray(0, cut)), gzipSync(tar.subarray(cut))]),
    zstd: Buffer.concat([zstdCompressSync(tar.subarray(0, cut)), zstdCompressSync(tar.subarray(cut), { params: { [constants.ZSTD_c_checksumFlag]: 1 } })]),
  };
  const results: JobResults['unpack'][] = [];
  for (const [compression, bytes] of Object.entries(forms)) {
    const result = await unpack(freshFolder(), bytes);
    assert.equal(result.compression, compression);
    assert.equal(result.size, bytes.length);
    results.push(result);
  }
  assert.equal(new Set(results.map((result) => result.inflatedDigest)).size, 1);
  assert.equal(results[0]?.digest, results[0]?.inflatedDigest);
});

test('hard links across folders, later members over earlier ones, folders nobody named', needsRoot, async () => {
  const into = freshFolder();
  const result = await unpack(
    into,
    archive(
      { name: 'x/y/one', content: '1' },
      { name: 'p/q/two', type: 'link', linkName: './x/y/one' },
      { name: 'swap', type: 'dir', mode: 0o755 },
      { name: 'swap/inside' },
      { name: 'swap', content: 'now a file' },
      { name: 'file', content: 'first' },
      { name: 'file', type: 'dir', mode: 0o755 },
      { name: 'file/inside' },
      { name: '/absolute/../kept', content: 'inside' },
    ),
  );
  assert.equal(readFileSync(join(into, 'p/q/two'), 'utf8'), '1');
  assert.equal(readFileSync(join(into, 'swap'), 'utf8'), 'now a file');
  assert.ok(existsSync(join(into, 'file/inside')));
  assert.equal(readFileSync(join(into, 'kept'), 'utf8'), 'inside');
  assert.deepEqual(result.implied.sort(), ['p', 'p/q', 'x', 'x/y']);
});

test('escapes stay inside or are refused, beside harmless twins that work', needsRoot, async () => {
  const outside = folder('outside');
  const outsideBefore = (): string[] => [...tree(outside), ...readdirSync(root).filter((name) => name.startsWith('evil'))];
  const into = freshFolder();
  // A link that leads out, then a write through it: the kernel takes the link as inside.
  const attack = (target: string): Member[] => [
    { name: 'door', type: 'symlink', linkName: target },
    { name: 'door/planted', content: 'evil' },
  ];
  await assert.rejects(unpack(into, archive(...attack(outside))), { code: 'invalid_argument' });
  await unpack(freshFolder(), archive({ name: 'evil-up', type: 'dir', mode: 0o755 }, ...attack('../../evil-up')));
  const twin = freshFolder();
  await unpack(twin, archive({ name: 'room', type: 'dir', mode: 0o755 }, { name: 'door', type: 'symlink', linkName: '/room' }, { name: 'door/planted', content: 'fine' }));
  assert.equal(readFileSync(join(twin, 'room/planted'), 'utf8'), 'fine');
  // Names that climb.
  for (const name of ['../evil', 'a/../../evil', '/../evil', '..']) {
    await assert.rejects(unpack(freshFolder(), archive({ name, content: 'evil' })), /points outside of it/, name);
  }
  await unpack(freshFolder(), archive({ name: 'a/b/../c..d/...', content: 'fine' }));
  // Hard links to what is not in the archive.
  writeFileSync(join(outside, 'secret'), 'secret');
  await assert.rejects(unpack(freshFolder(), archive({ name: 'steal', type: 'link', linkName: join(outside, 'secret') })), { code: 'invalid_argument' });
  await assert.rejects(unpack(freshFolder(), archive({ name: 'steal', type: 'link', linkName: '../../outside/secret' })), /points outside/);
  await assert.rejects(
    unpack(freshFolder(), archive({ name: 'd', type: 'symlink', linkName: outside }, { name: 'steal', type: 'link', linkName: 'd/secret' })),
    { code: 'invalid_argument' },
  );
  // Overlay's own attributes are dropped, others are kept.
  const marked = freshFolder();
  await unpack(marked, archive({ name: 'd', type: 'dir', mode: 0o755, xattrs: new Map([['trusted.overlay.redirect', Buffer.from('/etc')], ['user.fine', Buffer.from('1')]]) }));
  assert.equal(lgetxattr(join(marked, 'd'), 'trusted.overlay.redirect'), undefined);
  assert.equal(lgetxattr(join(marked, 'd'), 'user.fine')?.toString(), '1');
  assert.deepEqual(outsideBefore(), ['secret']);
  assert.ok(existsSync('/etc/passwd'), 'the process still has its own root');
  rmSync(join(outside, 'secret'));
});

test('bombs and nonsense are refused with one sentence and the next job works', needsRoot, async () => {
  const zeros = archive({ name: 'zeros', content: Buffer.alloc(20_000_000) });
  const cases: [Uint8Array, Partial<UnpackJob>, RegExp][] = [
    [gzipSync(zeros), { limits: { inflated: 1_000_000, entries: 10 } }, /more than 1000000 bytes when decompressed/],
    [zstdCompressSync(zeros), { limits: { inflated: 1_000_000, entries: 10 } }, /more than 1000000 bytes when decompressed/],
    [archive(...Array.from({ length: 11 }, (_, index) => ({ name: `f${index}` }))), { limits: { inflated: 1e9, entries: 10 } }, /more than 10 members/],
    [archive({ name: 'n'.repeat(300) }), {}, /name too long/],
    [archive({ name: `${'d/'.repeat(3000)}f` }), {}, /more than 4096 bytes/],
    [gzipSync(zeros).subarray(0, 5000), {}, /cannot be decompressed|truncated/],
    [Buffer.concat([gzipSync(Buffer.alloc(0)).subarray(0, 12), Buffer.from('junk')]), {}, /cannot be decompressed|truncated/],
    [Buffer.from('just some text that is not an archive'.repeat(50)), {}, /not a tar/],
    [Buffer.from('fd377a585a000004', 'hex'), {}, /compressed with xz/],
    [Buffer.from('BZh91AY&SY'), {}, /compressed with bzip2/],
    [archive({ name: 'x', type: 'symlink', linkName: '' }), {}, /symlink without a target/],
    [archive({ name: '.wh.' }), {}, /whiteout that names no file/],
  ];
  for (const [bytes, options, message] of cases) {
    const error: unknown = await unpack(freshFolder(), bytes, options).then(() => assert.fail(String(message)), (reason: unknown) => reason);
    assert.match((error as Error).message, message);
    assert.doesNotMatch((error as Error).message, /\n/);
  }
  assert.equal((await unpack(freshFolder(), gzipSync(zeros))).contentSize, 20_000_000);
});

test('a caller that gives up frees the thread', needsRoot, async () => {
  const big = freshFolder();
  writeFileSync(join(big, 'big'), Buffer.alloc(30_000_000));
  const job = { kind: 'pack', root: { kind: 'folder', path: big }, path: '/', name: '', whiteouts: 'keep', include: undefined, into: undefined } as const;
  for (let round = 0; round < 6; round++) {
    for await (const chunk of jail.pack(job)) {
      assert.ok(chunk.length > 0);
      break;
    }
  }
  const controller = new AbortController();
  await assert.rejects(async () => {
    for await (const chunk of jail.pack(job, controller.signal)) {
      assert.ok(chunk.length > 0);
      controller.abort(new Error('enough'));
    }
  }, /enough/);
  await assert.rejects(
    jail.run<'unpack'>(
      { kind: 'unpack', root: { kind: 'folder', path: freshFolder() }, folder: '/', source: { kind: 'stream' }, whiteouts: 'keep', noOverwriteDirNonDir: false, owner: undefined, keep: undefined, limits: { inflated: 1e9, entries: 10 } },
      (async function* () {
        yield archive({ name: 'f', content: 'x' }).subarray(0, 700);
        throw new Error('the client went away');
      })(),
    ),
    /the client went away/,
  );
  assert.equal((await unpack(freshFolder(), archive({ name: 'ok' }))).entries, 1);
});

test('a device number that overlayfs takes for a whiteout is one', needsRoot, async () => {
  const into = freshFolder();
  await unpack(into, archive({ name: 'w', type: 'char', major: 0, minor: 0 }));
  mknod(join(into, 'reference'), 0o020000 | 0o600);
  assert.equal(lstatSync(join(into, 'w')).rdev, lstatSync(join(into, 'reference')).rdev);
});
