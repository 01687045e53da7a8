/** How many programs one command starts: each costs a millisecond or more, and one too many is easily overlooked. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { detectCgroups } from '../../src/host/cgroup.ts';
import { createDockerCli, type DockerCli, until } from '../clients/docker-cli.ts';
import { importBusybox } from '../clients/host.ts';
import { startEngine, type TestEngine } from '../rig.ts';

const image = 'gantry-test/spawns:1';
const folder = mkdtempSync(join(tmpdir(), 'gantry-spawns-'));
let engine: TestEngine;
let docker: DockerCli;
const traceable = spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0;
const skip = traceable ? false : 'strace is not installed or may not trace here';

before(async () => {
  engine = await startEngine();
  docker = createDockerCli(engine.url);
  await importBusybox(docker, image);
  // Whatever is done once an engine is done here.
  await docker.ok(['run', '--rm', image, 'true']);
});
after(async () => {
  await engine.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Programs that the engine and its children start while `task` runs, as `program first-argument-words...`. */
async function programsOf(name: string, task: () => Promise<void>): Promise<string[]> {
  const file = join(folder, name);
  const tracer = spawn('strace', ['-f', '-qq', '-s', '200', '-e', 'trace=execve', '-e', 'signal=none', '-p', String(engine.enginePid()), '-o', file], { stdio: 'ignore' });
  const attached = (): boolean => /^TracerPid:\t[1-9]/m.test(readFileSync(`/proc/${engine.enginePid()}/status`, 'utf8'));
  await until(async () => attached());
  try {
    await task();
  } finally {
    tracer.kill('SIGINT');
    await new Promise((resolve) => tracer.on('close', resolve));
  }
  const programs = readFileSync(file, 'utf8').split('\n').filter((line) => line.includes('execve(') && /= 0$/.test(line));
  return programs.map((line) => {
    const [, file = '', args = ''] = /execve\("([^"]+)", \[(.*?)\]/.exec(line) ?? [];
    // The runtime runs from a sealed copy in the engine's memory.
    const path = file.replace(/^\/proc\/\d+\/fd\/\d+$/, 'crun');
    const verb = /"(create|start|exec|kill|delete|state|run)"/.exec(args)?.[1];
    return verb === undefined || path.endsWith('conmon') ? path : `${path} ${verb}`;
  });
}

test('a run on the bridge: the monitor, the runtime once, the program', { skip }, async () => {
  const programs = await programsOf('run', async () => void (await docker.ok(['run', '--rm', image, 'true'])));
  assert.deepEqual(programs.map((path) => path.replace(/^.*\/(?=conmon|crun|true)/, '')), ['conmon', 'crun create', 'true']);
});

test('an exec: the monitor or none, the runtime once (on v1 as a shell that becomes it), the program', { skip }, async () => {
  await docker.ok(['run', '-d', '--name', 'sleeper', image, 'sleep', '1000']);
  const programs = await programsOf('exec', async () => void (await docker.ok(['exec', 'sleeper', 'true'])));
  assert.deepEqual(programs.map((path) => path.replace(/^.*\/(?=conmon|crun|true)/, '')).filter((path) => path !== 'conmon'), [...(detectCgroups().version === 1 ? ['/bin/sh'] : []), 'crun exec', 'true']);
});

test('lists, inspect, logs and stop start none', { skip }, async () => {
  const programs = await programsOf('lists', async () => {
    for (const args of [['ps', '-a'], ['inspect', 'sleeper'], ['logs', 'sleeper'], ['images'], ['network', 'ls'], ['stop', '-t', '0', 'sleeper'], ['rm', 'sleeper']]) await docker.ok(args);
  });
  assert.deepEqual(programs, []);
});
