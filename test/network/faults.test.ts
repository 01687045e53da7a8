import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { NetworkRig, skip } from './rig.ts';
import { secondHost } from './second-host.ts';

const rig = new NetworkRig();
before(() => rig.begin());
after(async () => assert.deepEqual(await rig.finish(), [], 'something was left over'));

const table = `gantry_${rig.layout.instance}`;
const nft = (...args: string[]): string => {
  const { status, stdout, stderr } = spawnSync('nft', args, { encoding: 'utf8' });
  assert.equal(status, 0, `nft ${args.join(' ')}: ${stderr}`);
  return stdout;
};
const text = async (url: string): Promise<string> => (await fetch(url, { signal: AbortSignal.timeout(1000) })).text();

/** Milliseconds until it holds. */
async function until(holds: () => boolean | Promise<boolean>): Promise<number> {
  const begun = performance.now();
  while (!(await holds())) {
    assert.ok(performance.now() - begun < 10_000, 'it never came about');
    await pause(5);
  }
  return performance.now() - begun;
}
const answers = (url: string, start: string): Promise<boolean> => text(url).then((body) => body.startsWith(start), () => false);

test('rules that others flush are back at once, without any container starting', { skip }, async () => {
  const sandbox = await rig.up({ ports: { '8000/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] } });
  await rig.serve(sandbox.netnsPath, 8000, 'kept');
  const url = `http://127.0.0.1:${sandbox.ports['8000/tcp']?.[0]?.HostPort ?? ''}/`;
  assert.ok(await answers(url, 'kept'));
  const whole = nft('-s', 'list', 'table', 'inet', table);
  const damages: string[][] = [
    ['delete', 'table', 'inet', table],
    ['flush', 'table', 'inet', table],
    ['flush', 'chain', 'inet', table, 'inward'],
    ['flush', 'map', 'inet', table, 'published4_at'],
  ];
  for (const damage of damages) {
    nft(...damage);
    const took = await until(() => spawnSync('nft', ['-s', 'list', 'table', 'inet', table], { encoding: 'utf8' }).stdout === whole);
    assert.ok(took < 2000, `${damage.join(' ')}: mended within a look's time, not after the next one (${took} ms)`);
    assert.ok(await answers(url, 'kept'));
  }
});

test('what an administrator writes in the user table stays, and may veto a published port', { skip }, async (t) => {
  const name = `gx${rig.layout.instance}`;
  const outside = secondHost(t, name);
  const sandbox = await rig.up({ ports: { '8000/tcp': [{ HostPort: '' }] } });
  await rig.serve(sandbox.netnsPath, 8000, 'open');
  const port = sandbox.ports['8000/tcp']?.[0]?.HostPort ?? '';
  const asks = (): string => rig.get(outside, `http://198.51.100.1:${port}/`).output;
  assert.match(asks(), /^open/);
  nft('add', 'rule', 'inet', `${table}_user`, 'forward', 'iifname', name, 'meta', 'l4proto', 'tcp', 'ct', 'original', 'proto-dst', port, 'drop');
  t.after(() => nft('flush', 'chain', 'inet', `${table}_user`, 'forward'));
  assert.doesNotMatch(asks(), /^open/);
  await rig.room.networks.create({ Name: 'applied' });
  assert.match(nft('list', 'table', 'inet', `${table}_user`), /drop/, 'the rules survive our own changes');
  assert.doesNotMatch(asks(), /^open/);
});

test('a bridge that others delete is made again at once, and its containers are on it again', { skip }, async () => {
  const { Id } = await rig.room.networks.create({ Name: 'felled', EnableIPv6: true });
  const [one, two] = [await rig.up({ endpoints: [{ network: 'felled', settings: {} }] }), await rig.up({ endpoints: [{ network: 'felled', settings: {} }] })];
  const { IPAddress = '', GlobalIPv6Address = '', Gateway = '' } = two.endpoints['felled'] ?? {};
  const reaches = (address: string): boolean => rig.inside(one.netnsPath, 'busybox', 'ping', '-c1', '-W1', address).status === 0;
  await until(() => reaches(IPAddress));
  spawnSync('ip', ['link', 'delete', `br-${Id.slice(0, 12)}`]);
  for (const address of [IPAddress, GlobalIPv6Address, Gateway]) await until(() => reaches(address));
});

test('a container on a network whose bridge is gone ends cleanly, and the network too', { skip }, async () => {
  const { Id } = await rig.room.networks.create({ Name: 'gone' });
  await rig.room.networks.remove('gone');
  assert.notEqual(spawnSync('ip', ['link', 'show', `br-${Id.slice(0, 12)}`]).status, 0, 'our own removal is no fault to mend');
});

test('no container reaches the engine\'s own API, though it may reach the host', { skip }, async (t) => {
  const own = new NetworkRig({ apiPorts: [28_375] });
  await own.begin();
  t.after(async () => assert.deepEqual(await own.finish(), []));
  const sandbox = await own.up();
  const gateway = sandbox.endpoints['bridge']?.Gateway ?? '';
  const { createServer } = await import('node:http');
  const servers = [28_375, 28_376].map((port) => createServer((_request, response) => response.end('host')).listen(port, '0.0.0.0'));
  t.after(() => servers.map((server) => server.close()));
  assert.equal(await own.getLater(sandbox.netnsPath, `http://${gateway}:28376/`), 'host');
  assert.equal(await own.getLater(sandbox.netnsPath, `http://${gateway}:28375/`), undefined);
});

test('an engine that may set no rules forwards published ports itself', { skip }, async (t) => {
  const own = new NetworkRig({ firewall: false });
  await own.begin();
  t.after(async () => assert.deepEqual(await own.finish(), []));
  const sandbox = await own.up({ ports: { '8000/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] } });
  await own.serve(sandbox.netnsPath, 8000, 'carried');
  assert.ok(await answers(`http://127.0.0.1:${sandbox.ports['8000/tcp']?.[0]?.HostPort ?? ''}/`, 'carried'));
  assert.equal(spawnSync('nft', ['list', 'table', 'inet', `gantry_${own.layout.instance}`]).status, 1);
});
