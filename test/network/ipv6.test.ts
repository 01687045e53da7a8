import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { NetworkRig, skip } from './rig.ts';
import { secondHost } from './second-host.ts';

const rig = new NetworkRig();
before(() => rig.begin());
after(async () => assert.deepEqual(await rig.finish(), [], 'something was left over'));

const { networks } = { get networks() { return rig.room.networks; } };
const inspect = (name: string) => networks.inspect(name, { verbose: false, scope: undefined });
const reaches = (from: string, address: string): boolean => [1, 2, 3].some(() => rig.inside(from, 'busybox', 'ping', '-c1', '-W1', address).status === 0);
const text = async (url: string): Promise<string> => (await fetch(url, { signal: AbortSignal.timeout(3000) })).text();

const otherMachine = (t: Parameters<typeof secondHost>[0]): string => secondHost(t, `gx${rig.layout.instance}`);

test('a network with IPv6 gets a ULA subnet; containers reach each other and the host, and hear no router', { skip }, async () => {
  await networks.create({ Name: 'dual', EnableIPv6: true });
  const pools = (await inspect('dual')).IPAM?.Config ?? [];
  assert.equal(pools.length, 2);
  assert.match(pools[1]?.Subnet ?? '', /^fd[0-9a-f:]+::\/64$/);
  const [one, two] = [await rig.up({ endpoints: [{ network: 'dual', settings: {} }] }), await rig.up({ endpoints: [{ network: 'dual', settings: {} }] })];
  const { GlobalIPv6Address: address = '', IPv6Gateway: gateway = '', GlobalIPv6PrefixLen: prefix } = two.endpoints['dual'] ?? {};
  assert.equal(prefix, 64);
  assert.ok(reaches(one.netnsPath, address));
  assert.ok(reaches(one.netnsPath, gateway));
  assert.match(rig.inside(one.netnsPath, 'ip', '-6', 'route').output, new RegExp(`^default via ${gateway} dev eth0`, 'm'));
  assert.equal(rig.inside(one.netnsPath, 'cat', '/proc/sys/net/ipv6/conf/eth0/accept_ra').output.trim(), '0');
  assert.match(one.hosts, /^fd[0-9a-f:]+\t/m);
  assert.match(Object.values((await inspect('dual')).Containers ?? {})[0]?.IPv6Address ?? '', /^fd.*\/64$/);
});

test('an IPv4 network has no IPv6 inside, not even link-local', { skip }, async () => {
  const sandbox = await rig.up();
  assert.doesNotMatch(rig.inside(sandbox.netnsPath, 'ip', '-6', 'address', 'show', 'dev', 'eth0').output, /inet6/);
});

test('a network of IPv6 alone: chosen address, published port on [::] and ::1, not on IPv4', { skip }, async () => {
  await networks.create({ Name: 'six', EnableIPv4: false, EnableIPv6: true, IPAM: { Config: [{ Subnet: 'fd00:213::/64' }] } });
  const server = await rig.up({ endpoints: [{ network: 'six', settings: { IPAMConfig: { IPv6Address: 'fd00:213::0:77' } } }], ports: { '8000/tcp': [{ HostPort: '' }] } });
  assert.deepEqual([server.endpoints['six']?.GlobalIPv6Address, server.endpoints['six']?.IPAddress, server.endpoints['six']?.Gateway], ['fd00:213::77', '', '']);
  const [binding] = server.ports['8000/tcp'] ?? [];
  assert.deepEqual(server.ports['8000/tcp'], [{ HostIp: '::', HostPort: binding?.HostPort ?? '' }]);
  await rig.serve(server.netnsPath, 8000, 'six', '::');
  assert.match(await text(`http://[::1]:${binding?.HostPort ?? ''}/`), /^six /);
  assert.match(await text(`http://[fd00:213::1]:${binding?.HostPort ?? ''}/`), /^six /);
  await assert.rejects(text(`http://127.0.0.1:${binding?.HostPort ?? ''}/`));
  await assert.rejects(rig.up({ endpoints: [{ network: 'six', settings: { IPAMConfig: { IPv6Address: 'fd00:213::77' } } }] }), { message: 'Address already in use' });
});

test('IPv6 crosses the machine: masqueraded out, published in with the client\'s own address, closed otherwise', { skip }, async (t) => {
  const outside = otherMachine(t);
  await rig.serve(outside, 8000, 'internet', '::');
  await networks.create({ Name: 'out', EnableIPv6: true });
  const sandbox = await rig.up({ endpoints: [{ network: 'out', settings: {} }], ports: { '8000/tcp': [{ HostPort: '' }] } });
  assert.equal(rig.get(sandbox.netnsPath, 'http://[2001:db8::2]:8000/').output, 'internet 2001:db8::1');
  await rig.serve(sandbox.netnsPath, 8000, 'container', '::');
  const port = sandbox.ports['8000/tcp']?.[0]?.HostPort ?? '';
  assert.equal(rig.get(outside, `http://[2001:db8::1]:${port}/`).output, 'container 2001:db8::2');
  assert.equal(rig.get(outside, `http://198.51.100.1:${port}/`).output, 'container ::ffff:198.51.100.2');
  rig.inside(outside, 'ip', '-6', 'route', 'add', 'default', 'via', '2001:db8::1');
  assert.notEqual(rig.get(outside, `http://[${sandbox.endpoints['out']?.GlobalIPv6Address ?? ''}]:8000/`).status, 0, 'the container\'s own address is closed');

  const plain = await rig.up({ ports: { '8000/tcp': [{ HostPort: '' }] } });
  await rig.serve(plain.netnsPath, 8000, 'four');
  const forwarded = await rig.getLater(outside, `http://[2001:db8::1]:${plain.ports['8000/tcp']?.[0]?.HostPort ?? ''}/`);
  assert.match(forwarded ?? '', /^four /, 'a container without IPv6 is reached by IPv6 through the engine');
});

test('gateway modes: routed opens the published port at the container\'s address, nat-unprotected every port', { skip }, async (t) => {
  const outside = otherMachine(t);
  for (const route of [['route', 'add', 'default', 'via', '198.51.100.1'], ['-6', 'route', 'add', 'default', 'via', '2001:db8::1']]) rig.inside(outside, 'ip', ...route);
  const mode = (four: string, six: string) => ({ 'com.docker.network.bridge.gateway_mode_ipv4': four, 'com.docker.network.bridge.gateway_mode_ipv6': six });
  await networks.create({ Name: 'routed', EnableIPv6: true, Options: mode('nat', 'routed') });
  const routed = await rig.up({ endpoints: [{ network: 'routed', settings: {} }], ports: { '8000/tcp': [{ HostPort: '' }] } });
  const six = routed.endpoints['routed']?.GlobalIPv6Address ?? '';
  assert.deepEqual(routed.ports['8000/tcp']?.map(({ HostIp, HostPort }) => [HostIp, HostPort === '']), [['0.0.0.0', false], ['::', true]]);
  await rig.serve(routed.netnsPath, 8000, 'open', '::');
  await rig.serve(routed.netnsPath, 8001, 'closed', '::');
  assert.equal(rig.get(outside, `http://[${six}]:8000/`).output, 'open 2001:db8::2');
  assert.notEqual(rig.get(outside, `http://[${six}]:8001/`).status, 0);
  assert.ok(reaches(outside, six), 'pings are answered');
  assert.notEqual(rig.get(outside, `http://${routed.endpoints['routed']?.IPAddress ?? ''}:8000/`).status, 0);

  await networks.create({ Name: 'bare', Options: { 'com.docker.network.bridge.gateway_mode_ipv4': 'nat-unprotected' } });
  const bare = await rig.up({ endpoints: [{ network: 'bare', settings: {} }] });
  await rig.serve(bare.netnsPath, 8001, 'bare');
  assert.equal(rig.get(outside, `http://${bare.endpoints['bare']?.IPAddress ?? ''}:8001/`).output, 'bare 198.51.100.2');

  await assert.rejects(networks.create({ Name: 'x', Options: mode('isolated', 'nat') }), { message: "gateway mode 'isolated' can only be used for an internal network" });
  await networks.create({ Name: 'isolated', Internal: true, Options: mode('isolated', 'isolated') });
  const isolated = await rig.up({ endpoints: [{ network: 'isolated', settings: {} }] });
  const peer = await rig.up({ endpoints: [{ network: 'isolated', settings: {} }] });
  assert.ok(reaches(isolated.netnsPath, peer.endpoints['isolated']?.IPAddress ?? ''));
  assert.equal(spawnSync('ip', ['-4', 'address', 'show', 'dev', `br-${isolated.endpoints['isolated']?.NetworkID?.slice(0, 12) ?? ''}`], { encoding: 'utf8' }).stdout.includes('inet '), false);
});

test('options of endpoints: name, sysctls, link-local addresses, gateway priority, several subnets', { skip }, async () => {
  await networks.create({ Name: 'many', EnableIPv6: true, IPAM: { Config: [{ Subnet: '10.214.0.0/30' }, { Subnet: '10.214.1.0/24' }, { Subnet: 'fd00:214::/64' }] } });
  await networks.create({ Name: 'other' });
  const options = { 'com.docker.network.endpoint.ifname': 'wan0', 'com.docker.network.endpoint.sysctls': 'net.ipv4.conf.IFNAME.log_martians=1,net.ipv6.conf.IFNAME.forwarding=1' };
  const first = await rig.up({ endpoints: [{ network: 'many', settings: { DriverOpts: options, IPAMConfig: { LinkLocalIPs: ['169.254.7.7', 'fe80::7'] } } }, { network: 'other', settings: { GwPriority: 5 } }] });
  const shown = rig.inside(first.netnsPath, 'ip', 'address', 'show', 'dev', 'wan0').output;
  assert.match(shown, /inet 10\.214\.0\.2\/30[^]*inet 169\.254\.7\.7\/16[^]*inet6 fd00:214::2\/64[^]*inet6 fe80::7\/64/);
  assert.equal(rig.inside(first.netnsPath, 'cat', '/proc/sys/net/ipv4/conf/wan0/log_martians', '/proc/sys/net/ipv6/conf/wan0/forwarding').output, '1\n1\n');
  assert.match(rig.inside(first.netnsPath, 'ip', 'route').output, /^default via \S+ dev eth0/m, 'the priority decides');
  assert.match(rig.inside(first.netnsPath, 'ip', '-6', 'route').output, /^default via fd00:214::1 dev wan0/m, 'of the family that it has');
  const second = await rig.up({ endpoints: [{ network: 'many', settings: {} }] });
  assert.deepEqual([second.endpoints['many']?.IPAddress, second.endpoints['many']?.Gateway], ['10.214.1.2', '10.214.1.1'], 'the first subnet is full');
  assert.ok(reaches(second.netnsPath, '10.214.0.2'));
  await assert.rejects(rig.up({ endpoints: [{ network: 'other', settings: { DriverOpts: { 'com.docker.network.endpoint.sysctls': 'net.ipv4.conf.eth0.forwarding=1' } } }] }), /IFNAME/);
});
