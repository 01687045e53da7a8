import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import type { NetworkPath } from '#spec/wire/network.ts';
import { newContainer, NetworkRig, skip } from './rig.ts';
import { secondHost } from './second-host.ts';

const rig = new NetworkRig();
before(() => rig.begin());
after(async () => assert.deepEqual(await rig.finish(), [], 'something was left over'));

const BRIDGE = 'com.docker.network.bridge.';
const path = ({ Address, HostPort, Way }: NetworkPath): string => `${Way} ${HostPort || Address}`;

test('what is explained is what packets meet: every pair of networks, direct and by published ports', { skip }, async (t) => {
  const outside = secondHost(t, `gx${rig.layout.instance}`);
  for (const args of [['route', 'add', 'default', 'via', '198.51.100.1'], ['-6', 'route', 'add', 'default', 'via', '2001:db8::1']]) rig.inside(outside, 'ip', ...args);
  const { networks } = rig.room;
  await networks.create({ Name: 'left', EnableIPv6: true });
  await networks.create({ Name: 'right' });
  await networks.create({ Name: 'sealed', Internal: true });
  await networks.create({ Name: 'apart', Options: { [`${BRIDGE}enable_icc`]: 'false' } });
  await networks.create({ Name: 'routed', Options: { [`${BRIDGE}gateway_mode_ipv4`]: 'routed' } });
  await networks.create({ Name: 'bare', Options: { [`${BRIDGE}gateway_mode_ipv4`]: 'nat-unprotected' } });
  const published = { '8000/tcp': [{ HostPort: '' }] };
  const linked = newContainer();
  const members: [name: string, nets: string[], changes: Parameters<NetworkRig['up']>[0]][] = [
    ['left1', ['left'], { ports: published }],
    ['left2', ['left'], {}],
    ['right', ['right'], { ports: { '8000/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] } }],
    ['both', ['left', 'right'], {}],
    ['sealed1', ['sealed'], {}],
    ['sealed2', ['sealed'], {}],
    ['apart1', ['apart'], { container: linked, exposed: ['8000/tcp'] }],
    ['apart2', ['apart'], { linked: [linked] }],
    ['apart3', ['apart'], {}],
    ['routed', ['routed'], { ports: published }],
    ['bare', ['bare'], {}],
  ];
  const places = new Map<string, { netns: string; container: string }>([['world', { netns: outside, container: 'world' }]]);
  for (const [name, nets, changes] of members) {
    const container = changes?.container ?? newContainer();
    const sandbox = await rig.up({ ...changes, container, endpoints: nets.map((network) => ({ network, settings: {} })) });
    await rig.serve(sandbox.netnsPath, 8000, name, '::');
    places.set(name, { netns: sandbox.netnsPath, container });
  }

  const hostOf: Readonly<Record<string, string>> = { world: '198.51.100.1' };
  const checks: Promise<void>[] = [];
  let [open, closed] = [0, 0];
  for (const [from, { netns, container: asking }] of places) {
    for (const [to, { container: target }] of places) {
      if (from === to || to === 'world') continue;
      const paths = await networks.explain({ from: asking, to: target, port: '8000' });
      for (const found of paths) {
        const port = /:(\d+)\//.exec(found.HostPort)?.[1];
        const six = found.HostPort === '' ? found.Address.includes(':') : found.HostPort.startsWith('[');
        // A host's port is asked at an address that is the host's for whoever asks.
        const host = found.Way === 'direct' ? found.Address : six ? '2001:db8::1' : (hostOf[from] ?? '198.51.100.1');
        if (found.Way === 'published' && six && from !== 'world' && !['left1', 'left2', 'both'].includes(from)) continue;
        const url = `http://${host.includes(':') ? `[${host}]` : host}:${port ?? 8000}/`;
        checks.push(
          rig.getLater(netns, url).then((body) => {
            assert.equal(body?.startsWith(`${to} `) ?? false, found.Allowed, `${from} to ${to}, ${path(found)} (${url}): ${found.Chain}: ${found.Rule}; got ${String(body)}`);
            if (found.Allowed) open++;
            else closed++;
          }),
        );
      }
    }
  }
  await Promise.all(checks);
  assert.ok(open >= 15 && closed >= 30, `the matrix says something: ${open} open, ${closed} closed`);

  const decides = async (from: string, to: string, port = '8000'): Promise<string[]> => {
    const party = (name: string): string => places.get(name)?.container ?? name;
    return (await networks.explain({ from: party(from), to: party(to), port })).map(({ Allowed, Rule }) => `${Allowed ? 'open' : 'closed'} ${/comment "(.*)"/.exec(Rule)?.[1] ?? ''}`);
  };
  assert.deepEqual(await decides('apart2', 'apart1'), ['open linked containers']);
  assert.deepEqual(await decides('apart3', 'apart1'), ['closed enable_icc is off']);
  assert.deepEqual(await decides('sealed1', 'world'), ['closed internal networks end at their bridge']);
  assert.deepEqual(await decides('left2', 'world'), ['open ']);
  assert.deepEqual(await decides('world', 'routed'), ['open published ports of routed networks']);
  assert.deepEqual(await decides('sealed1', 'left1'), []);
  await assert.rejects(async () => networks.explain({ from: 'host', to: 'world', port: undefined }), { code: 'invalid_argument' });
});

test('a container that is in the way of neither firewall reaches the host\'s services, the published ones too', { skip }, async (t) => {
  const sandbox = await rig.up();
  const container = [...rig.attached.keys()].at(-1) ?? '';
  const server = createServer((_request, response) => response.end('host'));
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  const [told] = await rig.room.networks.explain({ from: container, to: 'host', port: String(port) });
  assert.equal(told?.Allowed, true);
  assert.equal(await rig.getLater(sandbox.netnsPath, `http://${sandbox.endpoints['bridge']?.Gateway ?? ''}:${port}/`), 'host');
});

test('the list of ports says who carries each', { skip }, async () => {
  const found = await rig.room.networks.ports();
  const by = (name: string): string[] => found.filter(({ Network }) => Network === name).map(({ HostIp, By }) => `${HostIp} ${By}`);
  assert.deepEqual(by('left'), ['0.0.0.0 kernel', ':: kernel']);
  assert.deepEqual(by('right'), ['127.0.0.1 kernel']);
  assert.deepEqual(by('routed'), ['0.0.0.0 routing']);
});
