import assert from 'node:assert/strict';
import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { TarEntry } from '#spec/tar/header.ts';
import { TarReader } from '#spec/tar/reader.ts';
import { openContext } from './open.ts';

const folder = mkdtempSync(join(tmpdir(), 'gantry-context-'));
after(() => rmSync(folder, { recursive: true }));

interface Table {
  tree: string[];
  cases: { ignore: string; files: string[] }[];
}

function makeTree(name: string, files: Readonly<Record<string, string>>): string {
  const root = join(folder, name);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
}

async function* from(...chunks: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
}

async function bytesOf(tar: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(tar));
}

async function listing(root: string, file = ''): Promise<string[]> {
  const context = await openContext(root, file, from());
  assert.equal(context.kind, 'folder');
  return context.kind === 'folder' ? [...context.entries()].map(({ path }) => path) : [];
}

test('ignore files keep out what they keep out of a build by BuildKit', async () => {
  const table = JSON.parse(readFileSync(join(import.meta.dirname, '../../../../test/build/cases/ignore.json'), 'utf8')) as Table;
  const root = makeTree('table', Object.fromEntries(table.tree.map((path) => [path, ''])));
  for (const { ignore, files } of table.cases) {
    writeFileSync(join(root, '.dockerignore'), ignore);
    const found = (await listing(root)).filter((path) => path !== 'Dockerfile' && path !== '.dockerignore');
    assert.deepEqual(found.toSorted(), files, JSON.stringify(ignore));
  }
});

test('patterns that are none are refused', async () => {
  const root = makeTree('bad', { Dockerfile: 'FROM scratch\n', '.dockerignore': '!' });
  await assert.rejects(openContext(root, '', from()), { message: 'error checking context: illegal exclusion pattern: "!"' });
  writeFileSync(join(root, '.dockerignore'), 'a/[');
  await assert.rejects(openContext(root, '', from()), { message: 'error checking context: syntax error in pattern' });
});

test('a pattern made to be slow is not', async () => {
  const root = makeTree('slow', { Dockerfile: '', ['a'.repeat(250)]: '', '.dockerignore': `${'*a'.repeat(200)}b\n${'**/*a'.repeat(200)}b\n` });
  const began = performance.now();
  assert.deepEqual(await listing(root), ['.dockerignore', 'Dockerfile', 'a'.repeat(250)]);
  assert.ok(performance.now() - began < 30_000);
});

test('the Dockerfile, and an ignore file of its own, wherever they are', async () => {
  const root = makeTree('own', { a: '', b: '', 'sub/Other': 'FROM scratch\n', '.dockerignore': 'a', 'sub/Other.dockerignore': 'b\nsub' });
  assert.deepEqual(await listing(root, join(root, 'sub/Other')), ['.dockerignore', 'a', 'sub', 'sub/Other']);
  const outside = makeTree('outside', { Dockerfile: 'FROM scratch\n' });
  const context = await openContext(root, join(outside, 'Dockerfile'), from());
  assert.match(context.kind === 'folder' ? context.dockerfile : '', /^\.dockerfile\.[0-9a-f]{20}$/);
  await assert.rejects(openContext(root, '', from()), /^EngineError: unable to prepare context: unable to evaluate symlinks in Dockerfile path: lstat .*\/own\/Dockerfile: no such file or directory$/);
  await assert.rejects(openContext(join(root, 'none'), '', from()), /unable to prepare context: path ".*none" not found/);
  await assert.rejects(openContext(join(root, 'a'), '', from()), /unable to prepare context: context must be a directory: .*\/a$/);
});

test('a folder packs the same twice, with links, as root', async () => {
  const root = makeTree('pack', { Dockerfile: 'FROM scratch\n', 'd/one': 'x'.repeat(600_000) });
  linkSync(join(root, 'd/one'), join(root, 'd/two'));
  symlinkSync('../nowhere', join(root, 'd/three'));
  const context = await openContext(root, '', from());
  assert.equal(context.kind, 'folder');
  if (context.kind !== 'folder') return;
  const bytes = await bytesOf(context.tar());
  assert.deepEqual(bytes, await bytesOf(context.tar()));
  const members: string[] = [];
  const entry = ({ type, name, linkName, uid, gid }: TarEntry): unknown => members.push(`${type} ${name} ${linkName} ${uid}:${gid}`.replaceAll('  ', ' '));
  new TarReader({ entry, data: () => undefined, end: () => undefined }).write(bytes);
  assert.deepEqual(members, ['file Dockerfile 0:0', 'dir d/ 0:0', 'file d/one 0:0', 'symlink d/three ../nowhere 0:0', 'link d/two d/one 0:0']);
});

test('stdin is a tar, a compressed tar or a Dockerfile', async () => {
  const root = makeTree('stdin', { Dockerfile: 'FROM scratch\n' });
  const opened = await openContext(root, '', from());
  const tar = opened.kind === 'folder' ? await bytesOf(opened.tar()) : Buffer.alloc(0);
  for (const bytes of [tar, gzipSync(tar)]) {
    const context = await openContext('-', '', from(bytes.subarray(0, 10), bytes.subarray(10)));
    assert.equal(context.kind, 'tar');
    assert.equal(context.dockerfile, 'Dockerfile');
    if (context.kind === 'tar') assert.deepEqual(await bytesOf(context.tar()), bytes);
  }
  const plain = await openContext('-', '', from('FROM busybox\n', 'RUN true\n'));
  const packed = plain.kind === 'tar' ? await bytesOf(plain.tar()) : Buffer.alloc(0);
  assert.equal(packed.toString('latin1', 512, 534), 'FROM busybox\nRUN true\n');
  await assert.rejects(openContext('-', '-', from()), { message: "invalid argument: can't use stdin for both build context and dockerfile" });
});

test('repositories and addresses are for the engine to fetch', async () => {
  for (const remote of ['https://example.com/app.git#main:sub', 'git@example.com:app.git', 'https://example.com/context.tar.gz']) {
    assert.deepEqual(await openContext(remote, '', from()), { kind: 'remote', remote, dockerfile: 'Dockerfile', text: undefined });
  }
});
