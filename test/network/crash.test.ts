import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { newContainer, NetworkRig, skip } from './rig.ts';

const rig = new NetworkRig();
after(async () => assert.deepEqual(await rig.finish(), [], 'something was left over'));

/** Starts the script on the rig's folder and kills it at some moment of its work. */
async function killMidway(script: URL, longest: number, ...args: string[]): Promise<void> {
  const child = spawn(process.execPath, [fileURLToPath(script), rig.folder, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve, reject) => {
    child.stdout.once('data', resolve);
    child.once('exit', () => reject(new Error('the churning process ended')));
  });
  await new Promise((resolve) => setTimeout(resolve, randomInt(longest)));
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
}

test('an engine killed between any two steps of connect or disconnect: the next one makes the container whole', { skip }, async () => {
  await rig.begin();
  const { Id } = await rig.room.networks.create({ Name: 'second', EnableIPv6: true });
  const container = newContainer();
  const { netnsPath } = await rig.up({ container });
  const interfaces = (): string[] => [...rig.inside(netnsPath, 'ip', '-br', 'link').output.matchAll(/^(\w+)/gm)].map(([, name = '']) => name);
  for (let turn = 0; turn < 8; turn++) {
    await killMidway(new URL('./plug-churn.ts', import.meta.url), 40, container);
    await rig.restart([container]);
    const joined = Object.keys(rig.room.sandboxes.find(container)?.endpoints ?? {});
    assert.deepEqual([joined, interfaces()], [['bridge'], ['lo', 'eth0']], `turn ${turn}`);
    assert.match(rig.inside(netnsPath, 'ip', 'route').output, /^default via \S+ dev eth0/m);
    await rig.room.networks.connect('second', { Container: container });
    assert.deepEqual(interfaces(), ['lo', 'eth0', 'eth1']);
    await rig.room.networks.disconnect('second', { Container: container });
  }
  assert.deepEqual((await rig.room.networks.inspect('second', { verbose: false, scope: undefined })).Containers, {});

  // A pair that somebody deleted while no engine ran.
  const veth = spawnSync('ip', ['-br', 'link', 'show', 'master', rig.bridge], { encoding: 'utf8' }).stdout.split('@')[0] ?? '';
  assert.equal(spawnSync('ip', ['link', 'delete', veth]).status, 0);
  await rig.restart([container]);
  assert.deepEqual(interfaces(), ['lo', 'eth0']);
  assert.match(rig.inside(netnsPath, 'ip', 'route').output, /^default via \S+ dev eth0/m);
  await rig.room.sandboxes.down(container);
  await rig.room.networks.remove(Id);
  await rig.room.settled();
});

test('an engine killed at any moment leaves nothing that its successor does not remove', { skip }, async () => {
  for (let turn = 0; turn < 6; turn++) {
    await killMidway(new URL('./churn.ts', import.meta.url), 60);

    await rig.restart([]);
    await rig.room.settled();
    const table = spawnSync('nft', ['list', 'map', 'inet', `gantry_${rig.layout.instance}`, 'published4_at'], { encoding: 'utf8' }).stdout;
    assert.doesNotMatch(table, /elements/);
    const traces = rig.traces().filter((line) => !line.includes(rig.bridge) && !line.includes(`table inet gantry_${rig.layout.instance}`));
    assert.deepEqual(traces, [], `turn ${turn}`);
    const known = new Set((await rig.room.networks.list(new Map())).map(({ Name = '' }) => Name));
    for (const name of known) if (!['bridge', 'host', 'none'].includes(name)) await rig.room.networks.remove(name);
  }
});
