/** Networks as docker's own CLI, curl and our CLI see them, on an engine of the test's own. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { createDockerCli, type DockerCli, until } from '../clients/docker-cli.ts';
import { freePort, importBusybox } from '../clients/host.ts';
import { startEngine, type TestEngine } from '../rig.ts';
import { skip } from './rig.ts';

const image = 'gantry-test/busybox:1';
let engine: TestEngine;
let docker: DockerCli;
let gantry: DockerCli;

before(async () => {
  if (skip !== false) return;
  engine = await startEngine({ args: ['--icc=false', '--ipv6', '--fixed-cidr-v6', 'fd00:da::/64', '--default-address-pool', 'base=10.211.0.0/16,size=24', '--default-address-pool', 'base=fd00:db::/56,size=64'] });
  docker = createDockerCli(engine.url);
  gantry = createDockerCli(engine.url, new URL('../../gantry', import.meta.url).pathname);
  await importBusybox(docker, image);
});
after(async () => {
  if (skip !== false) return;
  await docker(['network', 'prune', '-f']);
  await engine.stop();
});

const web = ['sh', '-c', 'mkdir /www; hostname > /www/index.html; exec httpd -f -p "[::]:80" -h /www'];
const curl = (url: string): string => spawnSync('curl', ['-s', '-m', '3', url], { encoding: 'utf8' }).stdout.trim();
const answers = (url: string, body: string): Promise<void> => until(async () => curl(url) === body, 10_000);
const fails = async (args: string[]): Promise<string> => {
  const { code, stderr } = await docker(args);
  assert.notEqual(code, 0, args.join(' '));
  return stderr.split('\n').filter((line) => line !== '' && !line.startsWith('Run ')).join('\n').replace(/^(docker: )?Error response from daemon: /, '');
};
const lines = (text: string): string[] => text.trim().split('\n').filter((line) => line !== '');

test('-p in its forms: shown as docker shows them, answered on both families', { skip }, async () => {
  const [one, two, three] = [await freePort(), await freePort(), await freePort()];
  await docker.ok(['run', '-d', '--name', 'web', '--hostname', 'web', '-p', `${one}:80`, '-p', `127.0.0.1:${two}:80`, '-p', `[::1]:${three}:80`, '-p', '127.0.0.1::53/udp', '-p', '81', image, ...web]);
  const shown = (await docker.ok(['ps', '--filter', 'name=web', '--format', '{{.Ports}}'])).stdout;
  for (const part of [`0.0.0.0:${one}->80/tcp`, `[::]:${one}->80/tcp`, `127.0.0.1:${two}->80/tcp`, `[::1]:${three}->80/tcp`, '->53/udp', '->81/tcp']) assert.ok(shown.includes(part), `${part} in ${shown}`);
  for (const url of [`127.0.0.1:${one}`, `localhost:${one}`, `[::1]:${one}`, `[fd00:da::1]:${one}`, `127.0.0.1:${two}`, `[::1]:${three}`]) await answers(`http://${url}/`, 'web');
  assert.equal(curl(`http://[::1]:${two}/`), '');
  assert.equal(curl(`http://[fd00:da::1]:${three}/`), '');
  assert.deepEqual(lines((await docker.ok(['port', 'web', '80'])).stdout).toSorted(), [`0.0.0.0:${one}`, `127.0.0.1:${two}`, `[::1]:${three}`, `[::]:${one}`]);
  const [own, theirs] = [await gantry.ok(['port', 'web']), await docker.ok(['port', 'web'])];
  assert.deepEqual(lines(own.stdout), lines(theirs.stdout));
  assert.match(await fails(['run', '-d', '--name', 'clash', '-p', `${one}:80`, image, 'true']), new RegExp(`Bind for 0\\.0\\.0\\.0:${one} failed: port is already allocated$`));
  await docker.ok(['rm', '-f', 'clash']);
  await docker.ok(['run', '-d', '--name', 'range', '-p', `127.0.0.1:${one + 1}-${one + 9}:80-88`, '--expose', '7000-7002', '-P', image, 'sleep', '100']);
  assert.equal(lines((await docker.ok(['port', 'range'])).stdout).length, 9 + 2 * 3);
  await docker.ok(['rm', '-f', 'range']);
  assert.equal(await docker.format('web', '{{.NetworkSettings.Networks.bridge.GlobalIPv6Address}}/{{.NetworkSettings.Networks.bridge.GlobalIPv6PrefixLen}}'), 'fd00:da::2/64');
});

test('published ports answer while the engine is dead, and the next one knows them', { skip }, async () => {
  const port = (await docker.ok(['port', 'web', '80'])).stdout.split('\n').find((line) => line.startsWith('0.0.0.0'))?.split(':')[1] ?? '';
  const pid = engine.enginePid();
  process.kill(pid, 'SIGSTOP');
  assert.equal(curl(`http://127.0.0.1:${port}/`), 'web');
  assert.equal(curl(`http://[fd00:da::1]:${port}/`), 'web', 'by IPv6 too: the kernel carries it');
  process.kill(pid, 'SIGKILL');
  await until(async () => engine.enginePid() !== pid && (await docker(['version'])).code === 0);
  await answers(`http://[::1]:${port}/`, 'web');
  assert.match(await fails(['run', '--rm', '-p', `${port}:80`, image, 'true']), /port is already allocated/);
  await docker.ok(['rm', '-f', 'web']);
  assert.equal(curl(`http://127.0.0.1:${port}/`), '');
});

test('network create, connect with options, and what inspect and events say of it', { skip }, async () => {
  const since = Math.floor(Date.now() / 1000);
  await docker.ok(['network', 'create', '--ipv6', '--subnet', '10.212.7.0/24', '--ip-range', '10.212.7.128/25', '--gateway', '10.212.7.1', '--aux-address', 'printer=10.212.7.128', '--subnet', 'fd00:dc::/64', '--label', 'who=me', 'dual']);
  await docker.ok(['network', 'create', '--ipv6', '--ipv4=false', 'six']);
  assert.deepEqual(lines((await docker.ok(['network', 'ls', '--filter', 'type=custom', '--format', '{{.Name}} {{.IPv4}} {{.IPv6}}'])).stdout), ['dual true true', 'six false true']);
  assert.equal((await docker.ok(['network', 'inspect', 'six', '--format', '{{range .IPAM.Config}}{{.Subnet}} {{.Gateway}}{{end}}'])).stdout.trim(), 'fd00:db::/64 fd00:db::1');
  await docker.ok(['run', '-d', '--name', 'member', '--network', 'name=dual,ip=10.212.7.77,ip6=fd00:dc::77,mac-address=02:42:00:00:00:77,driver-opt=com.docker.network.endpoint.ifname=lan0', image, 'sleep', '100']);
  await docker.ok(['network', 'connect', '--gw-priority', '7', '--alias', 'also', 'six', 'member']);
  const inside = async (...words: string[]): Promise<string> => (await docker.ok(['exec', 'member', ...words])).stdout;
  assert.match(await inside('ip', '-6', 'route'), /default via fd00:db::1 dev eth0/);
  assert.match(await inside('ip', 'route'), /default via 10\.212\.7\.1 dev lan0/);
  assert.match(await inside('ip', 'addr', 'show', 'lan0'), /02:42:00:00:00:77[^]*10\.212\.7\.77\/24[^]*fd00:dc::77\/64/);
  assert.equal(await docker.format('member', '{{json .NetworkSettings.Networks.six.GwPriority}} {{json .NetworkSettings.Networks.six.Aliases}} {{.NetworkSettings.Networks.six.IPv6Gateway}} {{json .NetworkSettings.Networks.six.IPAddress}}'), '7 ["also"] fd00:db::1 ""');
  assert.equal((await docker.ok(['network', 'inspect', 'dual', '--format', '{{range .Containers}}{{.Name}} {{.IPv4Address}} {{.IPv6Address}}{{end}}'])).stdout.trim(), 'member 10.212.7.77/24 fd00:dc::77/64');
  await docker.ok(['restart', '-t', '0', 'member']);
  assert.match(await inside('ip', 'addr', 'show', 'lan0'), /02:42:00:00:00:77[^]*10\.212\.7\.77\/24/, 'name, MAC and address stay');
  assert.match(await fails(['network', 'rm', 'dual']), /has active endpoints/);
  await docker.ok(['network', 'disconnect', 'six', 'member']);
  await docker.ok(['rm', '-f', 'member']);
  assert.equal(lines((await docker.ok(['network', 'prune', '-f', '--filter', 'label=who=me'])).stdout).at(-1), 'dual');
  await docker.ok(['network', 'rm', 'six']);
  const events = lines((await docker.ok(['events', '--since', String(since), '--until', String(Math.floor(Date.now() / 1000) + 1), '--filter', 'type=network', '--format', '{{.Action}} {{.Actor.Attributes.name}} {{.Actor.Attributes.type}}'])).stdout);
  // The other tests' networks end with their containers, in seconds that are counted whole.
  assert.deepEqual(events.filter((line) => !line.includes(' bridge bridge')), [
    'create dual bridge', 'create six bridge', 'connect dual bridge', 'connect six bridge', 'disconnect dual bridge', 'disconnect six bridge', 'connect dual bridge', 'connect six bridge',
    'disconnect six bridge', 'disconnect dual bridge', 'destroy dual bridge', 'prune  ', 'destroy six bridge',
  ].map((line) => line.replace('prune  ', 'prune <no value> <no value>')));
});

test('mistakes are told in Docker\'s words', { skip }, async () => {
  await docker.ok(['network', 'create', '--subnet', '10.212.8.0/24', 'known']);
  const told: [args: string[], words: string][] = [
    [['network', 'create', 'known'], 'network with name known already exists'],
    [['network', 'create', '--subnet', '10.212.8.128/25', 'x'], 'Pool overlaps with other one on this address space'],
    [['network', 'create', '--subnet', '10.212.9.7/24', 'x'], 'invalid network config:\ninvalid subnet 10.212.9.7/24: it should be 10.212.9.0/24'],
    [['network', 'create', '-o', 'com.docker.network.driver.mtu=big', 'x'], 'failed to parse com.docker.network.driver.mtu value: big (strconv.Atoi: parsing "big": invalid syntax)'],
    [['network', 'rm', 'bridge'], 'bridge is a pre-defined network and cannot be removed\nexit status 1'],
    [['network', 'rm', 'nowhere'], 'network nowhere not found\nexit status 1'],
    [['network', 'create', '-d', 'host', 'x'], 'only one instance of "host" network is allowed'],
    [['network', 'create', '-d', 'nosuchdriver', 'x'], 'plugin "nosuchdriver" not found'],
    [['create', '--network', 'known', '--ip', '10.213.0.1', image], 'invalid config for network known: invalid endpoint settings:\nno configured subnet or ip-range contain the IP address 10.213.0.1'],
    [['create', '--ip', '10.213.0.1', image], 'invalid config for network bridge: invalid endpoint settings:\n* user specified IP address is supported on user defined networks only\n* user specified IP address is supported only when connecting to networks with user configured subnets'],
    [['create', '--network', 'known', '--ip6', 'fd00::9', image], 'invalid config for network known: invalid endpoint settings:\nuser specified IP address is supported only when connecting to networks with user configured subnets'],
  ];
  for (const [args, words] of told) assert.equal(await fails(args), words);
  await docker.ok(['run', '-d', '--name', 'plain', image, 'sleep', '100']);
  await docker.ok(['run', '-d', '--name', 'there', '--network', 'known', image, 'sleep', '100']);
  await docker.ok(['run', '-d', '--name', 'bare', '--network', 'none', image, 'sleep', '100']);
  const host = 'container cannot be disconnected from host network or connected to host network';
  for (const [args, words] of [
    [['network', 'create', 'default'], 'operation is not permitted on predefined default network'],
    [['network', 'connect', 'host', 'plain'], host],
    [['network', 'connect', '--alias', 'a', 'bridge', 'bare'], 'network-scoped alias is supported only for containers in user defined networks'],
    [['network', 'connect', 'known', 'there'], 'endpoint with name there already exists in network known'],
    [['network', 'connect', '--link-local-ip', '169.253.5.5', 'known', 'plain'], 'invalid endpoint settings:\ninvalid link-local IP address: 169.253.5.5'],
    [['run', '--name', 'far', '--link', 'there', image, 'true'], 'Cannot link to /there, as it does not belong to the default network'],
  ] as const) assert.ok((await fails([...args])).endsWith(words), args.join(' '));
  await docker.ok(['stop', '-t', '0', 'there']);
  await docker.ok(['network', 'rm', 'known']);
  await docker.ok(['network', 'disconnect', '-f', 'known', 'there']);
  assert.equal(await docker.format('there', '{{json .NetworkSettings.Networks}}'), '{}');
  await docker.ok(['rm', '-f', 'plain', 'there', 'bare', 'far']);
  assert.match(await fails(['network', 'create', '-d', 'overlay', 'x']), /overlay driver needs a cluster/);
});

test('links where containers are apart, and gantry says why', { skip }, async () => {
  const port = await freePort();
  await docker.ok(['run', '-d', '--name', 'one', '--hostname', 'one', '-p', `${port}:80`, image, ...web]);
  await docker.ok(['run', '-d', '--name', 'two', '--link', 'one', image, 'sleep', '100']);
  await docker.ok(['run', '-d', '--name', 'three', image, 'sleep', '100']);
  await answers(`http://localhost:${port}/`, 'one');
  const address = await docker.format('one', '{{.NetworkSettings.IPAddress}}');
  // From the containers' namespaces with the host's curl: a static busybox cannot look up names.
  const get = async (from: string): Promise<string> => spawnSync('nsenter', [`--net=/proc/${await docker.format(from, '{{.State.Pid}}')}/ns/net`, 'curl', '-s', '-m', '2', `http://${address}/`], { encoding: 'utf8' }).stdout.trim();
  assert.deepEqual([await get('two'), await get('three')], ['one', '']);
  const explain = async (...words: string[]): Promise<[number, string]> => {
    const { code, stdout } = await gantry(['network', 'explain', ...words]);
    return [code, stdout];
  };
  const [linked, said] = await explain('two', 'one', '80');
  assert.equal(linked, 0);
  assert.match(said, /^open {4}to \S+ \(network bridge\)\n {8}within: .*linked containers/);
  const [, closed] = await explain('three', 'one', '80');
  assert.match(closed, /^closed {2}to \S+ \(network bridge\)\n {8}within: .*enable_icc is off[^]*open {4}by port 0\.0\.0\.0:\d+\/tcp of the host/);
  const ports = lines((await gantry.ok(['network', 'ports', '--format', '{{.Host}} {{.Container}} {{.By}}'])).stdout);
  assert.deepEqual(ports, [`0.0.0.0:${port}/tcp one kernel`, `[::]:${port}/tcp one kernel`]);
  await docker.ok(['rm', '-f', 'one', 'two', 'three']);
});
