import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { bunzip2, isBzip2 } from './bunzip2.ts';

const folder = mkdtempSync(join(tmpdir(), 'gantry-bzip2-'));
after(() => rmSync(folder, { recursive: true }));

const hello = Buffer.from('425a68393141592653591931653d00000081000244a000219a68334d07338bb9229c28480c98b29e80', 'hex');

function expand(content: Uint8Array): Buffer {
  const path = join(folder, 'file');
  writeFileSync(path, content);
  const fd = openSync(path, 'r');
  try {
    return Buffer.concat([...bunzip2(fd)]);
  } finally {
    closeSync(fd);
  }
}

test('what bzip2 compressed is what it was', () => {
  assert.ok(isBzip2(hello));
  assert.equal(expand(hello).toString(), 'hello');
  assert.equal(expand(Buffer.concat([hello, hello])).toString(), 'hellohello');
});

const program = spawnSync('bzip2', ['--help']).error === undefined ? {} : { skip: 'bzip2 is not installed' };

test('blocks, runs and bytes of every kind', program, () => {
  // Numbers that look random, and are the same each time.
  const random = Buffer.concat(Array.from({ length: 6000 }, (_, index) => createHash('sha256').update(String(index)).digest()));
  const samples = [Buffer.alloc(0), Buffer.from('aaaa'), Buffer.from(`${'ab'.repeat(100_000)}${'a'.repeat(3000)}`), Buffer.alloc(1_000_000), random];
  for (const sample of samples) {
    for (const level of ['-1', '-9']) {
      const { stdout } = spawnSync('bzip2', [level, '-c'], { input: sample, maxBuffer: 1 << 26 });
      assert.ok(expand(stdout).equals(sample));
    }
  }
});

test('damaged files are refused', () => {
  for (let at = 4; at < hello.length - 1; at++) {
    const bad = Buffer.from(hello);
    bad[at] = (bad[at] ?? 0) ^ 0x10;
    try {
      assert.equal(expand(bad).toString(), 'hello', 'only what is not looked at may be wrong');
    } catch (error) {
      assert.match(String(error), /the archive is damaged|assertion/i);
      if (error instanceof assert.AssertionError) throw error;
    }
  }
  for (let length = 0; length < hello.length; length++) assert.throws(() => expand(hello.subarray(0, length)), /the archive is damaged/);
});
