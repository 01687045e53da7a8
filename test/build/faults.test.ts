/** Builds that fail, are given up, or lose their engine: one message, and nothing is left. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../clients/docker-cli.ts';
import { ping } from '../rig.ts';
import { buildRig, needsRoot } from './rig.ts';

const rig = buildRig();

const steps = (): string[] => readdirSync(join(rig.engine.run, 'steps'));
const stepMounts = (): string[] => readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter((line) => line.includes(`${rig.engine.run}/steps/`));
const nothingRuns = async (): Promise<boolean> => steps().length === 0 && stepMounts().length === 0;

test('a failing step stops the others and says where it failed', needsRoot, async () => {
  const folder = rig.context({
    Dockerfile: 'FROM busybox AS slow\nRUN sleep 600\nFROM busybox AS bad\nRUN sleep 0.3; echo some words; exit 3\nFROM scratch\nCOPY --from=slow / /a\nCOPY --from=bad / /b\n',
  });
  const { code, stderr } = await rig.gantry('build', '--progress=plain', folder);
  assert.equal(code, 1);
  assert.match(stderr, /some words/);
  assert.match(stderr, /Dockerfile:4\n-{20}\n[^]*>>> RUN sleep 0\.3; echo some words; exit 3/);
  assert.match(stderr, /ERROR: failed to solve: process "\/bin\/sh -c sleep 0\.3; echo some words; exit 3" did not complete successfully: exit code: 3\n$/);
  await until(nothingRuns);
});

test('Ctrl-C and a lost connection stop every step', needsRoot, async () => {
  const folder = rig.context({ Dockerfile: 'FROM busybox AS a\nRUN echo going && sleep 600\nFROM busybox AS b\nRUN echo going && sleep 601\nFROM scratch\nCOPY --from=a / /a\nCOPY --from=b / /b\n' });
  for (const [program, signal] of [['gantry', 'SIGINT'], ['gantry', 'SIGKILL'], ['docker', 'SIGINT']] as const) {
    const build = rig.start(program, 'build', ...(program === 'gantry' ? ['--progress=plain'] : []), folder);
    await until(async () => stepMounts().length >= 2 && build.output().includes('going'));
    build.child.kill(signal);
    const { code } = await build.ended;
    assert.notEqual(code, 0);
    await until(nothingRuns);
  }
  assert.equal((await rig.gantry('build', '-q', rig.context({ Dockerfile: 'FROM busybox\nRUN true\n' }))).code, 0, 'the engine goes on');
});

test('a step that takes too much memory is named', needsRoot, async () => {
  const folder = rig.context({ Dockerfile: 'FROM busybox\nRUN x=0123456789; while :; do x=$x$x; done\n' });
  const { code, stderr } = await rig.gantry('build', '--progress=plain', '--memory=24m', '--memory-swap=24m', folder);
  assert.equal(code, 1);
  assert.match(stderr, /exit code: 137: the kernel killed it for want of memory/);
  const within = await rig.gantry('build', '-q', '--memory=64m', rig.context({ Dockerfile: 'FROM busybox\nRUN echo enough\n' }));
  assert.equal(within.code, 0);
  assert.equal(rig.engine.traces().cgroups.length > 0 ? readdirSync(rig.engine.traces().cgroups[0] ?? '').filter((name) => name.startsWith('build-')).length : 0, 0);
});

test('secrets that are asked for and not given, programs that are not there', needsRoot, async () => {
  const asked = await rig.gantry('build', '--progress=plain', rig.context({ Dockerfile: 'FROM busybox\nRUN --mount=type=secret,id=token,required=true cat /run/secrets/token\n' }));
  assert.match(asked.stderr, /secret token: not found/);
  assert.match(asked.stderr, />>> RUN --mount=type=secret,id=token,required=true/);
  const absent = await rig.gantry('build', '--progress=plain', rig.context({ Dockerfile: 'FROM busybox\nRUN ["/nowhere/to/be/found"]\n' }));
  assert.match(absent.stderr, /exit code: 127/);
});

test('secrets are in no layer, no history, no log and no key', needsRoot, async () => {
  const folder = rig.context({
    token: 'xyzzy-plugh-1\n',
    Dockerfile: 'FROM busybox\nRUN --mount=type=secret,id=token,env=TOKEN --mount=type=secret,id=token grep -q plu.h /run/secrets/token && test -n "$TOKEN" && echo used\n',
    '.dockerignore': 'token\n',
  });
  const first = await rig.gantry('build', '--progress=plain', '--secret', `id=token,src=${folder}/token`, '-t', 'secret', folder);
  assert.equal(first.code, 0, first.stderr);
  const image = await rig.docker('run', '--rm', 'secret', 'find', '/run');
  assert.doesNotMatch(image.stdout, /secrets/);
  assert.doesNotMatch((await rig.docker('history', '--no-trunc', 'secret')).stdout, /xyzzy/);
  assert.doesNotMatch((await rig.gantry('builder', 'history', 'logs')).stdout, /xyzzy/);
  for (const file of ['state.db', 'state.db-wal']) assert.equal(readFileSync(join(rig.engine.root, file)).includes('xyzzy-plugh-1'), false, file);
  const other = rig.context({ token: 'another\n' });
  const again = await rig.gantry('build', '--progress=plain', '--secret', `id=token,src=${other}/token`, folder);
  assert.match(again.stderr, /CACHED/);
});

test('an engine that is killed in the middle of a build leaves nothing, and the next one builds', needsRoot, async () => {
  const folder = rig.context({ f: 'x', Dockerfile: 'FROM busybox\nCOPY f /f\nRUN echo first\nRUN --mount=type=cache,target=/c echo going && sleep 600\n' });
  const build = rig.start('gantry', 'build', '--progress=plain', folder);
  await until(async () => build.output().includes('going\n'));
  const before = rig.engine.enginePid();
  process.kill(before, 'SIGKILL');
  assert.notEqual((await build.ended).code, 0);
  await until(async () => rig.engine.enginePid() !== before && (await ping(rig.engine.socket)) === 200);
  await until(nothingRuns);
  await until(async () => rig.engine.traces().processes.every((line) => !line.includes('sleep 600')));
  assert.equal((await rig.docker('ps', '-aq')).stdout, '');
  const layers = join(rig.engine.root, 'cache', 'layers');
  const after = await rig.gantry('build', '--progress=plain', rig.context({ f: 'x', Dockerfile: 'FROM busybox\nCOPY f /f\nRUN echo first\n' }));
  assert.equal(after.code, 0, after.stderr);
  assert.match(after.stderr, /CACHED/, 'what was complete is still known');
  await rig.docker('image', 'prune', '-af');
  await rig.gantry('builder', 'prune', '-af');
  await until(async () => readdirSync(layers).length === 0);
});
