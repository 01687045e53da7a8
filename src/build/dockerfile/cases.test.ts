import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { caseFolder, readCases, renderCase } from './testing/case-file.ts';
import type { BuildCase } from './testing/case-file.ts';
import { renderDifferences } from './testing/differences.ts';
import { resultsOf } from './testing/expectations.ts';

const cases = readCases();
/** `GANTRY_UPDATE_CASES=1` writes what comes out as what is expected. */
const update = process.env['GANTRY_UPDATE_CASES'] === '1';

for (const [file, own] of Object.entries(Object.groupBy(cases, (buildCase) => buildCase.file))) {
  const rendered: string[] = [];
  test(file, async (context) => {
    for (const buildCase of own ?? []) await context.test(buildCase.name, async () => void rendered.push(await check(buildCase)));
    if (update) writeFileSync(join(caseFolder, file), rendered.join('\n'));
  });
}

async function check(buildCase: BuildCase): Promise<string> {
  const results = await resultsOf(buildCase);
  if (!update) for (const name of ['graph', 'config', 'history', 'warnings', 'error']) assert.equal(results.get(name), buildCase.sections.get(name));
  return renderCase(buildCase, results);
}

test('the table has at least 150 cases, each with a name of its own', () => {
  assert.ok(cases.length >= 150, `${cases.length} cases`);
  assert.equal(new Set(cases.map(({ file, name }) => `${file} ${name}`)).size, cases.length);
});

test('docs/building.md lists what Docker does otherwise', () => {
  const path = join(caseFolder, '../../../docs/building.md');
  const text = readFileSync(path, 'utf8');
  const [before = '', after = ''] = text.split(/<!-- differences -->\n[^]*<!-- end -->/);
  const wanted = `${before}<!-- differences -->\n${renderDifferences(cases)}<!-- end -->${after}`;
  if (update) writeFileSync(path, wanted);
  else assert.ok(text === wanted, 'its table is out of date: GANTRY_UPDATE_CASES=1 writes it anew');
});
