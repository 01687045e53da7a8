/** Layers as GNU tar, Python's tarfile and bsdtar write them, unpacked here and by GNU tar: the trees are the same. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { linkSync, lutimesSync, mkdirSync, statSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { lsetxattr, mknod } from '#host/kernel.ts';
import type { JobResults } from '#host/jail.ts';
import { listTree } from './tree.ts';
import { archive, needsRoot, stream, workshop } from './workshop.ts';

const shop = workshop();
let count = 0;
const fresh = (): string => shop.folder(`tree-${count++}`);

const unpack = (into: string, tar: Uint8Array): Promise<JobResults['unpack']> =>
  shop.jail.run<'unpack'>(
    { kind: 'unpack', root: { kind: 'folder', path: into }, folder: '/', source: { kind: 'stream' }, whiteouts: 'overlay', noOverwriteDirNonDir: false, owner: undefined, keep: undefined, limits: { inflated: 1e9, entries: 10_000 } },
    stream(tar, 7777),
  );

/** A tree with everything that a layer may hold. `plain` leaves out what old formats cannot say. */
function makeTree(plain: boolean): string {
  const root = fresh();
  const at = (...names: string[]): string => join(root, ...names);
  const chown = (owner: string, ...names: string[]): void => void execFileSync('chown', ['-h', owner, ...names.map((name) => at(name))]);
  for (const name of ['a', 'a/deep', 'b', 'sticky', 'locked']) mkdirSync(at(name));
  writeFileSync(at('a/file'), 'content');
  writeFileSync(at('a/empty'), '');
  writeFileSync(at('exact'), Buffer.alloc(1024, 'x'));
  writeFileSync(at('odd'), Buffer.alloc(70_001, 'y'));
  linkSync(at('a/file'), at('b/hard'));
  linkSync(at('a/file'), at('a/deep/hard'));
  symlinkSync('../a/file', at('b/soft'));
  symlinkSync('/nowhere/at all', at('b/dangling'));
  linkSync(at('b/soft'), at('b/soft-again'));
  mknod(at('fifo'), 0o010644);
  mknod(at('char'), 0o020666, { major: 1, minor: 3 });
  mknod(at('block'), 0o060660, { major: 259, minor: 300 });
  writeFileSync(at('with space and "quotes"'), '');
  writeFileSync(at('ümläut-日本'), 'unicode');
  writeFileSync(Buffer.concat([Buffer.from(`${root}/latin-`), Buffer.from([0xe4])]), 'not utf-8');
  writeFileSync(at('new\nline'), '');
  for (const [mode, name] of [['1777', 'sticky'], ['000', 'locked'], ['4755', 'a/file'], ['2711', 'a/deep']] as const) execFileSync('chmod', [mode, at(name)]);
  chown('65534:65534', 'b/soft', 'a/empty');
  utimesSync(at('exact'), 0, 0);
  lutimesSync(at('b/dangling'), 1_000_000_000, 1_000_000_000);
  utimesSync(at('a/deep'), 1_234_567_890, 1_234_567_890);
  if (plain) return root;
  writeFileSync(at('n'.repeat(255)), 'long name');
  mkdirSync(at('d'.repeat(100), 'e'.repeat(100), 'f'.repeat(100)), { recursive: true });
  writeFileSync(at('d'.repeat(100), 'e'.repeat(100), 'f'.repeat(100), 'file'), 'long path');
  symlinkSync('t/'.repeat(200), at('long-target'));
  linkSync(at('d'.repeat(100), 'e'.repeat(100), 'f'.repeat(100), 'file'), at('link-to-long'));
  writeFileSync(at('sparse'), 'start');
  truncateSync(at('sparse'), 3_000_000);
  writeFileSync(at('huge-owner'), '');
  chown('2000000000:4000000000', 'huge-owner');
  for (const [name, time] of [['before-1970', -86_400], ['far', 9_999_999_999], ['y2038', 2_147_483_648]] as const) {
    writeFileSync(at(name), '');
    utimesSync(at(name), time, time);
  }
  return root;
}

const tar = (root: string, ...options: string[]): Buffer => execFileSync('tar', ['-C', root, '--numeric-owner', ...options, '-cf', '-', '.'], { maxBuffer: 1 << 27 });

async function sameAsGnuTar(bytes: Buffer, what: string): Promise<void> {
  const [ours, theirs] = [fresh(), fresh()];
  await unpack(ours, bytes);
  execFileSync('tar', ['-C', theirs, '--numeric-owner', '--xattrs', '--xattrs-include=*', '-xpf', '-'], { input: bytes });
  assert.deepEqual(listTree(ours), listTree(theirs), what);
}

test('GNU tar in every format it has', needsRoot, async () => {
  const [rich, plain] = [makeTree(false), makeTree(true)];
  for (const format of ['gnu', 'oldgnu', 'pax']) await sameAsGnuTar(tar(rich, `--format=${format}`), format);
  for (const version of ['0.0', '0.1', '1.0']) await sameAsGnuTar(tar(rich, '--format=pax', '-S', `--sparse-version=${version}`), `sparse ${version}`);
  await sameAsGnuTar(tar(rich, '--format=gnu', '-S'), 'old sparse');
  for (const format of ['ustar', 'gnu', 'pax']) await sameAsGnuTar(tar(plain, `--format=${format}`), `plain ${format}`);
});

test('times to the nanosecond and before 1970, attributes and capabilities', needsRoot, async () => {
  const root = fresh();
  writeFileSync(join(root, 'f'), 'x');
  execFileSync('touch', ['-d', '1969-12-31 23:59:58.123456789 UTC', join(root, 'f')]);
  lsetxattr(join(root, 'f'), 'user.binary', Buffer.from([0, 1, 255, 10, 61]));
  lsetxattr(join(root, 'f'), 'security.capability', Buffer.from('0100000202000000000000000000000000000000', 'hex'));
  const bytes = tar(root, '--format=pax', '--xattrs', '--xattrs-include=*');
  const into = fresh();
  await unpack(into, bytes);
  assert.equal(statSync(join(into, 'f'), { bigint: true }).mtimeNs, -1_876_543_211n);
  await sameAsGnuTar(bytes, 'attributes');
});

test('Python’s tarfile', { skip: needsRoot.skip || (spawnSync('python3', ['--version']).error === undefined ? false : 'python3 is not installed') }, async () => {
  const rich = makeTree(false);
  for (const format of ['PAX_FORMAT', 'GNU_FORMAT']) {
    const script = `import sys,tarfile
t=tarfile.open(fileobj=sys.stdout.buffer,mode='w|',format=tarfile.${format},errors='surrogateescape')
t.add(sys.argv[1],arcname='.')
t.close()`;
    await sameAsGnuTar(execFileSync('python3', ['-c', script, rich], { maxBuffer: 1 << 27 }), format);
  }
});

test('every compression gives the same tree and the same diff id', needsRoot, async () => {
  const bytes = tar(makeTree(false), '--format=pax');
  const cut = [0, 1, 511, 70_000, bytes.length];
  const pieces = (pack: (piece: Buffer) => Buffer): Buffer => Buffer.concat(cut.slice(1).map((end, index) => pack(bytes.subarray(cut[index], end))));
  const forms: Buffer[] = [
    bytes, gzipSync(bytes), gzipSync(bytes, { level: 0 }), pieces((piece) => gzipSync(piece)), zstdCompressSync(bytes), pieces((piece) => zstdCompressSync(piece)),
    // An empty member, and a frame to be skipped.
    Buffer.concat([gzipSync(Buffer.alloc(0)), gzipSync(bytes)]),
    Buffer.concat([Buffer.from('502a4d1804000000deadbeef', 'hex'), zstdCompressSync(bytes)]),
  ];
  const results = new Set<string>();
  for (const form of forms) {
    const into = fresh();
    const { inflatedDigest } = await unpack(into, form);
    results.add(JSON.stringify([inflatedDigest, listTree(into)]));
  }
  assert.equal(results.size, 1);
});

test('a folder that its content came before is as the archive says, whatever lies below', needsRoot, async () => {
  const into = fresh();
  const { implied } = await unpack(into, archive({ name: 'late/file', content: 'x' }, { name: 'late', type: 'dir', mode: 0o700, uid: 7, mtime: { seconds: 99, nanos: 0 } }, { name: 'never/file', content: 'x' }));
  assert.deepEqual(implied, ['never']);
  const [late, never] = [statSync(join(into, 'late')), statSync(join(into, 'never'))];
  assert.deepEqual([late.mode & 0o777, late.uid, late.mtimeMs], [0o700, 7, 99_000]);
  assert.deepEqual([never.mode & 0o777, never.uid, never.mtimeMs], [0o755, 0, 0], 'the same at any time');
});

test('names in every disguise mean the same place', needsRoot, async () => {
  for (const name of ['a/b', './a/b', '/a/b', 'a//b', './/a/./b', 'x/../a/b']) {
    const into = fresh();
    await unpack(into, archive({ name: 'a', type: 'dir', mode: 0o755 }, { name, content: name }));
    assert.deepEqual(listTree(into).map((line) => line.split(' ')[0]).filter((line) => line !== 'x'), ['a', 'a/b'], name);
  }
});
