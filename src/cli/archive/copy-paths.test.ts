import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planCopy, renamed, splitPath } from './copy-paths.ts';

const file = { path: '/src/a', isDirectory: false };
const folder = { path: '/src/d', isDirectory: true };
const to = (path: string, kind: 'none' | 'file' | 'folder') => ({ path, exists: kind !== 'none', isDirectory: kind === 'folder' });

test('into a folder that exists nothing is renamed', () => {
  assert.deepEqual(planCopy(folder, to('/dst', 'folder')), { folder: '/dst', rename: undefined });
});

test('onto a name that does not exist the source takes that name', () => {
  const plan = planCopy(folder, to('/dst/new', 'none'));
  assert.deepEqual(['d', 'd/', 'd/x', 'other/d'].map((name) => renamed(plan, name)), ['new', 'new/', 'new/x', 'other/d']);
});

test('the content of a folder can be copied under another name', () => {
  const plan = planCopy({ path: '/src/d/.', isDirectory: true }, to('/dst/new', 'none'));
  assert.deepEqual(['.', './x'].map((name) => renamed(plan, name)), ['new', 'new/x']);
});

test('what cannot be copied is refused', () => {
  assert.throws(() => planCopy(folder, to('/dst/file', 'file')), { message: 'cannot copy directory' });
  assert.throws(() => planCopy(file, to('/dst/new/', 'none')), { message: 'no such directory' });
  assert.deepEqual(planCopy(file, to('/dst/file', 'file')).rename, { from: 'a', to: 'file' });
});

test('paths are split with a meaning for dots', () => {
  assert.deepEqual(['/', '/a', '/a/b/', '/a/.'].map(splitPath), [{ folder: '/', base: '/' }, { folder: '/', base: 'a' }, { folder: '/a', base: 'b' }, { folder: '/a', base: '.' }]);
});
