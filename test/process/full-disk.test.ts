/** A full disk: one clear sentence, nothing half made, what runs goes on, and stopping and removing still work. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createDockerCli, type DockerCli } from '../clients/docker-cli.ts';
import { importBusybox } from '../clients/host.ts';
import { startEngine, type TestEngine } from '../rig.ts';

const skip = process.getuid?.() === 0 ? false : 'only root can mount a small disk';
const image = 'gantry-test/full:1';
let disk: string;
let engine: TestEngine;
let docker: DockerCli;

before(async () => {
  if (skip !== false) return;
  disk = mkdtempSync(join(tmpdir(), 'gantry-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', disk]);
  engine = await startEngine({ folder: disk });
  docker = createDockerCli(engine.url);
  await importBusybox(docker, image);
});
after(async () => {
  if (skip !== false) return;
  await engine.stop();
  execFileSync('umount', [disk]);
  rmSync(disk, { recursive: true });
});

/** Takes the last byte. */
function fill(): void {
  const fd = openSync(join(disk, 'filler'), 'a');
  try {
    for (let size = 1 << 20; size > 0; size >>= 1) {
      const block = Buffer.alloc(size);
      try {
        for (;;) if (writeSync(fd, block) < size) break;
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
      }
    }
  } finally {
    closeSync(fd);
  }
}

test('a full disk', { skip }, async (context) => {
  await docker.ok(['run', '-d', '--name', 'before', image, 'sleep', '100000']);
  const images = (await docker.ok(['images', '-q'])).stdout;
  fill();

  await context.test('what needs room is refused in one sentence', async () => {
    const refused = await docker(['run', '--rm', image, 'true']);
    assert.equal(refused.code, 125);
    assert.match(refused.stderr, /no space left on device/);
    await assert.rejects(importBusybox(docker, 'gantry-test/more:1'), /no space left on device/);
  });

  await context.test('what runs goes on, and lists answer', async () => {
    assert.equal(await docker.format('before', '{{.State.Running}}'), 'true');
    assert.equal((await docker.ok(['ps', '--format', '{{.Names}}'])).stdout, 'before\n');
    assert.equal((await docker.ok(['images', '-q'])).stdout, images, 'no half image');
  });

  await context.test('stopping and removing work, so that room can be made', async () => {
    await docker.ok(['stop', '-t', '0', 'before']);
    await docker.ok(['rm', 'before']);
    assert.equal((await docker.ok(['ps', '-aq'])).stdout, '');
  });

  await context.test('with room again all is as before', async () => {
    rmSync(join(disk, 'filler'));
    assert.equal((await docker.ok(['run', '--rm', image, 'echo', 'again'])).stdout, 'again\n');
  });
});
