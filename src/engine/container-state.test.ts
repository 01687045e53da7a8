import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { transitions } from './container-state.ts';

test('the page on states shows the table as it is', () => {
  const page = readFileSync(new URL('../../docs/container-states.md', import.meta.url), 'utf8');
  const rows = Object.entries(transitions).flatMap(([from, tos]) => Object.entries(tos).map(([to, why]) => `| ${from} | ${to} | ${why} |`));
  const head = '| from | to | by |\n|---|---|---|\n';
  const start = page.indexOf(head) + head.length;
  assert.equal(page.slice(start, page.indexOf('\n\n', start)), rows.join('\n'));
});
