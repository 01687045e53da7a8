/** Hostile containers against a whole engine; beside each stands its harmless twin. What needs no engine is in test/oci. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createDockerCli, type DockerCli } from '../clients/docker-cli.ts';
import { importBusybox } from '../clients/host.ts';
import { startEngine, type TestEngine } from '../rig.ts';

const image = 'test/busybox:1';
let engine: TestEngine;
let docker: DockerCli;

before(async () => {
  engine = await startEngine();
  docker = createDockerCli(engine.url);
  await importBusybox(docker, image);
});
after(() => engine.stop());

/** An image like busybox with something done to its root. */
async function imageWith(tag: string, change: (root: string) => void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-hostile-'));
  try {
    const root = join(folder, 'root');
    mkdirSync(root);
    await docker.ok(['create', '--name', 'source', image]);
    await docker.ok(['export', '-o', join(folder, 'tar'), 'source']);
    await docker.ok(['rm', 'source']);
    execFileSync('tar', ['-C', root, '-xf', join(folder, 'tar')]);
    change(root);
    execFileSync('tar', ['-C', root, '-cf', join(folder, 'changed.tar'), '.']);
    await docker.ok(['import', join(folder, 'changed.tar'), tag]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const digestOf = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

describe('a hostile container', () => {
  test('CVE-2019-5736: cannot write to what an exec is started with', async () => {
    const programs = ['/usr/bin/crun', '/bin/sh', '/usr/bin/conmon'];
    const before = programs.map(digestOf);
    // Whatever shows up in its own pid namespace is opened for writing; its own busybox is not counted.
    const attack = 'touch /ready; while :; do for p in /proc/[0-9]*; do case $(readlink $p/exe) in /bin/busybox|"") ;; *) (echo x >> $p/exe) 2>/dev/null && echo "WROTE $(readlink $p/exe)" ;; esac; done; done';
    await docker.ok(['run', '-d', '--name', 'writer', image, 'sh', '-c', attack]);
    for (let count = 0; count < 8; count++) {
      const { code, stdout } = await docker(['exec', 'writer', 'sh', '-c', 'echo fine; exit 5']);
      assert.deepEqual([code, stdout], [5, 'fine\n']);
    }
    const again = await docker(['exec', 'writer', '/proc/self/exe', 'true']);
    assert.ok(again.code === 0 || again.code >= 126, again.stderr);
    assert.equal((await docker.ok(['logs', 'writer'])).stdout, '');
    await docker.ok(['rm', '-f', 'writer']);
    assert.deepEqual(programs.map(digestOf), before);
  });

  test('CVE-2025-52565: a /dev/console of the image leads the terminal nowhere', async () => {
    const pattern = readFileSync('/proc/sys/kernel/core_pattern', 'utf8');
    await imageWith('test/console:1', (root) => {
      rmSync(join(root, 'dev'), { recursive: true, force: true });
      mkdirSync(join(root, 'dev'));
      symlinkSync('/proc/sys/kernel/core_pattern', join(root, 'dev/console'));
    });
    const { stdout } = await docker.ok(['run', '--rm', '-t', 'test/console:1', 'sh', '-c', 'test -c /dev/console && echo device; ls -l /dev/console | cut -c1; (echo x > /proc/sys/kernel/core_pattern) 2>/dev/null || echo refused; tty > /dev/console']);
    assert.match(stdout, /device\r\nc\r\nrefused\r\n\/dev\/(?:pts\/0|console)\r\n/);
    assert.equal(readFileSync('/proc/sys/kernel/core_pattern', 'utf8'), pattern);
    await docker.ok(['rmi', 'test/console:1']);
  });

  test('CVE-2025-52881: a /proc of the image takes no settings in the place of the kernel', async () => {
    await imageWith('test/proc:1', (root) => {
      rmSync(join(root, 'proc'), { recursive: true, force: true });
      mkdirSync(join(root, 'fake/sys/net/ipv4'), { recursive: true });
      writeFileSync(join(root, 'fake/sys/net/ipv4/ip_forward'), 'untouched\n');
      symlinkSync('/fake', join(root, 'proc'));
    });
    const hostile = await docker(['run', '--name', 'faked', '--sysctl', 'net.ipv4.ip_forward=0', 'test/proc:1', 'sh', '-c', 'cat /fake/sys/net/ipv4/ip_forward; cat /proc/sys/net/ipv4/ip_forward; grep -c " /proc proc " /proc/mounts']);
    // Either it is refused, or the kernel's own /proc took the setting and the image's file did not.
    assert.ok(hostile.code !== 0 || hostile.stdout === 'untouched\n0\n1\n', hostile.stdout);
    await docker.ok(['rm', '-f', 'faked']);
    const twin = await docker.ok(['run', '--rm', '--sysctl', 'net.ipv4.ip_forward=0', image, 'cat', '/proc/sys/net/ipv4/ip_forward']);
    assert.equal(twin.stdout, '0\n');
    await docker.ok(['rmi', 'test/proc:1']);
  });

  test('CVE-2025-9074, CVE-2020-15257: reaches neither the engine nor a monitor over the network', async () => {
    await docker.ok(['run', '-d', '--name', 'target', image, 'sleep', '1000']);
    const gateway = await docker.format('target', '{{.NetworkSettings.Gateway}}');
    const { stdout: open } = await docker.ok(['exec', 'target', 'sh', '-c', `for p in 2375 2376 2377 80 443 5000; do nc -w 1 ${gateway} $p </dev/null >/dev/null 2>&1 && echo "open $p"; done; true`]);
    assert.equal(open, '');
    // In the host's network there are no abstract sockets of ours to be found, nor listening ports.
    const { stdout: sockets } = await docker.ok(['run', '--rm', '--network', 'host', image, 'cat', '/proc/net/unix']);
    assert.match(sockets, /RefCount/, 'the twin: the list can be read');
    const ours = sockets.split('\n').filter((line) => /@.*(?:gantry|conmon|crun|attach)/.test(line));
    assert.deepEqual(ours, []);
    // The engine's files are not in a container that was not given them.
    assert.equal((await docker(['exec', 'target', 'ls', engine.socket])).code, 1);
    await docker.ok(['rm', '-f', 'target']);
    const given = await docker.ok(['run', '--rm', '-v', `${engine.socket}:/engine.sock`, image, 'sh', '-c', 'test -S /engine.sock && echo given']);
    assert.equal(given.stdout, 'given\n');
  });
});
