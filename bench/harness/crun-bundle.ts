import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A bundle that runs `true` from the host's static busybox: the floor under every engine. */
export async function crunBundle(): Promise<AsyncDisposable & { path: string }> {
  const path = mkdtempSync(join(tmpdir(), 'gantry-bench-'));
  mkdirSync(join(path, 'rootfs/bin'), { recursive: true });
  copyFileSync('/bin/busybox', join(path, 'rootfs/bin/busybox'));
  symlinkSync('busybox', join(path, 'rootfs/bin/true'));
  execFileSync('crun', ['spec'], { cwd: path });
  const config = JSON.parse(readFileSync(join(path, 'config.json'), 'utf8')) as { process: { terminal: boolean; args: string[] } };
  config.process.terminal = false;
  config.process.args = ['true'];
  writeFileSync(join(path, 'config.json'), JSON.stringify(config));
  return {
    path,
    [Symbol.asyncDispose]: async () => rmSync(path, { recursive: true, force: true }),
  };
}
