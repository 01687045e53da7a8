import assert from 'node:assert/strict';
import { chmodSync, linkSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { TAR_END, tarHeader, tarPadding } from '#spec/tar/writer.ts';
import { packTree } from './pack.ts';
import { unpackTree } from './unpack.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-archive-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function* bytes(...parts: Uint8Array[]) {
  yield* parts;
}

test('a tree survives: content, modes, times, links', async () => {
  const source = join(folder, 'src');
  mkdirSync(join(source, 'sub'), { recursive: true });
  writeFileSync(join(source, 'sub', 'f'), 'x'.repeat(300_000));
  linkSync(join(source, 'sub', 'f'), join(source, 'sub', 'hard'));
  symlinkSync('sub/f', join(source, 'soft'));
  chmodSync(join(source, 'sub', 'f'), 0o640);
  utimesSync(join(source, 'sub'), 1000, 2000);
  const target = join(folder, 'dst');
  mkdirSync(target);
  await unpackTree(packTree(source, 'src'), target, (name) => name.replace(/^src/, 'copy'));
  const copy = join(target, 'copy');
  assert.equal(readFileSync(join(copy, 'sub', 'f'), 'utf8').length, 300_000);
  assert.equal(statSync(join(copy, 'sub', 'f')).ino, statSync(join(copy, 'sub', 'hard')).ino);
  assert.equal(readlinkSync(join(copy, 'soft')), 'sub/f');
  assert.equal(statSync(join(copy, 'sub', 'f')).mode & 0o777, 0o640);
  assert.equal(statSync(join(copy, 'sub')).mtimeMs, 2_000_000);
});

test('an archive does not write through a link that leads out, nor above its folder', async () => {
  const target = join(folder, 'dst');
  const outside = join(folder, 'outside');
  mkdirSync(target);
  mkdirSync(outside);
  const file = (name: string) => [tarHeader({ name, type: 'file', mode: 0o644, size: 1 }), Buffer.from('x'), tarPadding(1)];
  const link = tarHeader({ name: 'link', type: 'symlink', mode: 0o777, linkName: outside });
  await assert.rejects(unpackTree(bytes(link, ...file('link/f'), TAR_END), target, (name) => name), /leads out/);
  assert.equal(lstatSync(join(outside, 'f'), { throwIfNoEntry: false }), undefined);
  await unpackTree(bytes(...file('../../up'), TAR_END), target, (name) => name);
  assert.equal(lstatSync(join(target, 'up')).size, 1);
});

test('a link that stays inside is harmless', async () => {
  const target = join(folder, 'dst');
  mkdirSync(target);
  const parts = [tarHeader({ name: 'd', type: 'dir', mode: 0o755 }), tarHeader({ name: 'l', type: 'symlink', mode: 0o777, linkName: 'd' }), tarHeader({ name: 'l/f', type: 'file', mode: 0o644, size: 0 })];
  await unpackTree(bytes(...parts, TAR_END), target, (name) => name);
  assert.equal(lstatSync(join(target, 'd', 'f')).size, 0);
});
