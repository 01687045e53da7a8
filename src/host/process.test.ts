import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseStat, processes, spawnCollect } from './process.ts';
import { pipe, reap, spawnProgram } from './spawn.ts';
import { closeSync, readSync } from 'node:fs';

describe('processes', () => {
  it('reads a stat line whose name holds parentheses', () => {
    const fields = Array.from({ length: 50 }, (_, index) => String(index + 3));
    assert.deepEqual(parseStat(`7 (a) b) S 1 ${fields.slice(2).join(' ')}`), { state: 'S', parent: 1, startTime: 22 });
    assert.equal(parseStat('rubbish'), undefined);
  });

  it('knows itself and nobody at pid 0', () => {
    const start = processes.startTime(process.pid);
    assert.ok(start !== undefined && start > 0);
    assert.ok(processes.isAlive(process.pid, start));
    assert.ok(!processes.isAlive(process.pid, start + 1));
    assert.equal(processes.startTime(0), undefined);
  });
});

describe('programs', () => {
  it('collects output, input and exit code', async () => {
    const { code, stdout } = await spawnCollect('/bin/cat', [], { deadline: 10_000, input: 'hello' });
    assert.deepEqual([code, stdout.toString()], [0, 'hello']);
    const failed = await spawnCollect('/bin/ls', ['/no/such/place'], { deadline: 10_000 });
    assert.notEqual(failed.code, 0);
    assert.match(failed.stderr, /no such/i);
  });

  it('ends a program that hangs and says which', async () => {
    await assert.rejects(spawnCollect('/bin/sleep', ['60'], { deadline: 20 }), { code: 'unavailable', message: '/bin/sleep 60 did not finish within 20 ms' });
    await assert.rejects(spawnCollect('/no/such/program', [], { deadline: 1000 }), { code: 'unavailable' });
  });

  it('starts one without forking', async () => {
    const { read, write } = pipe();
    const pid = await spawnProgram({ path: '/bin/sh', args: ['-c', 'echo "$X"; pwd; exit 3'], env: { X: 'y' }, cwd: '/', stdio: [null, write, null] });
    closeSync(write);
    const buffer = Buffer.alloc(100);
    let text = '';
    for (let length = readSync(read, buffer); length > 0; length = readSync(read, buffer)) text += buffer.toString('utf8', 0, length);
    closeSync(read);
    assert.equal(text, 'y\n/\n');
    let status = reap(pid);
    while (status === undefined) status = reap(pid);
    assert.equal(status, 3);
    await assert.rejects(spawnProgram({ path: '/no/such/program', args: [], env: {} }), { code: 'ENOENT' });
  });
});
