/** Attacks through mounts and copies while a container exchanges links as fast as it can, each beside its harmless twin. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createDockerCli, until, type DockerCli } from '../clients/docker-cli.ts';
import { importBusybox } from '../clients/host.ts';
import { startEngine, type TestEngine } from '../rig.ts';

const image = 'gantry-test/hostile-busybox:1';
const skip = process.getuid?.() === 0 ? false : 'needs root: containers with an engine of their own';
/** How long the attackers have. */
const SIEGE = 10_000;

describe('hostile containers', { skip }, () => {
  let engine: TestEngine;
  let docker: DockerCli;
  let outside: string;
  before(async () => {
    engine = await startEngine();
    docker = createDockerCli(engine.url);
    outside = mkdtempSync(join(tmpdir(), 'gantry-outside-'));
    mkdirSync(join(outside, 'target'));
    chmodSync(join(outside, 'target'), 0o711);
    writeFileSync(join(outside, 'target/secret'), 'HOST SECRET');
    await importBusybox(docker, image);
  });
  after(async () => {
    await engine.stop();
    rmSync(outside, { recursive: true, force: true });
  });

  function tar(...members: [name: string, content: string | undefined, mode: number][]): Buffer {
    const folder = mkdtempSync(join(tmpdir(), 'gantry-tar-'));
    try {
      for (const [name, content, mode] of members) {
        if (content === undefined) mkdirSync(join(folder, name), { recursive: true });
        else writeFileSync(join(folder, name), content);
        chmodSync(join(folder, name), mode);
      }
      return execFileSync('tar', ['-C', folder, '--no-recursion', '-cf', '-', ...members.map(([name]) => name)]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  /** What a copy out brought, or '' when it was refused. */
  function copyOut(path: string): Promise<string> {
    const child = spawn('docker', ['-H', engine.url, 'cp', path, '-'], { stdio: ['ignore', 'pipe', 'ignore'] });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString('latin1')));
    return new Promise((resolve) => child.on('close', () => resolve(out)));
  }

  function copyIn(path: string, archive: Buffer): Promise<number> {
    const child = spawn('docker', ['-H', engine.url, 'cp', '-', path], { stdio: ['pipe', 'ignore', 'ignore'] });
    child.stdin.on('error', () => {});
    child.stdin.end(archive);
    return new Promise((resolve) => child.on('close', (code) => resolve(code ?? -1)));
  }

  test('links exchanged while the host copies and mounts: nothing leaves, nothing enters (CVE-2018-15664, -2021-30465, -2021-41089, -2026-41568, -2026-42306)', async () => {
    const target = join(outside, 'target');
    // `swap` is by turns a folder and a link to the host's path; in the volume that a second container mounts on, too.
    await docker.ok(['run', '-d', '--name', 'swapper', '-v', 'field:/field', image, 'sh', '-c',
      `mkdir -p /work/real /work/${target} /field/real; echo inner > /work/real/secret; cd /work; (while :; do ln -sfn real swap; ln -sfn ${target} swap; ln -sfn / swap; done) & ` +
      `cd /field; touch /ready; while :; do rm -rf point; mkdir point; rm -rf point; ln -s ${target} point; done`]);
    await docker.ok(['run', '-d', '--name', 'twin', image, 'sh', '-c', `mkdir -p /work/real; echo inner > /work/real/secret; ln -s real /work/swap; touch /ready; exec top`]);
    for (const name of ['swapper', 'twin']) await until(async () => (await docker(['exec', name, 'ls', '/ready'])).code === 0);

    const end = Date.now() + SIEGE;
    const archive = tar(['target', undefined, 0o777], ['target/planted', 'planted', 0o666], ['planted', 'planted', 0o666]);
    const counts = { out: 0, in: 0, run: 0 };
    const loop = async (kind: keyof typeof counts, task: () => Promise<void>): Promise<void> => {
      while (Date.now() < end) {
        await task();
        counts[kind]++;
      }
    };
    await Promise.all([
      loop('out', async () => {
        for (const path of ['swapper:/work/swap/secret', 'swapper:/work/swap/', 'swapper:/field/point/secret']) {
          if (path.endsWith('/') && counts.out % 5 > 0) continue;
          assert.ok(!(await copyOut(path)).includes('HOST SECRET'), path);
        }
      }),
      loop('in', async () => {
        await copyIn('swapper:/work/swap', archive);
        await copyIn('swapper:/field/point', archive);
      }),
      loop('run', async () => {
        await docker(['run', '--rm', '-v', 'field:/field', '--tmpfs', '/field/point', image, 'sh', '-c', 'echo x > /field/point/planted']);
        await docker(['run', '--rm', '--mount', 'type=volume,src=field,dst=/x,volume-subpath=point', image, 'sh', '-c', 'cat /x/secret; echo x > /x/planted']).then(({ stdout }) =>
          assert.ok(!stdout.includes('HOST SECRET'), 'a subpath leads out'));
      }),
    ]);
    assert.deepEqual(readdirSync(target), ['secret'], 'nothing was planted on the host');
    assert.equal(readFileSync(join(target, 'secret'), 'utf8'), 'HOST SECRET');
    assert.deepEqual([statSync(target).mode & 0o7777, statSync(outside).mode & 0o7777], [0o711, 0o700], 'no mode was changed');
    assert.ok(counts.out > 3 && counts.in > 3 && counts.run > 3, JSON.stringify(counts));

    assert.ok((await copyOut('twin:/work/swap/secret')).includes('inner'));
    assert.equal(await copyIn('twin:/work/swap', archive), 0);
    assert.equal((await docker.ok(['exec', 'twin', 'cat', '/work/real/planted'])).stdout, 'planted');
    await docker.ok(['run', '--rm', '-v', 'calm:/field', '--tmpfs', '/field/point', image, 'touch', '/field/point/x']);
    await docker.ok(['rm', '-f', 'swapper', 'twin']);
    await docker.ok(['volume', 'rm', 'field', 'calm']);
  });

  test('a copy runs nothing of the container’s (CVE-2026-41567, CVE-2019-14271)', async () => {
    const trap = join(outside, 'ran');
    const evil = `#!/bin/sh\ntouch ${trap} /ran; cat`;
    const programs = ['xz', 'unpigz', 'gzip', 'zstd', 'getent', 'tar'].flatMap((name) => [`/usr/bin/${name}`, `/usr/local/bin/${name}`]);
    await docker.ok(['run', '-d', '--name', 'trap', image, 'sh', '-c',
      `mkdir -p /usr/bin /usr/local/bin /lib/x86_64-linux-gnu ${outside}; printf '%s' "$0" > /evil; chmod 755 /evil; for p in ${programs.join(' ')}; do ln -s /evil $p; done; echo evil > /lib/x86_64-linux-gnu/libnss_files.so.2; touch /ready; exec top`, evil]);
    await until(async () => (await docker(['exec', 'trap', 'ls', '/ready'])).code === 0);
    const plain = tar(['file', 'content', 0o644]);
    const packed = { gzip: execFileSync('gzip', ['-c'], { input: plain }), xz: execFileSync('xz', ['-c'], { input: plain }) };
    assert.equal(await copyIn('trap:/tmp', packed.gzip), 0, 'the harmless twin');
    await copyIn('trap:/tmp', packed.xz);
    assert.match(await copyOut('trap:/tmp/file'), /content/);
    await docker.ok(['exec', 'trap', 'sh', '-c', `test ! -e /ran && test ! -e ${trap}`]);
    assert.equal(existsSync(trap), false);
    await docker.ok(['rm', '-f', 'trap']);
  });

  test('a user that is named like an id is that id, also for copies (CVE-2016-3697)', async () => {
    await docker.ok(['run', '--name', 'names', image, 'sh', '-c', 'echo "1000:x:0:0:::/bin/sh" >> /etc/passwd; echo "five:x:5:6:::/bin/sh" >> /etc/passwd']);
    await docker.ok(['commit', 'names', 'gantry-test/names:1']);
    await docker.ok(['rm', 'names']);
    const id = async (user: string): Promise<string> => (await docker.ok(['run', '--rm', '-u', user, 'gantry-test/names:1', 'sh', '-c', 'id -u'])).stdout.trim();
    assert.deepEqual([await id('1000'), await id('five')], ['1000', '5']);
    for (const [user, owner] of [['1000', '1000'], ['five', '5']] as const) {
      await docker.ok(['run', '-d', '--name', 'owned', '-u', user, 'gantry-test/names:1', 'top']);
      await docker.ok(['cp', '-a', join(outside, 'target/secret'), 'owned:/tmp/in']);
      assert.equal((await docker.ok(['exec', 'owned', 'stat', '-c', '%u', '/tmp/in'])).stdout.trim(), owner);
      await docker.ok(['rm', '-f', 'owned']);
    }
    await docker.ok(['rmi', '-f', 'gantry-test/names:1']);
  });

  test('an image that brings links in the place of /dev/null and /dev/console gets no device of the host (CVE-2025-31133, -52565)', async () => {
    await docker.ok(['run', '--name', 'links', image, 'sh', '-c', `ln -s ${outside}/target/secret /masked; ln -s /proc/sysrq-trigger /console`]);
    await docker.ok(['commit', 'links', 'gantry-test/links:1']);
    await docker.ok(['rm', 'links']);
    const { stdout } = await docker.ok(['run', '--rm', 'gantry-test/links:1', 'sh', '-c', 'cat /masked 2>/dev/null; stat -c %t:%T /dev/null; wc -c < /proc/keys; echo x > /proc/sysrq-trigger 2>/dev/null || echo ro']);
    assert.equal(stdout, '1:3\n0\nro\n');
    await docker.ok(['rmi', '-f', 'gantry-test/links:1']);
  });
});
