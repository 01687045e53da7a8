import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openPlugins } from '#host/plugin-client.ts';
import { newContainer, NetworkRig, skip } from './rig.ts';

const rig = new NetworkRig();
const folder = join(rig.layout.run, 'plugins');
const socket = join(folder, 'wire.sock');
const stem = `gp${rig.layout.instance.slice(0, 4)}`;
let plugin: ChildProcess;

async function startPlugin(): Promise<void> {
  rmSync(socket, { force: true });
  plugin = spawn(process.execPath, [fileURLToPath(new URL('./plugin-process.ts', import.meta.url)), socket, stem], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise<void>((resolve) => plugin.stdout?.on('data', (data: Buffer) => {
    if (data.toString().includes('ready')) resolve();
  }));
}

before(async () => {
  if (skip !== false) return;
  mkdirSync(folder, { recursive: true });
  await startPlugin();
  await rig.begin();
});
after(async () => {
  const left = await rig.finish();
  if (skip === false) await rig.stop(plugin);
  assert.deepEqual(left, [], 'something was left over');
  assert.deepEqual(readdirSync('/sys/class/net').filter((name) => name.startsWith(stem)), [], 'the plugin\'s interfaces are gone, too');
});

const { networks } = { get networks() { return rig.room.networks; } };
const reaches = (from: string, address: string): boolean => [1, 2, 3].some(() => rig.inside(from, 'busybox', 'ping', '-c1', '-W1', address).status === 0);
/** A word with the plugin, past the engine. */
async function tell(method: string, body: unknown = {}): Promise<Readonly<Record<string, unknown>>> {
  const direct = await openPlugins({ folders: { sockets: [folder], specs: [] } }).get('wire', 'NetworkDriver');
  return direct.call(method, body);
}
const behave = (Method: string, How: string): Promise<unknown> => tell('Test.Behave', { Method, How });

test('a plugin\'s network: its addresses, its interfaces, its routes, and all of it given back', { skip }, async () => {
  await networks.create({ Name: 'wired', Driver: 'wire', IPAM: { Driver: 'wire' }, Options: { colour: 'red' } });
  const shown = await networks.inspect('wired', { verbose: false, scope: undefined });
  assert.deepEqual([shown.Driver, shown.IPAM?.Driver, shown.IPAM?.Config], ['wire', 'wire', [{ Subnet: '10.215.1.0/24', Gateway: '10.215.1.1' }]]);
  const [one, two] = [newContainer(), newContainer()];
  const first = await rig.up({ container: one, endpoints: [{ network: 'wired', settings: {} }] });
  const second = await rig.up({ container: two, endpoints: [{ network: 'wired', settings: { IPAMConfig: { IPv4Address: '10.215.1.77' }, MacAddress: '02:99:00:00:00:02' } }] });
  assert.deepEqual([first, second].map(({ endpoints }) => endpoints['wired']?.IPAddress), ['10.215.1.2', '10.215.1.77']);
  assert.match(rig.inside(first.netnsPath, 'ip', '-br', 'link').output, /^plug0.* 02:99:00:00:00:01 /m);
  assert.match(rig.inside(first.netnsPath, 'ip', 'route').output, /^default via 10\.215\.1\.1 dev plug0[^]*^10\.217\.0\.0\/16 dev plug0/m);
  for (const { netnsPath } of [first, second]) assert.ok(reaches(netnsPath, '10.215.1.1'));

  const third = newContainer();
  const plain = await rig.up({ container: third });
  await networks.connect('wired', { Container: third });
  assert.ok(reaches(plain.netnsPath, '10.215.1.1'));
  await networks.disconnect('wired', { Container: third });
  assert.doesNotMatch(rig.inside(plain.netnsPath, 'ip', '-br', 'link').output, /plug/);

  await assert.rejects(networks.remove('wired'), /has active endpoints/);
  await rig.room.sandboxes.down(one);
  await rig.room.sandboxes.down(two);
  assert.deepEqual((await tell('Test.Taken'))['Taken'], ['10.215.1.1'], 'only the gateway is left');
  await networks.remove('wired');
  assert.deepEqual(await tell('Test.Taken'), { Taken: [], Pools: 0 });
});

test('what a plugin refuses is told in its words and leaves nothing', { skip }, async () => {
  await behave('NetworkDriver.CreateNetwork', 'fail');
  await assert.rejects(networks.create({ Name: 'no', Driver: 'wire', IPAM: { Driver: 'wire' } }), { message: 'NetworkDriver.CreateNetwork: the plugin does not want to' });
  assert.equal((await tell('Test.Taken'))['Pools'], 0);
  await networks.create({ Name: 'yes', Driver: 'wire', IPAM: { Driver: 'wire' } });
  for (const method of ['IpamDriver.RequestAddress', 'NetworkDriver.CreateEndpoint', 'NetworkDriver.Join']) {
    await behave(method, 'fail');
    await assert.rejects(rig.up({ endpoints: [{ network: 'yes', settings: {} }] }), /the plugin does not want to/, method);
    assert.equal(((await tell('Test.Taken'))['Taken'] as string[]).length, 1, method);
  }
  await networks.remove('yes');
});

test('lies are refused: interfaces that are not there, addresses that are none, pools of the wrong kind', { skip }, async () => {
  await behave('IpamDriver.RequestPool', '{"PoolID":"p","Pool":"none"}');
  await assert.rejects(networks.create({ Name: 'lie', Driver: 'wire', IPAM: { Driver: 'wire' } }), { code: 'unavailable', message: /no sound pool/ });
  await behave('NetworkDriver.GetCapabilities', '{"Scope":"everywhere"}');
  await assert.rejects(networks.create({ Name: 'lie', Driver: 'wire' }), { message: /no sound scope/ });
  await networks.create({ Name: 'lie', Driver: 'wire', IPAM: { Driver: 'wire' } });
  const up = () => rig.up({ endpoints: [{ network: 'lie', settings: {} }] });
  await behave('IpamDriver.RequestAddress', '{"Address":"fe80::1/64"}');
  await assert.rejects(up(), /no sound address/);
  await behave('NetworkDriver.CreateEndpoint', '{"Interface":{"MacAddress":"; rm -rf"}}');
  await assert.rejects(up(), /no sound MAC address/);
  await behave('NetworkDriver.Join', '{"InterfaceName":{"SrcName":"../../lo"}}');
  await assert.rejects(up(), /no sound interface/);
  await behave('NetworkDriver.Join', '{"InterfaceName":{"SrcName":"nothere0"}}');
  await assert.rejects(up(), /network lie: .*nothere0/);
  await behave('NetworkDriver.Join', '[1]');
  await assert.rejects(up(), /no JSON object/);
  const honest = await up();
  assert.equal(honest.endpoints['lie']?.IPPrefixLen, 24);
  for (const container of [...rig.attached.keys()]) await rig.room.sandboxes.down(container);
  await networks.remove('lie');
});

test('a plugin that dies or is away keeps nobody from ending, and serves again when it is back', { skip }, async () => {
  await networks.create({ Name: 'frail', Driver: 'wire', IPAM: { Driver: 'wire' } });
  const container = newContainer();
  await rig.up({ container, endpoints: [{ network: 'frail', settings: {} }] });
  await behave('NetworkDriver.Leave', 'die');
  await rig.room.sandboxes.down(container);
  assert.equal(rig.room.sandboxes.find(container), undefined);
  for (const name of readdirSync('/sys/class/net').filter((link) => link.startsWith(stem))) spawnSync('ip', ['link', 'delete', name]);
  await networks.remove('frail');
  await startPlugin();
  await networks.create({ Name: 'back', Driver: 'wire', IPAM: { Driver: 'wire' } });
  await rig.restart([]);
  await rig.room.networks.remove('back');
});
