/** SIGKILL in the middle of pulls and pushes: the store verifies clean after every one, and the next try succeeds. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createDockerCli, until, type DockerCli } from '../clients/docker-cli.ts';
import { ping, startEngine, type TestEngine } from '../rig.ts';
import { makeImage, makeLayer, type MadeImage } from './crooked-server.ts';
import { needsRegistry, publish, startRegistry, type RealRegistry } from './real-registry.ts';

const kills = Number(process.env['GANTRY_TEST_KILLS'] ?? 50);
const gantry = new URL('../../gantry', import.meta.url).pathname;
let registry: RealRegistry;
let engine: TestEngine;
let docker: DockerCli;
let own: DockerCli;

before(async () => {
  if (needsRegistry.skip !== false) return;
  registry = await startRegistry('plain');
  engine = await startEngine();
  docker = createDockerCli(engine.url);
  own = createDockerCli(engine.url, gantry);
});
after(async () => {
  if (needsRegistry.skip !== false) return;
  await engine.stop();
  await registry.stop();
});

const image = (): MadeImage => makeImage(Array.from({ length: 5 }, (_, index) => makeLayer(`file-${index}`, Buffer.concat([randomBytes(2_000_000), Buffer.alloc(2_000_000, 'text ')]))));

/** Starts something, kills the engine after a part of the time that it takes, and waits for the next engine. */
async function killDuring(args: string[], milliseconds: number): Promise<void> {
  const pid = engine.enginePid();
  const running = docker(args);
  await new Promise((resolve) => setTimeout(resolve, Math.random() * milliseconds));
  process.kill(pid, 'SIGKILL');
  await running;
  await until(async () => !existsSync(`/proc/${pid}`) && (await ping(engine.socket)) === 200);
}

async function assertClean(): Promise<void> {
  const { code, stdout, stderr } = await own(['system', 'check']);
  assert.equal(code, 0, stdout + stderr);
}

/** How long it takes undisturbed. */
async function timed(args: string[]): Promise<number> {
  const began = performance.now();
  await docker.ok(args);
  return performance.now() - began;
}

test(`killed ${kills} times in the middle of pulls and pushes`, needsRegistry, async () => {
  const first = await publish(registry.host, 'first', image());
  const pullTime = await timed(['pull', '-q', first]);
  await docker.ok(['tag', first, `${registry.host}/pushed:0`]);
  const pushTime = await timed(['push', '-q', `${registry.host}/pushed:0`]);
  await docker.ok(['rmi', '-f', first, `${registry.host}/pushed:0`]);

  // One image until it is here: every try goes on from the last.
  let name = await publish(registry.host, 'round-0', image());
  for (let kill = 0; kill < Math.ceil(kills / 2); kill++) {
    await killDuring(['pull', '-q', name], pullTime);
    if (kill % 5 === 4) {
      await assertClean();
      await docker.ok(['pull', '-q', name]);
      await assertClean();
      assert.deepEqual(readdirSync(join(engine.root, 'downloads')), []);
      await docker.ok(['rmi', '-f', name]);
      name = await publish(registry.host, `round-${kill + 1}`, image());
    }
  }
  await docker.ok(['pull', '-q', name]);
  await docker.ok(['rmi', '-f', name]);

  name = await publish(registry.host, 'to-push', image());
  await docker.ok(['pull', '-q', name]);
  for (let kill = 0; kill < Math.floor(kills / 2); kill++) {
    const target = `${registry.host}/pushed-${Math.floor(kill / 5)}:1`;
    await docker.ok(['tag', name, target]);
    await killDuring(['push', '-q', target], pushTime);
    if (kill % 5 === 4) {
      await assertClean();
      await docker.ok(['push', '-q', target]);
    }
  }
  await assertClean();
  await docker(['rmi', '-f', ...(await docker.ok(['images', '-q'])).stdout.split('\n').filter(Boolean)]);
  assert.deepEqual(readdirSync(join(engine.root, 'layers')), []);
  assert.deepEqual(readdirSync(join(engine.root, 'blobs/sha256')), []);
  assert.deepEqual(readdirSync(join(engine.root, 'tmp')).filter((entry) => entry.startsWith('image-')), []);
});
