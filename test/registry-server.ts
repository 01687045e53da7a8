/** Debian's docker-registry (the CNCF registry) on a loopback port of its own. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './clients/host.ts';
import { until } from './clients/docker-cli.ts';

export interface RegistryServer {
  /** `127.0.0.1:PORT`. */
  host: string;
  stop(): Promise<void>;
}

/** Why tests that need one are skipped; false when it is there. */
export const noRegistry = spawnSync('docker-registry', ['--version']).error === undefined ? false : 'docker-registry is not installed';

/** `login` lets in only this user, with the password `secret`. */
export async function startRegistry(options: { login?: 'user' } = {}): Promise<RegistryServer> {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-registry-'));
  const host = `127.0.0.1:${await freePort()}`;
  mkdirSync(join(folder, 'data'));
  const auth = options.login === undefined ? '' : `auth:\n  htpasswd:\n    realm: test\n    path: ${join(folder, 'htpasswd')}\n`;
  writeFileSync(join(folder, 'htpasswd'), 'user:$2y$05$b6o6liqlo7T9pAw4QwPs/eagd0ncDmMD3dLpZeaGN5KBGKT2Fu.Yq\n');
  writeFileSync(join(folder, 'config.yml'), `version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: ${join(folder, 'data')}\n  delete:\n    enabled: true\nhttp:\n  addr: ${host}\n${auth}`);
  const child = spawn('docker-registry', ['serve', join(folder, 'config.yml')], { stdio: 'ignore', env: { ...process.env, OTEL_TRACES_EXPORTER: 'none' } });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  await until(async () => (await fetch(`http://${host}/v2/`).catch(() => undefined)) !== undefined);
  return {
    host,
    async stop() {
      child.kill('SIGTERM');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
