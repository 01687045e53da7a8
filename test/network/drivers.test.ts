import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { newContainer, NetworkRig, skip } from './rig.ts';
import { ip, kernelHas, secondHost } from './second-host.ts';

const rig = new NetworkRig();
before(() => rig.begin());
after(async () => assert.deepEqual(await rig.finish(), [], 'something was left over'));

const { networks } = { get networks() { return rig.room.networks; } };
const reaches = (from: string, address: string): boolean => [1, 2, 3].some(() => rig.inside(from, 'busybox', 'ping', '-c1', '-W1', address).status === 0);
const without = (kind: Parameters<typeof kernelHas>[0]): string | false => (skip !== false ? skip : kernelHas(kind) ? false : `the kernel has no ${kind} interfaces`);
const lan = { Config: [{ Subnet: '198.51.100.0/24', IPRange: '198.51.100.64/26', Gateway: '198.51.100.2' }, { Subnet: '2001:db8::/64', Gateway: '2001:db8::2' }] };
const parentOf = (letter: string): string => `g${letter}${rig.layout.instance}`;

test('macvlan puts containers on the wire of the parent, with addresses of its network', { skip: without('macvlan') }, async (t) => {
  const parent = parentOf('m');
  const outside = secondHost(t, parent, { addressed: false });
  await networks.create({ Name: 'mac', Driver: 'macvlan', EnableIPv6: true, IPAM: lan, Options: { parent } });
  const [one, two] = [await rig.up({ endpoints: [{ network: 'mac', settings: { MacAddress: '02:11:22:33:44:55' } }], ports: { '8000/tcp': [{ HostPort: '' }] } }), await rig.up({ endpoints: [{ network: 'mac', settings: {} }] })];
  assert.deepEqual([one.endpoints['mac']?.IPAddress, one.endpoints['mac']?.GlobalIPv6Address, one.ports], ['198.51.100.64', '2001:db8::1', {}], 'nothing is published: the wire is the way');
  assert.match(rig.inside(one.netnsPath, 'ip', '-d', 'link', 'show', 'eth0').output, /02:11:22:33:44:55[^]*macvlan mode bridge/);
  assert.ok(reaches(one.netnsPath, two.endpoints['mac']?.IPAddress ?? ''));
  for (const address of ['198.51.100.2', '2001:db8::2']) assert.ok(reaches(one.netnsPath, address), address);
  await rig.serve(outside, 8000, 'wire', '::');
  assert.equal(rig.get(two.netnsPath, 'http://198.51.100.2:8000/').output, `wire ::ffff:${two.endpoints['mac']?.IPAddress ?? ''}`, 'the container\'s own address is seen');
  await assert.rejects(networks.create({ Name: 'ip', Driver: 'ipvlan', Options: { parent } }), { code: 'forbidden', message: /is already using parent interface/ });
  const late = newContainer();
  const third = await rig.up({ container: late });
  await networks.connect('mac', { Container: late });
  assert.ok(reaches(third.netnsPath, one.endpoints['mac']?.IPAddress ?? ''));
  await networks.disconnect('mac', { Container: late });
  assert.doesNotMatch(rig.inside(third.netnsPath, 'ip', '-br', 'link').output, /^eth1/m);
  for (const container of [...rig.attached.keys()]) await rig.room.sandboxes.down(container);
  await networks.remove('mac');
});

for (const mode of ['private', 'vepa', 'passthru']) {
  test(`macvlan ${mode} keeps containers apart or alone`, { skip: without('macvlan') }, async (t) => {
    const parent = parentOf(mode.slice(0, 1));
    secondHost(t, parent, { addressed: false });
    await networks.create({ Name: mode, Driver: 'macvlan', IPAM: { Config: lan.Config.slice(0, 1) }, Options: { parent, macvlan_mode: mode } });
    const one = await rig.up({ endpoints: [{ network: mode, settings: {} }] });
    assert.match(rig.inside(one.netnsPath, 'ip', '-d', 'link', 'show', 'eth0').output, new RegExp(`macvlan mode ${mode}`));
    assert.ok(reaches(one.netnsPath, '198.51.100.2'));
    if (mode === 'passthru') await assert.rejects(rig.up({ endpoints: [{ network: mode, settings: {} }] }), /macvlan/);
    else {
      const two = await rig.up({ endpoints: [{ network: mode, settings: {} }] });
      assert.ok(!rig.inside(one.netnsPath, 'busybox', 'ping', '-c1', '-W1', two.endpoints[mode]?.IPAddress ?? '').output.includes('1 packets received'));
    }
    for (const container of [...rig.attached.keys()]) await rig.room.sandboxes.down(container);
    await networks.remove(mode);
  });
}

test('macvlan without a parent leads nowhere, and its interface goes with it', { skip: without('macvlan') }, async () => {
  const { Id } = await networks.create({ Name: 'alone', Driver: 'macvlan', Internal: true });
  const parent = `dm-${Id.slice(0, 12)}`;
  assert.equal(spawnSync('ip', ['link', 'show', parent]).status, 0);
  const [one, two] = [await rig.up({ endpoints: [{ network: 'alone', settings: {} }] }), await rig.up({ endpoints: [{ network: 'alone', settings: {} }] })];
  assert.ok(reaches(one.netnsPath, two.endpoints['alone']?.IPAddress ?? ''));
  assert.doesNotMatch(rig.inside(one.netnsPath, 'ip', 'route').output, /default/);
  for (const container of [...rig.attached.keys()]) await rig.room.sandboxes.down(container);
  await networks.remove('alone');
  assert.notEqual(spawnSync('ip', ['link', 'show', parent]).status, 0);
});

test('a parent that is gone is named when a container starts, and the engine starts without it', { skip: without('macvlan') }, async () => {
  const parent = parentOf('g');
  ip('link', 'add', parent, 'type', 'veth', 'peer', 'name', `${parent}x`);
  await networks.create({ Name: 'lost', Driver: 'macvlan', IPAM: { Config: lan.Config.slice(0, 1) }, Options: { parent } });
  ip('link', 'delete', parent);
  await assert.rejects(rig.up({ endpoints: [{ network: 'lost', settings: {} }] }), new RegExp(`network lost: .*${parent}`));
  await rig.restart([]);
  await rig.up();
  await rig.room.networks.remove('lost');
});

test('a VLAN interface is made for its network and shared by those that name it', { skip: without('vlan') }, async (t) => {
  const below = parentOf('v');
  const outside = secondHost(t, below, { addressed: false });
  rig.inside(outside, 'ip', 'link', 'add', 'link', 'eth0', 'name', 'eth0.7', 'type', 'vlan', 'id', '7');
  const parent = `${below}.7`;
  await networks.create({ Name: 'vlan', Driver: 'macvlan', Options: { parent } });
  assert.match(spawnSync('ip', ['-d', 'link', 'show', parent], { encoding: 'utf8' }).stdout, /vlan protocol 802\.1Q id 7/);
  await networks.create({ Name: 'vlan2', Driver: 'macvlan', Options: { parent } });
  await networks.remove('vlan');
  assert.equal(spawnSync('ip', ['link', 'show', parent]).status, 0);
  await networks.remove('vlan2');
  assert.notEqual(spawnSync('ip', ['link', 'show', parent]).status, 0);
});

for (const mode of ['l2', 'l3', 'l3s']) {
  test(`ipvlan ${mode} shares the parent's hardware address`, { skip: without('ipvlan') }, async (t) => {
    const parent = parentOf('i');
    secondHost(t, parent, { addressed: false });
    await networks.create({ Name: mode, Driver: 'ipvlan', IPAM: { Config: lan.Config.slice(0, 1) }, Options: { parent, ipvlan_mode: mode } });
    const [one, two] = [await rig.up({ endpoints: [{ network: mode, settings: {} }] }), await rig.up({ endpoints: [{ network: mode, settings: {} }] })];
    assert.ok(reaches(one.netnsPath, two.endpoints[mode]?.IPAddress ?? ''));
    if (mode === 'l2') assert.ok(reaches(one.netnsPath, '198.51.100.2'));
    for (const container of [...rig.attached.keys()]) await rig.room.sandboxes.down(container);
    await networks.remove(mode);
  });
}
