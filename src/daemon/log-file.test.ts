import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createAdjustableLog } from './adjustable-log.ts';
import { openLogFile } from './log-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'gantry-log-'));
after(() => rmSync(folder, { recursive: true }));

test('the file stays bounded, the older half beside it, and no line is lost between them', () => {
  const path = join(folder, 'engine.log');
  const write = openLogFile(path, { maxBytes: 1000, followStderr: false });
  for (let line = 0; line < 15; line++) write(`${line} ${'x'.repeat(97)}`);
  const lines = [`${path}.1`, path].flatMap((name) => readFileSync(name, 'utf8').trimEnd().split('\n'));
  assert.deepEqual(lines.map((line) => Number(line.split(' ')[0])), Array.from({ length: 15 }, (_, index) => index));
  for (const name of [path, `${path}.1`]) assert.ok(statSync(name).size <= 1200);
});

test('the level changes for derived logs too', () => {
  const lines: string[] = [];
  const { log, setLevel } = createAdjustableLog({ level: 'info', format: 'json', write: (line) => lines.push(line) });
  const derived = log.with({ part: 'x' });
  derived.debug('unheard');
  setLevel('debug');
  derived.debug('heard');
  setLevel('error');
  derived.warn('unheard');
  assert.deepEqual(lines.map((line) => (JSON.parse(line) as { msg: string }).msg), ['heard']);
});
