/** Names at 127.0.0.11, judged by dig and by busybox inside containers, with the docker CLI as the client. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createDockerCli, until, type DockerCli } from '../clients/docker-cli.ts';
import { importBusybox } from '../clients/host.ts';
import { startEngine, type TestEngine } from '../rig.ts';
import { digIn, type Dug } from './dig.ts';
import { Upstream } from './upstream.ts';

const image = 'names/busybox:1';
const skip = process.getuid?.() !== 0 ? 'needs root: makes network namespaces' : !existsSync('/usr/bin/dig') ? 'needs dig (bind9-dnsutils)' : false;
let engine: TestEngine;
let docker: DockerCli;
let first: Upstream;
let second: Upstream;

before(async () => {
  if (skip !== false) return;
  first = await Upstream.start('127.0.0.77');
  second = await Upstream.start('127.0.0.78');
  engine = await startEngine({ resolvConf: `nameserver ${first.address}\nnameserver ${second.address}\n` });
  docker = createDockerCli(engine.url);
  await importBusybox(docker, image);
  for (const name of ['front', 'back']) await docker.ok(['network', 'create', name]);
  await docker.ok(['network', 'create', '--internal', 'inside']);
});

after(async () => {
  if (skip !== false) return;
  await engine.stop();
  await first[Symbol.asyncDispose]();
  await second[Symbol.asyncDispose]();
});

const run = async (name: string, ...options: string[]): Promise<void> => {
  await docker.ok(['run', '-d', '--name', name, ...options, image, 'sleep', '1000']);
};

const address = (name: string, network: string): Promise<string> => docker.format(name, `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`);

/** Asks as a program in the container does. */
const dig = async (container: string, ...words: string[]): Promise<Dug> => digIn(await docker.format(container, '{{.State.Pid}}'), ...words);

const remove = (...names: string[]): Promise<unknown> => docker.ok(['rm', '-f', ...names]);

test('names, aliases, ids, host names, links; whatever their case', { skip }, async () => {
  await run('web', '--network', 'front', '--network-alias', 'shop', '--hostname', 'house');
  await run('other', '--network', 'front', '--link', 'web:store');
  const [own, id] = [await address('web', 'front'), (await docker.format('web', '{{.Id}}')).slice(0, 12)];
  for (const name of ['web', 'WEB', 'shop', 'house', id, 'store', 'web.front', 'shop.FRONT', 'store.front']) {
    assert.deepEqual((await dig('other', name)).records, [own], name);
  }
  assert.deepEqual(await docker.format('web', '{{json (index .NetworkSettings.Networks "front").DNSNames}}'), JSON.stringify(['web', 'shop', id, 'house']));
  // The link is its owner's alone.
  assert.equal((await dig('web', 'store')).records.includes(own), false);
  assert.match((await docker.ok(['exec', 'other', 'nslookup', 'web'])).stdout, /Server:\t\t127\.0\.0\.11[^]*Name:\tweb\nAddress: \d/);
  assert.doesNotMatch((await docker.ok(['exec', 'other', 'cat', '/etc/hosts'])).stdout, /store/);
  await remove('web', 'other');
});

test('other kinds of question: reverse, AAAA, MX, TCP, EDNS', { skip }, async () => {
  await run('web', '--network', 'front', '--network-alias', 'shop');
  const own = await address('web', 'front');
  assert.deepEqual((await dig('web', '-x', own)).records, ['web.front.']);
  first.asked.length = 0;
  for (const type of ['AAAA', 'MX', 'TXT', 'HTTPS']) {
    const { status, records } = await dig('web', 'shop', type);
    assert.deepEqual([status, records], ['NOERROR', []], type);
  }
  assert.deepEqual(first.asked, [], 'nobody outside hears of our names');
  assert.deepEqual((await dig('web', 'shop', '+tcp')).records, [own]);
  assert.match((await dig('web', 'shop')).text, /EDNS: version: 0/);
  assert.doesNotMatch((await dig('web', 'shop', '+noedns')).text, /EDNS/);
  assert.deepEqual((await dig('web', 'shop')).flags, ['qr', 'rd', 'ra']);
  await remove('web');
});

test('a network knows its own names only; who is on two knows both', { skip }, async () => {
  await run('alpha', '--network', 'front', '--network-alias', 'same');
  await run('beta', '--network', 'back', '--network-alias', 'same');
  await run('both', '--network', 'front', '--network', 'back');
  assert.deepEqual((await dig('both', 'alpha')).records, [await address('alpha', 'front')]);
  assert.deepEqual((await dig('both', 'beta')).records, [await address('beta', 'back')]);
  assert.deepEqual((await dig('both', 'same.back')).records, [await address('beta', 'back')]);
  assert.deepEqual((await dig('alpha', 'both')).records, [await address('both', 'front')]);
  assert.deepEqual((await dig('beta', 'both')).records, [await address('both', 'back')]);
  for (const name of ['beta', 'beta.back', 'same.back']) assert.notDeepEqual((await dig('alpha', name)).records, [await address('beta', 'back')], name);
  await remove('alpha', 'beta', 'both');
});

test('one alias for several containers goes round; what stops is forgotten, what starts is known', { skip }, async () => {
  for (const name of ['w1', 'w2', 'w3']) await run(name, '--network', 'front', '--network-alias', 'worker');
  const all = await Promise.all(['w1', 'w2', 'w3'].map((name) => address(name, 'front')));
  const leads = new Set<string>();
  for (let round = 0; round < 3; round++) {
    const { records } = await dig('w1', 'worker');
    assert.deepEqual(records.toSorted(), all.toSorted());
    leads.add(records[0] ?? '');
  }
  assert.equal(leads.size, 3);
  await docker.ok(['stop', '-t', '0', 'w3']);
  assert.equal((await dig('w1', 'worker')).records.length, 2);
  assert.notEqual((await dig('w1', 'w3')).records[0], all[2]);
  await docker.ok(['start', 'w3']);
  assert.equal((await dig('w1', 'worker')).records.length, 3);
  await docker.ok(['restart', '-t', '0', 'w2']);
  assert.deepEqual((await dig('w1', 'w2')).records, [await address('w2', 'front')]);
  await remove('w1', 'w2', 'w3');
});

test('rename, connect and disconnect take effect at once', { skip }, async () => {
  await run('old', '--network', 'front');
  await run('watcher', '--network', 'front');
  await docker.ok(['rename', 'old', 'new']);
  const own = await address('new', 'front');
  assert.deepEqual((await dig('watcher', 'new')).records, [own]);
  assert.notDeepEqual((await dig('watcher', 'old')).records, [own]);
  assert.deepEqual((await dig('watcher', '-x', own)).records, ['new.front.']);
  await run('late');
  assert.doesNotMatch((await docker.ok(['exec', 'late', 'cat', '/etc/resolv.conf'])).stdout, /127\.0\.0\.11/);
  await docker.ok(['network', 'connect', '--alias', 'joined', 'front', 'late']);
  assert.deepEqual((await dig('watcher', 'joined')).records, [await address('late', 'front')]);
  assert.match((await docker.ok(['exec', 'late', 'nslookup', 'watcher'])).stdout, /Server:\t\t127\.0\.0\.11/);
  const hosts = (await docker.ok(['exec', 'late', 'cat', '/etc/hosts'])).stdout;
  const joined = await address('late', 'front');
  assert.match(hosts, new RegExp(`^${joined}\t[0-9a-f]{12}$`, 'm'));
  await docker.ok(['network', 'disconnect', 'front', 'late']);
  assert.notDeepEqual((await dig('watcher', 'joined')).records, [joined]);
  assert.equal((await docker.ok(['exec', 'late', 'cat', '/etc/hosts'])).stdout, hosts.replace(new RegExp(`^${joined}\t.*\n`, 'm'), ''));
  await remove('new', 'watcher', 'late');
});

test('a link on the default bridge follows its container to another address; other containers have no names there', { skip }, async () => {
  await run('db');
  await run('place');
  await run('client', '--link', 'db:store');
  const lines = async (): Promise<string[]> => (await docker.ok(['exec', 'client', 'cat', '/etc/hosts'])).stdout.split('\n').filter((line) => line.includes('store'));
  assert.deepEqual(await lines(), [`${await address('db', 'bridge')}\tstore ${(await docker.format('db', '{{.Id}}')).slice(0, 12)} db`]);
  await docker.ok(['stop', '-t', '0', 'db', 'place']);
  await run('taker1');
  await run('taker2');
  await docker.ok(['start', 'db']);
  assert.match((await lines())[0] ?? '', new RegExp(`^${await address('db', 'bridge')}\t`));
  assert.doesNotMatch((await docker.ok(['exec', 'client', 'cat', '/etc/resolv.conf'])).stdout, /127\.0\.0\.11/);
  await remove('db', 'place', 'client', 'taker1', 'taker2');
});

test('an engine killed at any step of starts leaves all that lives with its names, and nothing else', { skip }, async () => {
  await run('judge', '--network', 'front');
  const pid = await docker.format('judge', '{{.State.Pid}}');
  for (let round = 0; round < 4; round++) {
    const starts = [1, 2, 3].map((number) => docker(['run', '-d', '--name', `round${round}-${number}`, '--network', 'front', image, 'sleep', '1000']));
    const killed = engine.enginePid();
    await new Promise((resolve) => setTimeout(resolve, 20 + 40 * round));
    process.kill(killed, 'SIGKILL');
    await Promise.all(starts);
    await until(async () => engine.enginePid() !== killed && (await docker(['ps'])).code === 0);
  }
  const running = (await docker.ok(['ps', '--filter', 'name=round', '--format', '{{.Names}}'])).stdout.split('\n').filter(Boolean);
  for (const name of running) assert.deepEqual((await digIn(pid, name)).records, [await address(name, 'front')], name);
  const all = (await docker.ok(['ps', '-a', '--filter', 'name=round', '--format', '{{.Names}}'])).stdout.split('\n').filter(Boolean);
  for (const name of all.filter((item) => !running.includes(item))) assert.equal((await digIn(pid, `${name}.front`)).records[0]?.startsWith('192.0.2.'), true, `${name} is asked outside`);
  assert.equal(readdirSync(join(engine.run, 'names')).length, running.length + 1);
  await remove('judge', ...all);
  await until(async () => readdirSync(join(engine.run, 'names')).length === 0);
});

test('what a user wrote into the files stays', { skip }, async () => {
  await run('edited');
  await docker.ok(['exec', 'edited', 'sh', '-c', 'echo 1.2.3.4 mine >> /etc/hosts; echo "nameserver 9.9.9.9" > /etc/resolv.conf']);
  await docker.ok(['network', 'connect', 'front', 'edited']);
  assert.match((await docker.ok(['exec', 'edited', 'cat', '/etc/hosts'])).stdout, /^1\.2\.3\.4 mine$/m);
  assert.equal((await docker.ok(['exec', 'edited', 'cat', '/etc/resolv.conf'])).stdout, 'nameserver 9.9.9.9\n');
  await remove('edited');
});

test('other names are asked of the servers of the host, on its loopback too', { skip }, async () => {
  await run('asker', '--network', 'front');
  const conf = (await docker.ok(['exec', 'asker', 'cat', '/etc/resolv.conf'])).stdout;
  assert.match(conf, /^nameserver 127\.0\.0\.11\noptions ndots:0\n\n# Based on host file: '\/etc\/resolv\.conf' \(internal resolver\)\n# ExtServers: \[host\(127\.0\.0\.77\) host\(127\.0\.0\.78\)\]\n# Overrides: \[\]\n# Option ndots from: internal\n$/m);
  assert.deepEqual((await dig('asker', 'example.test')).records, ['192.0.2.1']);
  assert.equal((await dig('asker', 'no.test')).status, 'NXDOMAIN');
  assert.equal((await dig('asker', '40.many.test', '+noedns', '+ignore')).flags.includes('tc'), true);
  assert.equal((await dig('asker', '40.many.test', '+noedns')).records.length, 40);
  assert.equal((await dig('asker', '3000.many.test', '+tcp')).records.length, 3000);
  await remove('asker');
});

test('a server that fails, refuses or is silent is followed by the next', { skip }, async () => {
  await run('asker', '--network', 'front');
  for (const manner of ['fails', 'refuses', 'is silent'] as const) {
    first.manner = manner;
    assert.deepEqual((await dig('asker', `${manner.replaceAll(' ', '-')}.test`)).records, ['192.0.2.1'], manner);
  }
  // Silence is remembered: the next question does not wait for it.
  const began = performance.now();
  assert.deepEqual((await dig('asker', 'again.test')).records, ['192.0.2.1']);
  assert.ok(performance.now() - began < 1000);
  [first.manner, second.manner] = ['fails', 'fails'];
  assert.equal((await dig('asker', 'example.test')).status, 'SERVFAIL');
  [first.manner, second.manner] = ['refuses', 'refuses'];
  assert.equal((await dig('asker', 'example.test')).status, 'REFUSED');
  [first.manner, second.manner] = ['answers', 'answers'];
  await remove('asker');
});

test('no question leaves an internal network (CVE-2024-29018); its twin with a way out may ask', { skip }, async () => {
  await run('sealed', '--network', 'inside');
  await run('peer', '--network', 'inside');
  [first.asked.length, second.asked.length] = [0, 0];
  for (const how of [[], ['+tcp']]) assert.equal((await dig('sealed', 'secret.test', ...how)).status, 'SERVFAIL');
  assert.deepEqual([...first.asked, ...second.asked], []);
  assert.deepEqual((await dig('sealed', 'peer')).records, [await address('peer', 'inside')]);
  await docker.ok(['network', 'connect', 'front', 'sealed']);
  assert.deepEqual((await dig('sealed', 'secret.test')).records, ['192.0.2.1']);
  await docker.ok(['network', 'disconnect', 'front', 'sealed']);
  assert.equal((await dig('sealed', 'secret2.test')).status, 'SERVFAIL');
  await remove('sealed', 'peer');
});

test("a container's own servers are asked from within; its own ndots keeps short names", { skip }, async () => {
  // 127.0.0.77 is the host's loopback: from within a sandbox it is the sandbox's own, where nobody listens.
  await run('own', '--network', 'front', '--dns', '127.0.0.77', '--dns-search', 'a.test', '--dns-option', 'ndots:2');
  const conf = (await docker.ok(['exec', 'own', 'cat', '/etc/resolv.conf'])).stdout;
  assert.match(conf, /^nameserver 127\.0\.0\.11\nsearch a\.test\noptions ndots:2\n\n.*\n# ExtServers: \[127\.0\.0\.77\]\n# Overrides: \[nameservers search options\]\n# Option ndots from: override\n$/m);
  first.asked.length = 0;
  assert.equal((await dig('own', 'example.test')).status, 'SERVFAIL');
  assert.equal((await dig('own', 'short')).status, 'NOERROR');
  assert.deepEqual(first.asked, []);
  // A resolver that is told to ask itself does not.
  await run('looped', '--network', 'front', '--dns', '127.0.0.11');
  assert.equal((await dig('looped', 'example.test')).status, 'SERVFAIL');
  await remove('own', 'looped');
});

test('a name server in the container may have port 53, and what joins its network asks the same', { skip }, async () => {
  await run('server', '--network', 'front');
  await docker.ok(['exec', '-d', 'server', 'nc', '-ll', '-p', '53', '-e', 'cat']);
  await until(async () => (await docker.ok(['exec', 'server', 'netstat', '-ltn'])).stdout.match(/(?:0\.0\.0\.0|::):53 /) !== null);
  assert.deepEqual((await dig('server', 'server', '+tcp')).records, [await address('server', 'front')]);
  const joined = await docker.ok(['run', '--rm', '--network', 'container:server', image, 'nslookup', 'server']);
  assert.match(joined.stdout, /Server:\t\t127\.0\.0\.11/);
  await remove('server');
});

test('names go on while the engine is gone, and are there a moment after the resolver was killed', { skip }, async () => {
  await run('one', '--network', 'front', '--network-alias', 'kept');
  await run('two', '--network', 'front');
  const [own, pid] = [await address('one', 'front'), await docker.format('two', '{{.State.Pid}}')];
  const resolverPid = (): number => Number(readFileSync(join(engine.run, 'resolver.pid'), 'utf8'));
  const answers = async (): Promise<boolean> => (await digIn(pid, 'kept', '+time=1')).records[0] === own;
  const killResolver = async (): Promise<number> => {
    const former = resolverPid();
    process.kill(former, 'SIGKILL');
    const began = performance.now();
    await until(async () => resolverPid() !== former && (await answers()));
    return performance.now() - began;
  };

  // The keeper stands still, so that no engine comes back by itself.
  const [keeper, killed] = [engine.keeperPid(), engine.enginePid()];
  process.kill(keeper, 'SIGSTOP');
  process.kill(killed, 'SIGKILL');
  try {
    assert.equal(await answers(), true, 'without an engine');
    // From sources on a busy machine: the fastest of three is what the machinery takes.
    const times = [await killResolver(), await killResolver(), await killResolver()];
    assert.ok(Math.min(...times) < 1000, `it took ${times.map(Math.round).join(', ')} ms`);
  } finally {
    process.kill(keeper, 'SIGCONT');
  }
  await until(async () => engine.enginePid() !== killed && (await docker(['ps'])).code === 0);
  assert.equal(await answers(), true, 'with the next engine');
  await killResolver();
  await run('three', '--network', 'front');
  assert.deepEqual((await dig('three', 'kept')).records, [own]);
  assert.deepEqual((await dig('one', 'three')).records, [await address('three', 'front')]);
  await remove('one', 'two', 'three');
});

test('with shell and resolver both killed the engine starts others', { skip }, async () => {
  await run('one', '--network', 'front');
  const own = await address('one', 'front');
  const resolver = Number(readFileSync(join(engine.run, 'resolver.pid'), 'utf8'));
  const shell = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${resolver}/status`, 'utf8'))?.[1]);
  assert.match(readFileSync(`/proc/${shell}/cmdline`, 'utf8'), /resolver\.sh/);
  for (const pid of [shell, resolver]) process.kill(pid, 'SIGKILL');
  await until(async () => (await dig('one', 'one', '+time=1')).records[0] === own, 5000);
  await remove('one');
});
