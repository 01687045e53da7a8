/** Volume plugins by Docker's protocol: a real plugin process, one that hangs, dies, fails and lies. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createDockerCli, until, type DockerCli } from '../clients/docker-cli.ts';
import { importBusybox } from '../clients/host.ts';
import { startEngine, type TestEngine } from '../rig.ts';
import type { Mood } from './plugin-process.ts';

const image = 'gantry-test/plugin-busybox:1';
const skip = process.getuid?.() === 0 ? false : 'needs root: containers with an engine of their own';

describe('volume plugins', { skip }, () => {
  let engine: TestEngine;
  let docker: DockerCli;
  let state: string;
  let plugin: ChildProcess;
  const folder = (): string => join(engine.run, 'plugins');
  const data = (name: string): string => join(state, 'data', name);
  const mood = (text: Mood): void => writeFileSync(join(state, 'mood'), text);
  const calls = (): string[] => readFileSync(join(state, 'calls'), 'utf8').trim().split('\n');
  const refused = async (args: string[], message: RegExp): Promise<void> => {
    const { code, stderr } = await docker(args);
    assert.notEqual(code, 0, args.join(' '));
    assert.match(stderr, message);
  };

  async function startPlugin(): Promise<void> {
    rmSync(join(folder(), 'keep.sock'), { force: true });
    plugin = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'plugin-process.ts'), join(folder(), 'keep.sock'), state], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(plugin.stdout as NodeJS.EventEmitter, 'data');
  }

  before(async () => {
    engine = await startEngine();
    docker = createDockerCli(engine.url);
    state = mkdtempSync(join(tmpdir(), 'gantry-plugin-'));
    mkdirSync(folder(), { recursive: true });
    await startPlugin();
    await importBusybox(docker, image);
  });
  after(async () => {
    // The rig minds processes that name its folders.
    plugin.kill('SIGKILL');
    await engine.stop();
    rmSync(state, { recursive: true, force: true });
  });

  test('create, inspect, list, use, remove', async () => {
    await docker.ok(['volume', 'create', '-d', 'keep', '-o', 'size=1', '--label', 'a=b', 'data']);
    const [seen] = JSON.parse((await docker.ok(['volume', 'inspect', 'data'])).stdout) as Record<string, unknown>[];
    assert.deepEqual(seen, {
      CreatedAt: '2026-01-02T03:04:05Z', Driver: 'keep', Labels: { a: 'b' }, Mountpoint: data('data'), Name: 'data', Options: { size: '1' }, Scope: 'global',
      Status: { fresh: { is: true } },
    });
    assert.match((await docker.ok(['volume', 'ls', '-f', 'driver=keep'])).stdout, /^keep +data$/m);
    await docker.ok(['run', '--rm', '--name', 'user', '-v', 'data:/d', image, 'sh', '-c', 'echo kept > /d/file']);
    assert.equal(readFileSync(join(data('data'), 'file'), 'utf8'), 'kept\n');
    await until(async () => calls().some((call) => call.startsWith('VolumeDriver.Unmount')));
    const of = (method: string): { Name: string; ID: string; Opts?: object }[] =>
      calls().filter((call) => call.startsWith(`VolumeDriver.${method} `)).map((call) => JSON.parse(call.slice(call.indexOf(' '))) as { Name: string; ID: string });
    assert.deepEqual(of('Create'), [{ Name: 'data', Opts: { size: '1' } }]);
    assert.deepEqual(of('Unmount').map(({ ID }) => ID), of('Mount').map(({ ID }) => ID), 'every mount is taken back, by the same user');
    await docker.ok(['volume', 'rm', 'data']);
    assert.equal(existsSync(data('data')), false);
  });

  test('made by run, by --mount and anonymous; the image fills it; copies go in and out of a stopped container', async () => {
    await docker.ok(['create', '--name', 'one', '--mount', 'type=volume,src=made,dst=/etc,volume-driver=keep', image, 'cat', '/etc/passwd']);
    assert.ok(existsSync(join(data('made'), 'passwd')), 'filled when the container was made');
    assert.match((await docker.ok(['start', '-a', 'one'])).stdout, /^root:/);
    assert.equal((await docker.format('one', '{{(index .Mounts 0).Driver}} {{(index .Mounts 0).Source}}')), `keep ${data('made')}`);
    writeFileSync(join(data('made'), 'extra'), 'extra');
    assert.match((await docker.ok(['cp', 'one:/etc/extra', '-'])).stdout, /extra/);
    await docker.ok(['rm', 'one']);
    await docker.ok(['run', '--rm', '--volume-driver', 'keep', '-v', '/anon', image, 'touch', '/anon/x']);
    assert.deepEqual(readdirSync(join(state, 'data')), ['made'], 'an anonymous one goes with its container');
    await docker.ok(['volume', 'rm', 'made']);
  });

  test('what a plugin has of its own is seen, used and removed', async () => {
    mkdirSync(data('foreign'));
    assert.match((await docker.ok(['volume', 'ls'])).stdout, /^keep +foreign$/m);
    assert.match((await docker.ok(['volume', 'inspect', 'foreign'])).stdout, /"Driver": "keep"/);
    await docker.ok(['volume', 'prune', '-af']);
    assert.ok(existsSync(data('foreign')), 'a prune leaves the volumes of plugins alone');
    await docker.ok(['volume', 'rm', 'foreign']);
    assert.equal(existsSync(data('foreign')), false);
  });

  test('unknown drivers and taken names', async () => {
    await refused(['volume', 'create', '-d', 'nothing', 'vol'], /create vol: error looking up volume plugin nothing: plugin "nothing" not found/);
    await docker.ok(['volume', 'create', 'taken']);
    await refused(['volume', 'create', '-d', 'keep', 'taken'], /create taken: driver 'local' already has volume 'taken': volume name must be unique/);
    await docker.ok(['volume', 'rm', 'taken']);
  });

  test('one that fails: its own words, and nothing half done', async () => {
    await docker.ok(['volume', 'create', '-d', 'keep', 'vol']);
    mood('fail Mount');
    await refused(['run', '--name', 'fails', '-v', 'vol:/d', image, 'true'], /error while mounting volume '': VolumeDriver\.Mount: Mount is not to be/);
    mood('fail Remove');
    await docker.ok(['rm', 'fails']);
    await refused(['volume', 'rm', 'vol'], /remove vol: VolumeDriver\.Remove: Remove is not to be/);
    assert.match((await docker.ok(['volume', 'ls', '-q'])).stdout, /^vol$/m, 'it is still there');
    mood('fail Create');
    await refused(['volume', 'create', '-d', 'keep', 'never'], /create never: VolumeDriver\.Create: Create is not to be/);
    mood('');
    await docker.ok(['run', '--rm', '-v', 'vol:/d', image, 'true']);
    await docker.ok(['volume', 'rm', 'vol']);
  });

  test('one that lies is found out, and its harmless twin works', async () => {
    mood('lie-create');
    await docker.ok(['volume', 'create', '-d', 'keep', 'lied']);
    await refused(['volume', 'inspect', 'lied'], /get lied: no such volume/);
    await refused(['run', '--rm', '-v', 'lied:/d', image, 'true'], /names a mount point that does not exist: /);
    mood('');
    await docker.ok(['volume', 'create', '-d', 'keep', '-o', 'a=b', 'lied']);
    assert.match((await docker.ok(['volume', 'inspect', 'lied'])).stdout, /"a": "b"/, 'made anew');
    await docker.ok(['volume', 'rm', 'lied']);
    await docker.ok(['volume', 'create', '-d', 'keep', 'vol']);
    mood('lie-path');
    await refused(['run', '--rm', '-v', 'vol:/d', image, 'true'], /names a mount point that does not exist: "\/nowhere\/at\/all"/);
    mood('lie-type');
    await refused(['run', '--rm', '-v', 'vol:/d', image, 'true'], /names a mount point that is no absolute path: "etc"/);
    mood('lie-name');
    await refused(['volume', 'inspect', 'vol'], /the plugin was asked for vol and answers/);
    assert.doesNotMatch((await docker.ok(['volume', 'ls', '-q'])).stdout, /etc|^7$/m, 'names that cannot be');
    mood('');
    await docker.ok(['run', '--rm', '-v', 'vol:/d', image, 'true']);
    await docker.ok(['volume', 'rm', 'vol']);
  });

  test('one that hangs holds up nobody else; one that dies ends the wait', async () => {
    await docker.ok(['volume', 'create', '-d', 'keep', 'vol']);
    mood('hang Mount');
    const waiting = docker.start(['run', '--rm', '-v', 'vol:/d', image, 'true']);
    await until(async () => calls().at(-1)?.startsWith('VolumeDriver.Mount') === true);
    await docker.ok(['run', '--rm', '-v', 'plain:/d', image, 'true']);
    await docker.ok(['ps', '-a']);
    assert.match((await docker.ok(['volume', 'ls', '-q'])).stdout, /^vol$/m);
    plugin.kill('SIGKILL');
    const { code, stderr } = await waiting.done;
    assert.equal(code, 125);
    assert.match(stderr, /error while mounting volume '': plugin "keep": VolumeDriver\.Mount: /);
    await startPlugin();
    mood('');
    await docker.ok(['run', '--rm', '-v', 'vol:/d', image, 'true']);
    await docker.ok(['volume', 'rm', 'vol', 'plain']);
  });

  test('one that hangs when a container ends does not hold up its end', async () => {
    await docker.ok(['volume', 'create', '-d', 'keep', 'vol']);
    mood('hang Unmount');
    await docker.ok(['run', '--name', 'ends', '-v', 'vol:/d', image, 'true']);
    assert.equal(await docker.format('ends', '{{.State.Status}}'), 'exited');
    mood('');
    plugin.kill('SIGKILL');
    await startPlugin();
    await docker.ok(['rm', 'ends']);
    await docker.ok(['volume', 'rm', 'vol']);
  });

  test('an engine that was killed tells the plugin what it could not', async () => {
    await docker.ok(['volume', 'create', '-d', 'keep', 'vol']);
    mood('hang Mount');
    const waiting = docker.start(['run', '--name', 'half', '-v', 'vol:/d', image, 'true']);
    await until(async () => calls().at(-1)?.startsWith('VolumeDriver.Mount') === true);
    const before = calls().length;
    mood('');
    process.kill(engine.enginePid(), 'SIGKILL');
    await waiting.done;
    await until(async () => calls().slice(before).some((call) => call.startsWith('VolumeDriver.Unmount')));
    await docker.ok(['start', '-a', 'half']);
    await docker.ok(['rm', 'half']);
    await docker.ok(['volume', 'rm', 'vol']);
  });
});
