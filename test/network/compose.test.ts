/** Names as Compose uses them, with Debian's docker-compose as the client. */
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createDockerCli, until, type DockerCli } from '../clients/docker-cli.ts';
import { importBusybox } from '../clients/host.ts';
import { startEngine, type TestEngine } from '../rig.ts';

const image = 'compose-names/busybox:1';
const skip = process.getuid?.() !== 0 ? 'needs root: makes network namespaces' : !hasCompose() ? 'needs docker-compose' : false;
let engine: TestEngine;
let docker: DockerCli;
let folder: string;

const file = `
version: "3.8"
services:
  web:
    image: ${image}
    stop_signal: SIGKILL
    command: sh -c "mkdir /www; echo hello > /www/index.html; exec httpd -f -h /www"
    depends_on: [db]
    networks:
      front:
        aliases: [shop, www.shop.test]
      back:
  db:
    image: ${image}
    stop_signal: SIGKILL
    command: httpd -f -h /etc
    hostname: database
    container_name: the-db
    networks: [back]
  worker:
    image: ${image}
    stop_signal: SIGKILL
    command: sh -c "mkdir /www; hostname > /www/index.html; exec httpd -f -h /www"
    depends_on: [web]
    networks: [front]
networks:
  front:
  back:
    internal: true
`;

function hasCompose(): boolean {
  try {
    execFileSync('docker-compose', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function compose(...args: string[]): Promise<string> {
  return new Promise((resolve, reject) =>
    execFile('docker-compose', ['--project-name', 'trio', ...args], { cwd: folder, env: { ...process.env, DOCKER_HOST: engine.url } }, (error, stdout, stderr) => {
      if (error) reject(new Error(`docker-compose ${args.join(' ')}: ${stderr}`));
      else resolve(stdout);
    }),
  );
}

/** Runs in a service's first container; the exit code and what it said. */
async function inside(container: string, ...command: string[]): Promise<{ code: number; text: string }> {
  const { code, stdout, stderr } = await docker(['exec', container, ...command]);
  return { code, text: stdout + stderr };
}

const addressesIn = (text: string): string[] => [...text.matchAll(/^Address:? (?:\d+: )?([\d.]+)$/gm)].map((match) => match[1] ?? '');

before(async () => {
  if (skip !== false) return;
  engine = await startEngine();
  docker = createDockerCli(engine.url);
  folder = mkdtempSync(join(tmpdir(), 'compose-names-'));
  writeFileSync(join(folder, 'docker-compose.yml'), file);
  await importBusybox(docker, image);
});

after(async () => {
  if (skip !== false) return;
  await engine.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('services find each other by service, container, alias and host name', { skip }, async () => {
  await compose('up', '-d');
  for (const name of ['web', 'trio_web_1', 'shop', 'www.shop.test', 'web.trio_front']) {
    await until(async () => (await inside('trio_worker_1', 'wget', '-q', '-O', '-', `http://${name}/`)).text === 'hello\n', 5000);
  }
  for (const name of ['db', 'the-db', 'database']) {
    const { text } = await inside('trio_web_1', 'wget', '-q', '-O', '-', `http://${name}/passwd`);
    assert.match(text, /^root:/, name);
  }
  // Twin: worker and db share no network.
  assert.notEqual((await inside('trio_worker_1', 'wget', '-q', '-T', '2', '-O', '-', 'http://the-db/passwd')).code, 0);
  assert.match(await compose('exec', '-T', 'worker', 'nslookup', 'web'), /Server:\t\t127\.0\.0\.11[^]*Name:\tweb\nAddress: /);
});

test('a scaled service goes round; fewer are forgotten', { skip }, async () => {
  await compose('up', '-d', '--scale', 'worker=3');
  const hosts = new Set<string>();
  for (let round = 0; round < 60 && hosts.size < 3; round++) hosts.add((await inside('trio_web_1', 'wget', '-q', '-O', '-', 'http://worker/')).text);
  assert.equal(hosts.size, 3, 'each of the three has answered');
  assert.equal(addressesIn((await inside('trio_web_1', 'nslookup', 'worker.trio_front')).text).length, 3);
  await compose('up', '-d', '--scale', 'worker=1');
  assert.equal(addressesIn((await inside('trio_web_1', 'nslookup', 'worker.trio_front')).text).length, 1);
});

test('a recreated service has its names, and a run of one its own', { skip }, async () => {
  await compose('up', '-d', '--force-recreate', '--no-deps', 'web');
  await until(async () => (await inside('trio_worker_1', 'wget', '-q', '-O', '-', 'http://shop/')).text === 'hello\n', 5000);
  assert.match(await compose('run', '--rm', '-T', 'worker', 'wget', '-q', '-O', '-', 'http://web/'), /^hello$/m);
});

test('down leaves nothing', { skip }, async () => {
  await compose('down', '-t', '0');
  assert.equal((await docker.ok(['ps', '-aq'])).stdout, '');
  assert.doesNotMatch((await docker.ok(['network', 'ls', '--format', '{{.Name}}'])).stdout, /trio/);
});
