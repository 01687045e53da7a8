/** What ADD does with archives, in every compression; judged against both builders of dockerd 26 when it was written. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { cli, type Cli } from './rig.ts';

const needsRoot = { skip: process.getuid?.() === 0 ? false : 'needs root: builds mount file systems' };
const folder = mkdtempSync(join(tmpdir(), 'gantry-archives-'));
let engine: Cli | undefined;

before(async () => {
  if (needsRoot.skip === false) engine = await cli();
});
after(async () => {
  await engine?.stop();
  rmSync(folder, { recursive: true });
});

function shell(line: string): void {
  const { status, stderr } = spawnSync('sh', ['-c', line], { cwd: folder, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
}

function has(program: string): boolean {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).error === undefined;
}

test('archives are unpacked where they land, and only archives', needsRoot, async () => {
  mkdirSync(join(folder, 'in/d'), { recursive: true, mode: 0o700 });
  for (const [name, text] of Object.entries({ f: 'one\n', 'd/g': 'two\n' })) writeFileSync(join(folder, 'in', name), text);
  symlinkSync('f', join(folder, 'in/l'));
  shell('tar --owner=5 --group=6 -C in -cf a.tar . && gzip -c a.tar > a.tar.gz && gzip -c in/f > f.gz && printf "PK\\003\\004" > z.zip');
  const programs = [['xz', 'xz'], ['bzip2', 'bz2']] as const;
  const packed = programs.filter(([program]) => has(program));
  for (const [program, end] of packed) shell(`${program} -c a.tar > a.tar.${end} && ${program} -c in/f > f.${end}`);
  const list = 'find . -type f -o -type l | sort | while read f; do echo "$f $(stat -c %u:%g "$f") $(cat "$f")"; done';
  const ends = ['', '.gz', ...packed.map(([, end]) => `.${end}`)];
  writeFileSync(join(folder, 'Dockerfile'), [
    'FROM busybox', 'WORKDIR /t', 'RUN mkdir have && echo old > have/f',
    ...ends.map((end) => `ADD a.tar${end} x${end}/`), ...ends.slice(1).map((end) => `ADD f${end} plain/`),
    'ADD z.zip plain/', 'ADD a.tar have', 'ADD --chown=7:8 a.tar owned/', 'COPY a.tar copied/', `RUN ${list}`, '',
  ].join('\n'));
  const { stdout, stderr, code } = (await engine?.run('build', folder)) ?? { stdout: '', stderr: '', code: -1 };
  assert.equal(code, 0, stderr);
  const lines = stdout.split('\n').filter((line) => line.startsWith('./'));
  for (const end of ends) for (const expected of ['d/g 5:6 two', 'f 5:6 one', 'l 5:6 one']) assert.ok(lines.includes(`./x${end}/${expected}`), `x${end}/${expected}`);
  for (const end of ends.slice(1)) assert.ok(lines.some((line) => line.startsWith(`./plain/f${end} 0:0`)), `f${end} is no archive`);
  assert.ok(lines.some((line) => line.startsWith('./plain/z.zip 0:0 PK')));
  assert.ok(lines.includes('./have/f 5:6 one'), 'what is there is written over');
  assert.ok(lines.includes('./owned/f 5:6 one'), 'the archive says whose its files are');
  assert.ok(lines.some((line) => line.startsWith('./copied/a.tar 0:0')));
});

test('damaged archives are refused in one sentence', needsRoot, async () => {
  shell('head -c 600 a.tar > cut.tar');
  writeFileSync(join(folder, 'Dockerfile'), 'FROM busybox\nADD cut.tar /x/\n');
  const { stderr, code } = (await engine?.run('build', folder)) ?? { stderr: '', code: -1 };
  assert.notEqual(code, 0);
  assert.match(stderr, /archive/);
});
