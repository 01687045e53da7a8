import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { kernelMounts } from '#host/mount.ts';

const root = mkdtempSync(join(tmpdir(), 'mount-'));
const folder = (...names: string[]): string => {
  const path = join(root, ...names);
  mkdirSync(path, { recursive: true });
  return path;
};
after(() => {
  for (const { target } of kernelMounts.list(root).reverse()) kernelMounts.unmount(target);
  assert.deepEqual(kernelMounts.list(root), []);
  rmSync(root, { recursive: true });
});

test('an overlay shows its layers, topmost first, and writes to the upper folder', () => {
  for (const layer of ['one', 'two']) writeFileSync(join(folder('layers', layer), 'who'), layer);
  const [upper, work, target] = [folder('upper'), folder('work'), folder('merged')];
  kernelMounts.overlay({ lower: [join(root, 'layers/two'), join(root, 'layers/one')], upper, work, target });
  assert.equal(readFileSync(join(target, 'who'), 'utf8'), 'two');
  writeFileSync(join(target, 'new'), '');
  assert.deepEqual(readdirSync(upper), ['new']);
  assert.deepEqual(kernelMounts.list(target).map(({ type }) => type), ['overlay']);
  assert.equal(kernelMounts.unmount(target), true);
  assert.equal(kernelMounts.unmount(target), false);
});

test('more layers than fit a page of mount options, with paths full of separators', () => {
  const lower = Array.from({ length: 130 }, (_, index) => {
    const path = folder('deep', 'x'.repeat(64), `layer:${index},a\\b`);
    writeFileSync(join(path, `file-${index}`), '');
    return path;
  });
  const target = folder('many');
  kernelMounts.overlay({ lower, target });
  assert.equal(readdirSync(target).length, 130);
  kernelMounts.unmount(target);
});

test('a read-only bind refuses writing', () => {
  const [source, target] = [folder('source'), folder('bound')];
  writeFileSync(join(source, 'file'), 'content');
  kernelMounts.bind(source, target, { readOnly: true });
  assert.equal(readFileSync(join(target, 'file'), 'utf8'), 'content');
  assert.throws(() => writeFileSync(join(target, 'other'), ''), { code: 'EROFS' });
  kernelMounts.unmount(target);
});

test('a tmpfs has the size it was given', () => {
  const target = folder('tmpfs');
  kernelMounts.tmpfs(target, 'size=4096,mode=700');
  assert.throws(() => writeFileSync(join(target, 'big'), Buffer.alloc(8192)), { code: 'ENOSPC' });
  kernelMounts.unmount(target);
});
