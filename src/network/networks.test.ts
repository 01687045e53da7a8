import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { silentLog } from '#base/log.ts';
import { openDatabase } from '#host/database.ts';
import { createLayout } from '#host/layout.ts';
import { FakeNetworkKernel } from '#host/network-kernel.fake.ts';
import { openPlugins } from '#host/plugin-client.ts';
import { asContainerId, type ContainerId } from '#spec/ids.ts';
import { createNetworks, type NetworkRoom } from './networks.ts';
import { networkMigrations } from './store.ts';

type Request = Parameters<NetworkRoom['sandboxes']['up']>[0];
const container = (digit: string): ContainerId => asContainerId(digit.repeat(64));
const request = (id: ContainerId, changes: Partial<Request> = {}): Request => ({
  container: id, name: `c${id.slice(0, 1)}`, hostname: 'host', domainname: '', extraHosts: [], dns: ['10.0.0.1'], dnsSearch: ['.'], dnsOptions: [],
  endpoints: [{ network: 'bridge', settings: {} }], ports: {}, exposed: [], linked: [], ...changes,
});

async function rig(t: TestContext, live: ContainerId[] = []): Promise<{ kernel: FakeNetworkKernel; room: NetworkRoom; successor: (live: ContainerId[]) => Promise<NetworkRoom> }> {
  const folder = mkdtempSync(join(tmpdir(), 'networks-'));
  const kernel = new FakeNetworkKernel();
  kernel.sight = { routes: [{ destination: '172.17.0.0/16', gateway: undefined, index: 9 }] };
  const layout = createLayout(folder, join(folder, 'run'));
  const closers: (() => Promise<void>)[] = [];
  const open = async (alive: ContainerId[]): Promise<NetworkRoom> => {
    const db = openDatabase(join(folder, 'state.db'), networkMigrations);
    const room = createNetworks({
      layout, db, log: silentLog, config: {}, emit: () => {}, kernel, plugins: openPlugins({ folders: { sockets: [], specs: [] } }),
      containers: { find: () => assert.fail(), nameOf: () => undefined, connected: () => {}, disconnected: () => {}, networksOf: () => ['bridge'] },
    });
    closers.push(async () => {
      await room.close();
      db.close();
    });
    await room.sandboxes.recover(new Set(alive));
    return room;
  };
  t.after(async () => {
    for (const close of closers) await close();
    rmSync(folder, { recursive: true });
  });
  return { kernel, room: await open(live), successor: open };
}

test('the default bridge keeps clear of what the machine uses', async (t) => {
  const { room } = await rig(t);
  const { IPAM } = await room.networks.inspect('bridge', { verbose: false, scope: undefined });
  assert.deepEqual(IPAM?.Config, [{ Subnet: '172.18.0.0/16', Gateway: '172.18.0.1' }]);
});

test('twenty at once get twenty addresses', async (t) => {
  const { room } = await rig(t);
  const up = await Promise.all(Array.from({ length: 20 }, (_, index) => room.sandboxes.up(request(asContainerId(index.toString(16).padStart(64, '0'))))));
  assert.equal(new Set(up.map(({ endpoints }) => endpoints['bridge']?.IPAddress)).size, 20);
});

test('a container without published ports costs one operation', async (t) => {
  const { room, kernel } = await rig(t);
  kernel.calls.length = 0;
  await room.sandboxes.up(request(container('a')));
  assert.equal(kernel.calls.length, 1);
});

test('what a failed start had is free again', async (t) => {
  const { room, kernel } = await rig(t);
  kernel.refuse('make', Object.assign(new Error('no'), { code: 'ENOSPC' }));
  const wanted = { ports: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] } };
  await assert.rejects(room.sandboxes.up(request(container('a'), wanted)), { message: 'no' });
  assert.equal(room.sandboxes.find(container('a')), undefined);
  const sandbox = await room.sandboxes.up(request(container('b'), wanted));
  assert.equal(sandbox.endpoints['bridge']?.IPAddress, '172.18.0.2');
  assert.match(kernel.table ?? '', /gantry_/);
});

test('a bridge that another program deleted is made again, once', async (t) => {
  const { room, kernel } = await rig(t);
  kernel.refuse('make', Object.assign(new Error('gone'), { code: 'ENODEV' }));
  kernel.calls.length = 0;
  await room.sandboxes.up(request(container('a')));
  assert.deepEqual(kernel.calls.filter((call) => /^(make|ensureBridge)/.test(call)).map((call) => call.split(' ')[0]), ['make', 'ensureBridge', 'make']);
});

test('a successor keeps living sandboxes, drops the others, and down needs no earlier up', async (t) => {
  const { room, kernel, successor } = await rig(t);
  const kept = await room.sandboxes.up(request(container('a'), { ports: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] } }));
  await room.sandboxes.up(request(container('b')));
  const next = await successor([container('a')]);
  await next.settled();
  assert.deepEqual(next.sandboxes.find(container('a')), kept);
  assert.equal(next.sandboxes.find(container('b')), undefined);
  assert.deepEqual([...kernel.namespaces.keys()], [kept.netnsPath]);
  assert.match(kernel.table ?? '', /172\.18\.0\.2 \. 80/);
  await next.sandboxes.down(container('a'));
  await next.sandboxes.down(container('a'));
  await next.settled();
  assert.deepEqual([...kernel.links].filter((name) => name.startsWith('gtv')), []);
});

test('a network that is being removed takes no more containers', async (t) => {
  const { room, kernel } = await rig(t);
  await room.networks.create({ Name: 'short' });
  const removal = room.networks.remove('short');
  await assert.rejects(room.sandboxes.up(request(container('a'), { endpoints: [{ network: 'short', settings: {} }] })), { message: 'network short not found' });
  await removal;
  assert.equal([...kernel.links].some((name) => name.startsWith('br-')), false);
});

test('nothing is taken away while a container lives, everything afterwards', async (t) => {
  const { room, kernel } = await rig(t);
  await room.sandboxes.up(request(container('a')));
  assert.equal(await room.removeAll(), false);
  await room.sandboxes.down(container('a'));
  assert.equal(await room.removeAll(), true);
  assert.deepEqual([...kernel.links], ['lo']);
  assert.match(kernel.table ?? '', /^add table inet \S+\ndelete table inet \S+\n$/);
});
