import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { after, before, test } from 'node:test';
import { kernelMounts } from '#host/mount.ts';
import { newContainer, NetworkRig, skip } from './rig.ts';

const rig = new NetworkRig();
before(() => rig.begin());
after(async () => assert.deepEqual(await rig.finish(), [], 'something was left over'));

const text = async (url: string): Promise<string> => (await fetch(url, { signal: AbortSignal.timeout(3000) })).text();
const hostAddress = (): string | undefined =>
  Object.entries(networkInterfaces())
    .filter(([name]) => !/^(lo|docker|gtr|gantry|br-|podman)/.test(name))
    .flatMap(([, list]) => list ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

test('a sandbox has loopback, eth0 with its address, and a route out', { skip }, async () => {
  const sandbox = await rig.up();
  const { address, gateway } = { address: sandbox.endpoints['bridge']?.IPAddress ?? '', gateway: sandbox.endpoints['bridge']?.Gateway ?? '' };
  const shown = rig.inside(sandbox.netnsPath, 'ip', '-br', 'address').output;
  assert.match(shown, /^lo +UNKNOWN +127\.0\.0\.1\/8/m);
  assert.match(shown, new RegExp(`^eth0@\\S+ +(?:UP|UNKNOWN) +${address.replaceAll('.', '\\.')}/24 *$`, 'm'));
  assert.match(rig.inside(sandbox.netnsPath, 'ip', 'route').output, new RegExp(`^default via ${gateway} dev eth0`, 'm'));
  assert.equal(rig.inside(sandbox.netnsPath, 'busybox', 'ping', '-c1', '-W2', gateway).status, 0);
  assert.equal(sandbox.netnsPath.startsWith(rig.layout.netns), true);
  assert.match(sandbox.hosts, new RegExp(`^${address}\t`, 'm'));
});

test('containers of one network reach each other, whatever other firewalls think', { skip }, async () => {
  const [one, two] = await Promise.all([rig.up(), rig.up()]);
  assert.equal(rig.inside(one.netnsPath, 'busybox', 'ping', '-c1', '-W2', two.endpoints['bridge']?.IPAddress ?? '').status, 0);
});

test('a published port answers on loopback, on the host\'s own address, and to other containers', { skip }, async () => {
  const container = newContainer();
  const server = await rig.up({ container, ports: { '8000/tcp': [{ HostIp: '', HostPort: '' }] }, exposed: ['8000/tcp', '9/udp'] });
  const port = server.ports['8000/tcp']?.[0]?.HostPort ?? '';
  assert.deepEqual(server.ports, { '8000/tcp': [{ HostIp: '0.0.0.0', HostPort: port }, { HostIp: '::', HostPort: port }], '9/udp': null });
  const process = await rig.serve(server.netnsPath, 8000, 'hello');
  assert.match(await text(`http://127.0.0.1:${port}/`), /^hello /);
  assert.match(await text(`http://[::1]:${port}/`), /^hello /, 'forwarded, the container has no IPv6');
  const own = hostAddress();
  if (own !== undefined) assert.match(await text(`http://${own}:${port}/`), /^hello /);
  const gateway = server.endpoints['bridge']?.Gateway ?? '';
  const other = await rig.up();
  assert.match(rig.get(other.netnsPath, `http://${gateway}:${port}/`).output, /^hello /);
  assert.match(rig.get(server.netnsPath, `http://${gateway}:${port}/`).output, /^hello /, 'a container reaches its own published port');

  await rig.stop(process);
  await rig.room.sandboxes.down(container);
  await assert.rejects(text(`http://127.0.0.1:${port}/`));
});

test('a port published on loopback is for the host only', { skip }, async () => {
  const server = await rig.up({ ports: { '8000/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] } });
  const port = server.ports['8000/tcp']?.[0]?.HostPort ?? '';
  await rig.serve(server.netnsPath, 8000, 'private');
  assert.match(await text(`http://127.0.0.1:${port}/`), /^private /);
  const own = hostAddress();
  if (own !== undefined) await assert.rejects(text(`http://${own}:${port}/`));
  const other = await rig.up();
  assert.notEqual(rig.get(other.netnsPath, `http://${server.endpoints['bridge']?.Gateway ?? ''}:${port}/`).status, 0);
});

test('a container reaches the host by the gateway, yet never the host\'s loopback', { skip }, async (t) => {
  const sandbox = await rig.up();
  const gateway = sandbox.endpoints['bridge']?.Gateway ?? '';
  const answer = (_request: unknown, response: { end: (text: string) => void }): void => response.end('host');
  const [open, closed] = [createHttpServer(answer), createHttpServer(answer)];
  const listen = async (server: typeof open, address: string): Promise<number> => {
    await new Promise<void>((resolve) => server.listen(0, address, resolve));
    return (server.address() as { port: number }).port;
  };
  const [openPort, closedPort] = [await listen(open, gateway), await listen(closed, '127.0.0.1')];
  t.after(() => [open, closed].map((server) => server.close()));
  const get = (url: string) => rig.getLater(sandbox.netnsPath, url);
  assert.equal(await get(`http://${gateway}:${openPort}/`), 'host');
  // As root in its namespace a container can send packets for 127.0.0.1 to the host.
  for (const command of [['ip', 'address', 'delete', '127.0.0.1/8', 'dev', 'lo'], ['ip', 'route', 'add', '127.0.0.0/8', 'via', gateway]]) {
    rig.inside(sandbox.netnsPath, ...command);
  }
  rig.inside(sandbox.netnsPath, 'busybox', 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet');
  assert.equal(await get(`http://127.0.0.1:${closedPort}/`), undefined);
});

test('a UDP client goes on talking to the port while containers come and go', { skip }, async (t) => {
  const [first, second] = [newContainer(), newContainer()];
  const client = createSocket('udp4');
  t.after(() => client.close());
  const ask = (port: string): Promise<string> =>
    new Promise((resolve) => {
      const again = setInterval(() => client.send('hello', Number(port), '127.0.0.1'), 20);
      client.once('message', (data) => {
        clearInterval(again);
        resolve(data.toString());
      });
    });
  const one = await rig.up({ container: first, ports: { '53/udp': [{ HostIp: '127.0.0.1', HostPort: '' }] } });
  const port = one.ports['53/udp']?.[0]?.HostPort ?? '';
  await rig.echo(one.netnsPath, 53, 'one');
  assert.equal(await ask(port), 'one');
  // Keeps the first one's address from being given again.
  await rig.up({ container: newContainer() });
  await rig.room.sandboxes.down(first);
  const two = await rig.up({ container: second, ports: { '53/udp': [{ HostIp: '127.0.0.1', HostPort: port }] } });
  await rig.echo(two.netnsPath, 53, 'two');
  assert.equal(await ask(port), 'two');
});

test('what leaves the machine carries the machine\'s address, and its answers come back', { skip }, async (t) => {
  const outside = `gx${rig.layout.instance}`;
  const ip = (...args: string[]): void => assert.equal(spawnSync('ip', args).status, 0, args.join(' '));
  ip('netns', 'add', outside);
  t.after(() => spawnSync('ip', ['netns', 'delete', outside]));
  ip('link', 'add', outside, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', outside);
  ip('address', 'add', '198.51.100.1/24', 'dev', outside);
  ip('link', 'set', outside, 'up');
  ip('-n', outside, 'address', 'add', '198.51.100.2/24', 'dev', 'eth0');
  ip('-n', outside, 'link', 'set', 'eth0', 'up');
  await rig.serve(`/run/netns/${outside}`, 8000, 'internet');
  const sandbox = await rig.up({ ports: { '8000/tcp': [{ HostPort: '' }] } });
  assert.equal(rig.get(sandbox.netnsPath, 'http://198.51.100.2:8000/').output, 'internet 198.51.100.1');

  await rig.serve(sandbox.netnsPath, 8000, 'container');
  const port = sandbox.ports['8000/tcp']?.[0]?.HostPort ?? '';
  assert.equal(rig.get(`/run/netns/${outside}`, `http://198.51.100.1:${port}/`).output, 'container 198.51.100.2', 'published ports see who asks');
  ip('-n', outside, 'route', 'add', 'default', 'via', '198.51.100.1');
  const direct = rig.get(`/run/netns/${outside}`, `http://${sandbox.endpoints['bridge']?.IPAddress ?? ''}:8000/`);
  assert.notEqual(direct.status, 0, 'the container\'s own address is closed to the outside');
});

test('ports in use are told before anything is made', { skip }, async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '0.0.0.0', resolve));
  const { port } = taken.address() as { port: number };
  await assert.rejects(rig.up({ ports: { '80/tcp': [{ HostPort: String(port) }] } }), /driver failed programming external connectivity.*address already in use/);
  await new Promise((resolve) => taken.close(resolve));
  const first = await rig.up({ ports: { '80/tcp': [{ HostPort: String(port) }] } });
  assert.equal(first.ports['80/tcp']?.[0]?.HostPort, String(port));
  await assert.rejects(rig.up({ ports: { '80/tcp': [{ HostPort: String(port) }] } }), { message: new RegExp(`Bind for 0\\.0\\.0\\.0:${port} failed: port is already allocated`) });
});

test('a killed engine\'s successor keeps what lives and removes what does not', { skip }, async () => {
  const [live, dead] = [newContainer(), newContainer()];
  const sandbox = await rig.up({ container: live, ports: { '8000/tcp': [{ HostPort: '' }] } });
  const gone = await rig.up({ container: dead });
  await rig.serve(sandbox.netnsPath, 8000, 'survivor');
  const port = sandbox.ports['8000/tcp']?.[0]?.HostPort ?? '';
  const others = [...rig.attached.keys()].filter((id) => id !== dead);
  await rig.restart(others);
  assert.match(await text(`http://127.0.0.1:${port}/`), /^survivor /);
  assert.deepEqual(rig.room.sandboxes.find(live), sandbox);
  assert.equal(rig.room.sandboxes.find(dead), undefined);
  assert.deepEqual(kernelMounts.list(gone.netnsPath), []);
  await assert.rejects(rig.up({ ports: { '80/tcp': [{ HostPort: port }] } }), /already allocated/);
});

test('an address is given again once the kernel has ended its links', { skip }, async () => {
  await rig.room.networks.create({ Name: 'again' });
  const container = newContainer();
  const first = await rig.up({ container, endpoints: [{ network: 'again', settings: {} }] });
  await rig.room.sandboxes.down(container);
  await rig.room.settled();
  const second = await rig.up({ endpoints: [{ network: 'again', settings: {} }] });
  assert.equal(second.endpoints['again']?.IPAddress, first.endpoints['again']?.IPAddress);
});

test('a flushed firewall is put back by the next container', { skip }, async () => {
  spawnSync('nft', ['delete', 'table', 'inet', `gantry_${rig.layout.instance}`]);
  const sandbox = await rig.up({ ports: { '8000/tcp': [{ HostPort: '' }] } });
  await rig.serve(sandbox.netnsPath, 8000, 'mended');
  assert.match(await text(`http://127.0.0.1:${sandbox.ports['8000/tcp']?.[0]?.HostPort ?? ''}/`), /^mended /);
});

test('a deleted bridge is made again by the next container', { skip }, async () => {
  spawnSync('ip', ['link', 'delete', rig.bridge]);
  const sandbox = await rig.up();
  assert.equal(rig.inside(sandbox.netnsPath, 'busybox', 'ping', '-c1', '-W2', sandbox.endpoints['bridge']?.Gateway ?? '').status, 0);
});
