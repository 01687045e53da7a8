/** The API over TCP with mutual TLS, driven by the docker CLI. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { freePort } from '../clients/host.ts';
import { createDockerCli } from '../clients/docker-cli.ts';
import { startEngine, type TestEngine } from '../rig.ts';

const folder = mkdtempSync(join(tmpdir(), 'gantry-tls-'));
const skip = spawnSync('openssl', ['version']).status === 0 ? false : 'openssl is not installed';
let engine: TestEngine;
let port: number;

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'ignore'] });
}

/** A key and a certificate, signed by the authority or by itself. */
function makeCertificate(name: string, use: 'serverAuth' | 'clientAuth', authority: string | undefined): void {
  const into = join(folder, name);
  mkdirSync(into);
  writeFileSync(join(into, 'extensions'), `extendedKeyUsage=${use}\nsubjectAltName=IP:127.0.0.1\n`);
  openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', `${name}/key.pem`, '-out', `${name}/request.pem`, '-subj', `/CN=${name}`);
  const signer = authority === undefined ? ['-signkey', `${name}/key.pem`] : ['-CA', `${authority}.pem`, '-CAkey', `${authority}.key`, '-CAcreateserial'];
  openssl('x509', '-req', '-in', `${name}/request.pem`, '-days', '2', '-out', `${name}/cert.pem`, '-extfile', `${name}/extensions`, ...signer);
  copyFileSync(join(folder, 'authority.pem'), join(into, 'ca.pem'));
}

before(async () => {
  if (skip !== false) return;
  openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-keyout', 'authority.key', '-out', 'authority.pem', '-subj', '/CN=authority');
  makeCertificate('server', 'serverAuth', 'authority');
  makeCertificate('client', 'clientAuth', 'authority');
  makeCertificate('stranger', 'clientAuth', undefined);
  port = await freePort();
  const pem = (name: string): string => join(folder, 'server', `${name}.pem`);
  engine = await startEngine({
    args: ['--host', 'unix://', '--host', `tcp://127.0.0.1:${port}`, '--tlsverify', '--tlscacert', pem('ca'), '--tlscert', pem('cert'), '--tlskey', pem('key')],
  });
});
after(async () => {
  if (skip === false) await engine.stop();
  rmSync(folder, { recursive: true, force: true });
});

const docker = (as: string, ...args: string[]) =>
  createDockerCli(`tcp://127.0.0.1:${port}`)(args, { env: { DOCKER_TLS_VERIFY: '1', DOCKER_CERT_PATH: join(folder, as) } });

test('a client with a certificate of the authority is served, also after the engine was killed', { skip }, async () => {
  const first = await docker('client', 'version', '--format', '{{.Server.Os}}');
  assert.deepEqual([first.stdout, first.code], ['linux\n', 0], first.stderr);
  process.kill(engine.enginePid(), 'SIGKILL');
  const second = await docker('client', 'version', '--format', '{{.Server.Os}}');
  assert.deepEqual([second.stdout, second.code], ['linux\n', 0], second.stderr);
});

test('a stranger\'s certificate, none, and plain HTTP are refused', { skip }, async () => {
  assert.notEqual((await docker('stranger', 'ps')).code, 0);
  await assert.rejects(fetch(`http://127.0.0.1:${port}/_ping`));
  const plain = await createDockerCli(`tcp://127.0.0.1:${port}`)(['ps'], { env: { DOCKER_TLS_VERIFY: '' } });
  assert.notEqual(plain.code, 0);
});

test('the unix socket beside it needs none', { skip }, async () => {
  assert.equal((await createDockerCli(engine.url)(['ps'])).code, 0);
});
