import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import assert from 'node:assert/strict';
import { startEngine } from '../rig.ts';
import type { DockerCli } from './docker-cli.ts';

/** The engine under test: GANTRY_TEST_HOST when set, else a Gantry of this test's own. */
export async function clientHost(): Promise<{ url: string; release: () => Promise<void> }> {
  const given = process.env['GANTRY_TEST_HOST'];
  if (given !== undefined) return { url: given, release: async () => {} };
  const engine = await startEngine();
  return { url: engine.url, release: engine.stop };
}

/** Makes a small image from the host's static busybox, through the client itself. */
export async function importBusybox(docker: DockerCli, tag: string): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'gantry-busybox-'));
  try {
    for (const folder of ['bin', 'etc', 'root']) mkdirSync(join(root, folder));
    mkdirSync(join(root, 'tmp'), { mode: 0o1777 });
    copyFileSync('/bin/busybox', join(root, 'bin/busybox'));
    for (const applet of execFileSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).trim().split('\n')) {
      if (applet !== 'busybox') symlinkSync('busybox', join(root, 'bin', applet));
    }
    writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
    writeFileSync(join(root, 'etc/group'), 'root:x:0:\n');
    execFileSync('tar', ['-C', root, '-cf', `${root}.tar`, '.']);
    await docker.ok(['import', '-c', 'CMD ["sh"]', `${root}.tar`, tag]);
  } finally {
    rmSync(root, { recursive: true, force: true });
    rmSync(`${root}.tar`, { force: true });
  }
}

/** A TCP port on loopback that nobody held a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  assert.ok(typeof address === 'object' && address !== null);
  return address.port;
}

