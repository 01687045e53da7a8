import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { newContainer, NetworkRig, skip } from './rig.ts';

const rig = new NetworkRig();
before(() => rig.begin());
after(async () => assert.deepEqual(await rig.finish(), [], 'something was left over'));

const { networks } = { get networks() { return rig.room.networks; } };
const pings = (from: string, address: string): boolean => rig.inside(from, 'busybox', 'ping', '-c1', '-W1', address).status === 0;
/** The first packets may go while the bridge still learns its ports. */
const reaches = (from: string, address: string): boolean => [1, 2, 3, 4, 5].some(() => pings(from, address));
const inspect = (name: string) => networks.inspect(name, { verbose: false, scope: undefined });

test('the predefined networks are there and stay', { skip }, async () => {
  const found = await networks.list(new Map());
  assert.deepEqual(found.map(({ Name, Driver }) => `${Name} ${Driver}`).sort(), ['bridge bridge', 'host host', 'none null']);
  for (const name of ['bridge', 'host', 'none']) await assert.rejects(networks.remove(name), { code: 'forbidden', message: `${name} is a pre-defined network and cannot be removed` });
  await assert.rejects(networks.create({ Name: 'host' }), { message: 'operation is not permitted on predefined host network ' });
  assert.equal(rig.room.sandboxes.nameOf('default'), 'bridge');
  assert.throws(() => rig.room.sandboxes.nameOf('nowhere'), { code: 'not_found', message: 'network nowhere not found' });
});

test('a network with chosen addresses: fixed address, gateway, labels, removal only when unused', { skip }, async () => {
  const { Id } = await networks.create({
    Name: 'fixed', Labels: { a: 'b' }, IPAM: { Config: [{ Subnet: '10.213.0.0/24', Gateway: '10.213.0.254', AuxiliaryAddresses: { printer: '10.213.0.1' } }] },
  });
  await assert.rejects(networks.create({ Name: 'fixed' }), { code: 'conflict', message: 'network with name fixed already exists' });
  await assert.rejects(networks.create({ Name: 'other', IPAM: { Config: [{ Subnet: '10.213.0.0/16' }] } }), /Pool overlaps/);
  const one = await rig.up({ endpoints: [{ network: Id.slice(0, 10), settings: { IPAMConfig: { IPv4Address: '10.213.0.77' }, Aliases: ['web'] } }] });
  const two = await rig.up({ endpoints: [{ network: 'fixed', settings: {} }] });
  assert.deepEqual([one, two].map(({ endpoints }) => endpoints['fixed']?.IPAddress), ['10.213.0.77', '10.213.0.2']);
  assert.equal(one.endpoints['fixed']?.MacAddress, '02:42:0a:d5:00:4d');
  assert.deepEqual(one.endpoints['fixed']?.DNSNames?.slice(1, 2), ['web']);
  assert.ok(reaches(one.netnsPath, '10.213.0.2'));
  const shown = await inspect('fixed');
  assert.deepEqual(shown.IPAM?.Config, [{ Subnet: '10.213.0.0/24', Gateway: '10.213.0.254', AuxiliaryAddresses: { printer: '10.213.0.1' } }]);
  assert.deepEqual(Object.values(shown.Containers ?? {}).map(({ IPv4Address }) => IPv4Address ?? '').sort((a, b) => (a < b ? -1 : 1)), ['10.213.0.2/24', '10.213.0.77/24']);
  await assert.rejects(networks.remove('fixed'), /has active endpoints/);
  for (const container of Object.keys(shown.Containers ?? {})) await rig.room.sandboxes.down(container as never);
  await networks.remove('fixed');
  await assert.rejects(inspect('fixed'), { code: 'not_found', message: 'network fixed not found' });
});

test('networks are closed to each other, and a container in both reaches both', { skip }, async () => {
  await networks.create({ Name: 'left' });
  await networks.create({ Name: 'right' });
  const left = await rig.up({ endpoints: [{ network: 'left', settings: {} }] });
  const right = await rig.up({ endpoints: [{ network: 'right', settings: {} }] });
  const [leftAddress, rightAddress] = [left.endpoints['left']?.IPAddress ?? '', right.endpoints['right']?.IPAddress ?? ''];
  assert.ok(!pings(left.netnsPath, rightAddress));
  const both = await rig.up({ endpoints: [{ network: 'left', settings: {} }, { network: 'right', settings: {} }] });
  assert.ok(reaches(both.netnsPath, leftAddress));
  assert.ok(reaches(both.netnsPath, rightAddress));
});

test('connect and disconnect plug a running container', { skip }, async () => {
  await networks.create({ Name: 'plugged' });
  const peer = await rig.up({ endpoints: [{ network: 'plugged', settings: {} }] });
  const address = peer.endpoints['plugged']?.IPAddress ?? '';
  const sandbox = await rig.up();
  const [container = '', known] = [...rig.attached].at(-1) ?? [];
  assert.ok(!pings(sandbox.netnsPath, address));
  await networks.connect('plugged', { Container: container, EndpointConfig: { Aliases: ['late'] } });
  assert.ok(reaches(sandbox.netnsPath, address));
  assert.match(rig.inside(sandbox.netnsPath, 'ip', '-br', 'link').output, /^eth1@/m);
  assert.equal(known?.hosts?.split('\n').filter((line) => line.endsWith(container.slice(0, 12))).length, 2);
  await assert.rejects(networks.connect('plugged', { Container: container }), { code: 'forbidden', message: /already exists in network plugged/ });
  await networks.disconnect('plugged', { Container: container });
  assert.ok(!pings(sandbox.netnsPath, address));
  assert.doesNotMatch(rig.inside(sandbox.netnsPath, 'ip', '-br', 'link').output, /^eth1/m);
  await networks.connect('plugged', { Container: container });
  await networks.disconnect('bridge', { Container: container });
  assert.match(rig.inside(sandbox.netnsPath, 'ip', 'route').output, /^default via \S+ dev eth1/m, 'the default route moves to the network that is left');
  assert.deepEqual(
    rig.events.filter(({ attributes }) => attributes['container'] === container).map(({ action, attributes }) => `${action} ${attributes['name'] ?? ''}`),
    ['connect bridge', 'connect plugged', 'disconnect plugged', 'connect plugged', 'disconnect bridge'],
  );
});

test('an internal network has no way out, its containers still reach each other', { skip }, async () => {
  await networks.create({ Name: 'inner', Internal: true });
  const [one, two] = [await rig.up({ endpoints: [{ network: 'inner', settings: {} }] }), await rig.up({ endpoints: [{ network: 'inner', settings: {} }] })];
  assert.ok(reaches(one.netnsPath, two.endpoints['inner']?.IPAddress ?? ''));
  assert.doesNotMatch(rig.inside(one.netnsPath, 'ip', 'route').output, /default/);
  const gateway = (await inspect('inner')).IPAM?.Config?.[0]?.Gateway ?? '';
  rig.inside(one.netnsPath, 'ip', 'route', 'add', 'default', 'via', gateway);
  const outside = await rig.up();
  assert.ok(!pings(one.netnsPath, outside.endpoints['bridge']?.IPAddress ?? ''));
});

test('without enable_icc containers reach the gateway but not each other', { skip }, async () => {
  await networks.create({ Name: 'apart', Options: { 'com.docker.network.bridge.enable_icc': 'false', 'com.docker.network.bridge.name': `gx${rig.layout.instance}`, 'com.docker.network.driver.mtu': '1400' } });
  const [one, two] = [await rig.up({ endpoints: [{ network: 'apart', settings: {} }] }), await rig.up({ endpoints: [{ network: 'apart', settings: {} }] })];
  assert.ok(reaches(one.netnsPath, one.endpoints['apart']?.Gateway ?? ''));
  assert.ok(!pings(one.netnsPath, two.endpoints['apart']?.IPAddress ?? ''));
  assert.match(rig.inside(one.netnsPath, 'ip', 'link', 'show', 'eth0').output, /mtu 1400/);
});

test('published ports begin with the first way out, keep their numbers, and follow the gateway', { skip }, async () => {
  await networks.create({ Name: 'cell', Internal: true });
  await networks.create({ Name: 'door' });
  const container = newContainer();
  const sandbox = await rig.up({ container, endpoints: [{ network: 'cell', settings: {} }], ports: { '8000/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }], '8001/tcp': [{ HostIp: '127.0.0.1', HostPort: '38001' }] } });
  const shown = () => rig.room.sandboxes.find(container)?.ports ?? {};
  assert.deepEqual(shown(), {}, 'an internal network publishes nothing');
  await rig.serve(sandbox.netnsPath, 8001, 'out');
  await networks.connect('door', { Container: container });
  assert.equal(shown()['8001/tcp']?.[0]?.HostPort, '38001');
  assert.match(await (await fetch('http://127.0.0.1:38001/')).text(), /^out /);
  await networks.connect('bridge', { Container: container });
  assert.match(await (await fetch('http://127.0.0.1:38001/')).text(), /^out /, 'the default bridge is first by name now');
  await networks.disconnect('bridge', { Container: container });
  await networks.disconnect('door', { Container: container });
  assert.deepEqual(shown(), {});
  await rig.up({ ports: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '38001' }] } });
});

test('prune removes what no container uses, by its filters', { skip }, async () => {
  await networks.create({ Name: 'unused', Labels: { keep: 'no' } });
  await networks.create({ Name: 'kept', Labels: { keep: 'yes' } });
  assert.deepEqual((await networks.prune(new Map([['label', ['keep=no']]]))).NetworksDeleted, ['unused']);
  await assert.rejects(networks.prune(new Map([['driver', ['bridge']]])), { code: 'invalid_argument' });
});

test('what is not supported, or nonsense, is refused by name', { skip }, async () => {
  await assert.rejects(networks.create({ Name: 'p', Driver: 'weave' }), { code: 'not_found', message: 'plugin "weave" not found' });
  await assert.rejects(networks.create({ Name: 'o', Driver: 'overlay' }), { code: 'not_implemented', message: /bridge .* macvlan/ });
  await assert.rejects(networks.create({ Name: ' ' }), { code: 'invalid_argument', message: 'invalid name:  ' });
  const config = (changes: object) => networks.create({ Name: 'bad', IPAM: { Config: [{ Subnet: '10.213.0.0/24', ...changes }] } });
  await assert.rejects(config({ Subnet: '10.213.0.7/24' }), { message: 'invalid network config:\ninvalid subnet 10.213.0.7/24: it should be 10.213.0.0/24' });
  await assert.rejects(config({ Subnet: '10.213.0/24' }), { message: 'invalid network config:\ninvalid subnet 10.213.0/24: invalid CIDR block notation' });
  await assert.rejects(config({ Gateway: '10.214.0.1', IPRange: 'fd00::/64' }), {
    code: 'invalid_argument',
    message: "invalid network config:\n* invalid ip-range fd00::/64: parent subnet is an IPv4 block\n* invalid gateway 10.214.0.1: parent subnet 10.213.0.0/24 doesn't contain this address",
  });
  await assert.rejects(networks.create({ Name: 'bad', Options: { 'com.docker.network.bridge.enable_icc': 'foo' } }), { message: 'failed to parse com.docker.network.bridge.enable_icc value: foo (strconv.ParseBool: parsing "foo": invalid syntax)' });
  await assert.rejects(networks.create({ Name: 'bad', Driver: 'macvlan', Options: { macvlan_mode: 'x' } }), { message: "requested macvlan mode 'x' is not valid, 'bridge' mode is the macvlan driver default" });
  await assert.rejects(networks.create({ Name: 'bad', Driver: 'macvlan', Options: { parent: 'nope0' } }), { message: 'invalid subinterface vlan name nope0, example formatting is eth0.10' });
  await assert.rejects(rig.up({ endpoints: [{ network: 'bridge', settings: { IPAMConfig: { IPv4Address: '1.2.3.4' } } }] }), /user defined networks only/);
});
