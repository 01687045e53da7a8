/** What real crun, conmon and kernel do with containers beyond what the client tests ask. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createDockerCli, type DockerCli, until } from '../clients/docker-cli.ts';
import { importBusybox } from '../clients/host.ts';
import { startEngine, type TestEngine } from '../rig.ts';

const image = 'gantry-test/life:1';
let engine: TestEngine;
let docker: DockerCli;

before(async () => {
  engine = await startEngine();
  docker = createDockerCli(engine.url);
  await importBusybox(docker, image);
});
after(() => engine.stop());

const background = async (name: string, ...options: string[]): Promise<void> => {
  await docker.ok(['run', '-d', '--name', name, ...options, image, 'sleep', '1000']);
};
const pidOf = async (name: string): Promise<number> => Number(await docker.format(name, '{{.State.Pid}}'));
const state = (name: string): Promise<string> => docker.format(name, '{{.State.Status}}');
const removeFolder = (path: string): void => {
  if (existsSync(path)) rmdirSync(path);
};
const monitorOf = async (name: string): Promise<number> =>
  Number(readFileSync(join(engine.run, 'containers', await docker.format(name, '{{.Id}}'), 'conmon.pid'), 'utf8'));
/** Identifies a process's namespace. */
const namespace = (pid: number, type: string): number => statSync(`/proc/${pid}/ns/${type}`).ino;

test('containers share the namespaces they ask for, and no others', async () => {
  await background('donor', '--ipc', 'shareable');
  await background('guest', '--network', 'container:donor', '--pid', 'container:donor', '--ipc', 'container:donor');
  await background('stranger');
  const [donor, guest, stranger] = [await pidOf('donor'), await pidOf('guest'), await pidOf('stranger')];
  for (const type of ['net', 'pid', 'ipc']) {
    assert.equal(namespace(guest, type), namespace(donor, type), type);
    assert.notEqual(namespace(stranger, type), namespace(donor, type), type);
  }
  await docker.ok(['exec', 'donor', 'sh', '-c', 'echo shared > /dev/shm/note']);
  assert.equal((await docker.ok(['exec', 'guest', 'cat', '/dev/shm/note'])).stdout, 'shared\n');
  assert.equal((await docker.ok(['exec', 'guest', 'hostname'])).stdout, (await docker.ok(['exec', 'donor', 'hostname'])).stdout);
  await docker.ok(['rename', 'donor', 'giver']);
  await docker.ok(['restart', '-t', '0', 'guest']);
  await docker.ok(['stop', '-t', '0', 'giver']);
  const refused = await docker(['restart', '-t', '0', 'guest']);
  assert.match(refused.stderr, /cannot join network namespace of a non running container/);
  await docker.ok(['rm', '-f', 'giver', 'guest', 'stranger']);
});

test('--network none has a loopback that is up, and nothing else', async () => {
  const { stdout } = await docker.ok(['run', '--rm', '--network', 'none', image, 'sh', '-c', 'ip -o link; ping -c 1 -W 1 127.0.0.1 > /dev/null && echo up']);
  assert.match(stdout, /^1: lo: <LOOPBACK,UP/);
  assert.equal(stdout.trimEnd().split('\n').length, 2);
  assert.match(stdout, /up\n$/);
});

test('--cgroup-parent is where the cgroup lies', async () => {
  await background('parented', '--cgroup-parent', '/gantry-test-parent', '--memory', '64m');
  const pid = await pidOf('parented');
  const id = await docker.format('parented', '{{.Id}}');
  assert.match(readFileSync(`/proc/${pid}/cgroup`, 'utf8'), new RegExp(`/gantry-test-parent/${id}`));
  await docker.ok(['update', '--memory', '128m', '--memory-swap', '256m', 'parented']);
  const limit = [`/sys/fs/cgroup/memory/gantry-test-parent/${id}/memory.limit_in_bytes`, `/sys/fs/cgroup/gantry-test-parent/${id}/memory.max`].find((path) => existsSync(path));
  assert.equal(readFileSync(limit ?? '', 'utf8').trim(), String(128 << 20));
  await docker.ok(['rm', '-f', 'parented']);
  assert.ok(!existsSync(limit ?? ''));
  // The parent belongs to whoever named it.
  for (const hierarchy of ['.', ...readdirSync('/sys/fs/cgroup')]) removeFolder(`/sys/fs/cgroup/${hierarchy}/gantry-test-parent`);
});

test('a process killed behind the engine\'s back is noticed', async () => {
  await background('victim');
  await background('phoenix', '--restart', 'always');
  const before = await pidOf('phoenix');
  for (const name of ['victim', 'phoenix']) process.kill(await pidOf(name), 'SIGKILL');
  await until(async () => (await state('victim')) === 'exited');
  assert.equal(await docker.format('victim', '{{.State.ExitCode}}'), '137');
  await until(async () => (await state('phoenix')) === 'running' && (await pidOf('phoenix')) !== before);
  await docker.ok(['rm', '-f', 'victim', 'phoenix']);
});

test('a killed monitor takes nothing with it, and its container can be stopped and started', async () => {
  await background('orphan');
  const pid = await pidOf('orphan');
  process.kill(await monitorOf('orphan'), 'SIGKILL');
  assert.equal((await docker.ok(['exec', 'orphan', 'echo', 'alive'])).stdout, 'alive\n');
  assert.equal(await pidOf('orphan'), pid);
  await docker.ok(['stop', '-t', '0', 'orphan']);
  assert.equal(await state('orphan'), 'exited');
  await docker.ok(['start', 'orphan']);
  await docker.ok(['rm', '-f', 'orphan']);
});

test('health goes on over a killed engine', async () => {
  await background('checked', '--health-cmd', 'test -e /ok', '--health-interval', '100ms', '--health-retries', '2');
  const health = (): Promise<string> => docker.format('checked', '{{.State.Health.Status}}');
  await until(async () => (await health()) === 'unhealthy');
  const pid = engine.enginePid();
  process.kill(pid, 'SIGKILL');
  await until(async () => engine.enginePid() !== pid && (await health()) === 'unhealthy');
  await docker.ok(['exec', 'checked', 'touch', '/ok']);
  await until(async () => (await health()) === 'healthy');
  await docker.ok(['rm', '-f', 'checked']);
});

test('a hanging stop ends with SIGKILL, a paused container can be stopped and removed', async () => {
  await docker.ok(['run', '-d', '--name', 'deaf', image, 'sh', '-c', 'trap "" TERM; while :; do sleep 1; done']);
  await docker.ok(['stop', '-t', '1', 'deaf']);
  assert.equal(await docker.format('deaf', '{{.State.ExitCode}}'), '137');
  await docker.ok(['start', 'deaf']);
  await docker.ok(['pause', 'deaf']);
  await docker.ok(['stop', '-t', '0', 'deaf']);
  await docker.ok(['start', 'deaf']);
  await docker.ok(['pause', 'deaf']);
  await docker.ok(['kill', 'deaf']);
  assert.equal(await state('deaf'), 'exited');
  await docker.ok(['start', 'deaf']);
  await docker.ok(['pause', 'deaf']);
  await docker.ok(['rm', '-f', 'deaf']);
});

test('a link resolves by its alias', async () => {
  await background('target');
  const { stdout } = await docker.ok(['run', '--rm', '--link', 'target:db', image, 'cat', '/etc/hosts']);
  assert.match(stdout, new RegExp(`^${await docker.format('target', '{{.NetworkSettings.IPAddress}}')}\\s+.*\\bdb\\b`, 'm'));
  await docker.ok(['rm', '-f', 'target']);
  assert.notEqual((await docker(['run', '--rm', '--link', 'target:db', image, 'true'])).code, 0);
});

test('an anonymous volume goes with --rm, a named one stays', async () => {
  await docker.ok(['run', '--rm', '-v', '/anonymous', '-v', 'named:/named', image, 'sh', '-c', 'echo kept > /named/note']);
  assert.equal((await docker.ok(['volume', 'ls', '-q'])).stdout, 'named\n');
  assert.equal((await docker.ok(['run', '--rm', '-v', 'named:/x', image, 'cat', '/x/note'])).stdout, 'kept\n');
  await docker.ok(['volume', 'rm', 'named']);
});
