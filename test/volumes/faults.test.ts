/** What goes wrong around volumes: a disk that fills up in the middle of a copy-up, an engine killed between mount and start. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createDockerCli, until, type DockerCli } from '../clients/docker-cli.ts';
import { importBusybox } from '../clients/host.ts';
import { startEngine, type TestEngine } from '../rig.ts';

const image = 'gantry-test/faults-busybox:1';
const skip = process.getuid?.() === 0 ? false : 'only root can mount a small disk';

describe('faults around volumes', { skip }, () => {
  let disk: string;
  let engine: TestEngine;
  let docker: DockerCli;
  const volume = (name: string, path = ''): string => join(engine.root, 'volumes', name, '_data', path);
  const volumeMounts = (): string[] => engine.traces().mounts.filter((path) => path.includes('/volumes/'));
  before(async () => {
    disk = mkdtempSync(join(tmpdir(), 'gantry-faults-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=96m', 'tmpfs', disk]);
    engine = await startEngine({ folder: disk });
    docker = createDockerCli(engine.url);
    await importBusybox(docker, image);
    await docker.ok(['run', '--name', 'data', image, 'sh', '-c', 'mkdir /data; for i in $(seq 20); do dd if=/dev/urandom of=/data/$i bs=1M count=1 2>/dev/null; done']);
    await docker.ok(['commit', 'data', 'gantry-test/faults-data:1']);
    await docker.ok(['rm', 'data']);
  });
  after(async () => {
    await engine.stop();
    execFileSync('umount', [disk]);
    rmSync(disk, { recursive: true, force: true });
  });

  test('a disk that is full in the middle of a copy-up: refused, no half-filled volume, whole when there is room again', async () => {
    // What was removed before is deleted behind its end.
    const graves = join(engine.root, 'tmp', 'removed-containers');
    await until(async () => !existsSync(graves) || readdirSync(graves).length === 0);
    const free = Number(execFileSync('df', ['--output=avail', '-B1', disk], { encoding: 'utf8' }).split('\n')[1]);
    writeFileSync(join(disk, 'filler'), Buffer.alloc(free - (10 << 20)));
    const { code, stderr } = await docker(['run', '--name', 'full', '-v', 'filled:/data', 'gantry-test/faults-data:1', 'true']);
    assert.equal(code, 125);
    assert.match(stderr, /no space left on device/);
    assert.equal((await docker.ok(['ps', '-aq'])).stdout, '', 'the container was not made');
    assert.deepEqual(readdirSync(volume('filled')), [], 'nothing of a half fill');
    assert.deepEqual(readdirSync(volume('filled', '..')), ['_data'], 'and nothing beside it that takes room');
    rmSync(join(disk, 'filler'));
    const again = await docker.ok(['run', '--rm', '-v', 'filled:/data', 'gantry-test/faults-data:1', 'sh', '-c', 'ls /data | wc -l; cat /data/* | wc -c']);
    assert.equal(again.stdout, `20\n${20 << 20}\n`);
    await docker.ok(['volume', 'rm', 'filled']);
  });

  test('killed in the middle of a copy-up: the next start fills it whole', async () => {
    for (let round = 0; round < 3; round++) {
      const making = docker.start(['create', '--name', `cut${round}`, '-v', `cut${round}:/data`, 'gantry-test/faults-data:1', 'sh', '-c', 'cat /data/* | wc -c']);
      await until(async () => readdirSync(join(engine.root, 'volumes')).includes(`cut${round}`));
      process.kill(engine.enginePid(), 'SIGKILL');
      await making.done;
      await docker.ok(['ps']);
      const exists = (await docker(['inspect', `cut${round}`])).code === 0;
      if (exists) assert.equal((await docker.ok(['start', '-a', `cut${round}`])).stdout, `${20 << 20}\n`);
      await docker(['rm', '-f', `cut${round}`]);
      await docker.ok(['volume', 'rm', '-f', `cut${round}`]);
    }
  });

  test('killed between mount and start, at any moment: nothing stays mounted', async () => {
    await docker.ok(['volume', 'create', '-o', 'type=tmpfs', '-o', 'device=tmpfs', 'ram']);
    for (let round = 0; round < 6; round++) {
      const name = `killed${round}`;
      const running = docker.start(['run', '--name', name, '-v', 'ram:/ram', '--mount', `type=image,src=${image},dst=/img`, image, 'sleep', '1000']);
      // By turns before, while and after the volume is mounted.
      if (round % 2 === 0) await until(async () => volumeMounts().length > 0);
      else await new Promise((resolve) => setTimeout(resolve, round * 12));
      process.kill(engine.enginePid(), 'SIGKILL');
      running.process.kill('SIGKILL');
      await running.done;
      await docker.ok(['ps']);
      const state = await docker(['inspect', '--format', '{{.State.Running}}', name]);
      if (state.stdout.trim() !== 'true') assert.deepEqual(volumeMounts(), [], `round ${round}: ${state.stdout}`);
      await docker(['rm', '-f', name]);
      assert.deepEqual(engine.traces().mounts.filter((path) => !path.endsWith('/netns') && path !== disk), [], `round ${round}`);
    }
    await docker.ok(['volume', 'rm', 'ram']);
    assert.match(readFileSync('/proc/self/mountinfo', 'utf8'), new RegExp(disk), 'the disk itself is');
  });
});
