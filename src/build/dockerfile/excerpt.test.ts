import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawExcerpt } from './excerpt.ts';

const text = 'FROM busybox\nRUN <<EOF\ntrue\nEOF\nUSER x\nUSER y\n';

test('the lines to blame are drawn with some around them', () => {
  assert.equal(
    drawExcerpt('Dockerfile', text, [{ start: 1, end: 1 }]),
    'Dockerfile:1\n--------------------\n   1 | >>> FROM busybox\n   2 |     RUN <<EOF\n   3 |     true\n--------------------\n',
  );
  assert.equal(
    drawExcerpt('sub/Dockerfile', text, [{ start: 5, end: 5 }]),
    'sub/Dockerfile:5\n--------------------\n   3 |     true\n   4 |     EOF\n   5 | >>> USER x\n   6 |     USER y\n   7 |     \n--------------------\n',
  );
});

test('no lines, no drawing; long lines are cut', () => {
  assert.equal(drawExcerpt('Dockerfile', text, []), '');
  assert.equal(drawExcerpt('Dockerfile', text, [{ start: 99, end: 99 }]), '');
  assert.ok(drawExcerpt('Dockerfile', 'x'.repeat(60_000), [{ start: 1, end: 1 }]).length < 600);
});
