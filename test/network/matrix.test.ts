/** Who reaches whom, by name, TCP and ping, for every pair of network kinds: before, during and after the engine's death. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createDockerCli, until, type DockerCli } from '../clients/docker-cli.ts';
import { freePort, importBusybox } from '../clients/host.ts';
import { startEngine, type TestEngine } from '../rig.ts';

const image = 'matrix/busybox:1';
const skip = process.getuid?.() === 0 ? false : 'needs root: makes network namespaces';

/** How a network is made, and what it gives to those who are on it. */
const networks: Record<string, { options: string[]; reach: boolean }> = {
  red: { options: [], reach: true },
  blue: { options: [], reach: true },
  sealed: { options: ['--internal'], reach: true },
  quiet: { options: ['-o', 'com.docker.network.bridge.enable_icc=false'], reach: false },
  six: { options: ['--ipv6', '--subnet', 'fd00:6a7:1::/64'], reach: true },
  mac: { options: ['-d', 'macvlan', '--internal'], reach: true },
  ipv: { options: ['-d', 'ipvlan', '--internal'], reach: true },
};

/** On which networks each container is; `bridge` is the default one. */
const members: Record<string, string[]> = {
  default1: ['bridge'], default2: ['bridge'],
  red1: ['red'], red2: ['red'], blue1: ['blue'], both: ['red', 'blue'],
  sealed1: ['sealed'], sealed2: ['sealed'],
  quiet1: ['quiet'], quiet2: ['quiet'],
  six1: ['six'], six2: ['six'],
  mac1: ['mac'], mac2: ['mac'],
  ipv1: ['ipv'], ipv2: ['ipv'],
  lonely: [], joined: ['red'], host: [],
};
const names = Object.keys(members);
/** Kinds that this machine's kernel does not have. */
const lacking = new Set<string>();
const hasWayOfBridge = (network: string): boolean => !['mac', 'ipv'].includes(network);

interface Seen {
  tcp: boolean;
  ping: boolean;
  name: boolean;
}

/** What the kinds promise. */
function expected(from: string, to: string): Seen {
  if (from === to || (from === 'joined' && to === 'red1') || (from === 'red1' && to === 'joined')) {
    const reached = from !== 'host';
    return { tcp: true, ping: true, name: reached && (members[from] ?? []).some((network) => network !== 'bridge') };
  }
  if (to === 'lonely' || from === 'lonely') return { tcp: false, ping: false, name: false };
  // The host has an address on every bridge, and containers may talk to it there.
  if (from === 'host' || to === 'host') {
    const reached = (members[from === 'host' ? to : from] ?? []).some(hasWayOfBridge);
    return { tcp: reached, ping: reached, name: false };
  }
  const shared = (members[from] ?? []).filter((network) => members[to]?.includes(network));
  const reached = shared.some((network) => networks[network]?.reach ?? true);
  return { tcp: reached, ping: reached, name: shared.some((network) => network !== 'bridge') };
}

let engine: TestEngine;
let docker: DockerCli;
let port: number;
/** Of each container: the process, and all its addresses. */
const pids = new Map<string, string>();
const addresses = new Map<string, string[]>();
const gateways = new Map<string, string[]>();

before(async () => {
  if (skip !== false) return;
  engine = await startEngine();
  docker = createDockerCli(engine.url);
  port = await freePort();
  await importBusybox(docker, image);
  for (const [name, { options }] of Object.entries(networks)) await docker.ok(['network', 'create', ...options, name]);
  const start = async (name: string): Promise<void> => {
    const kind = name === 'host' ? ['--network', 'host'] : name === 'lonely' ? ['--network', 'none'] : name === 'joined' ? ['--network', 'container:red1'] : [];
    const attached = kind.length > 0 ? kind : (members[name] ?? []).flatMap((network) => ['--network', network]);
    const command = name === 'joined' ? ['sleep', '1000'] : ['httpd', '-f', '-p', String(port), '-h', '/etc'];
    const { code, stderr } = await docker(['run', '-d', '--name', name, ...attached, image, ...command]);
    if (!stderr.includes('Unknown device type')) {
      assert.equal(code, 0, stderr);
      return;
    }
    lacking.add(members[name]?.[0] ?? '');
    names.splice(names.indexOf(name), 1);
  };
  for (const name of [...names]) await start(name);
  for (const name of names) {
    const text = await docker.format(name, '{{.State.Pid}}|{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}} {{end}}|{{range .NetworkSettings.Networks}}{{.Gateway}} {{.IPv6Gateway}} {{end}}');
    const [pid = '', own = '', ways = ''] = text.split('|');
    const list = (words: string): string[] => words.split(' ').filter((word) => word !== '' && word !== 'invalid' && word !== 'IP');
    pids.set(name, pid);
    addresses.set(name, list(own));
    gateways.set(name, list(ways));
  }
  addresses.set('joined', addresses.get('red1') ?? []);
  gateways.set('joined', gateways.get('red1') ?? []);
  // An internal network's bridge has the address that its containers do not use as a gateway.
  gateways.set('sealed1', [await docker.format('sealed1', '{{.NetworkSettings.Networks.sealed.IPAddress}}')].map((address) => address.replace(/\d+$/, '1')));
  gateways.set('sealed2', gateways.get('sealed1') ?? []);
});

after(async () => {
  if (skip === false) await engine.stop();
});

const probe = String.raw`
const { connect } = require('node:net');
const { execFile } = require('node:child_process');
const { Resolver } = require('node:dns').promises;
const { port, targets } = JSON.parse(process.argv[1]);
const tcp = (host) => new Promise((resolve) => {
  const socket = connect({ host, port });
  const done = (reached) => { socket.destroy(); resolve(reached); };
  socket.setTimeout(1200, () => done(false)).on('connect', () => done(true)).on('error', () => done(false));
});
const ping = (host) => new Promise((resolve) => execFile('/bin/busybox', ['ping', '-c', '1', '-W', '1', host], (error) => resolve(error === null)));
const any = async (hosts, test) => (await Promise.all(hosts.map(test))).includes(true);
const resolver = new Resolver({ timeout: 1500, tries: 2 });
resolver.setServers(['127.0.0.11']);
const named = async (name, addresses) => {
  try { return (await resolver.resolve4(name + '.')).some((address) => addresses.includes(address)); } catch { return false; }
};
(async () => {
  // One after the other: starting pings holds this program up, and its timers would run out meanwhile.
  const byTcp = await Promise.all(targets.map(({ hosts }) => any(hosts, tcp)));
  const byName = await Promise.all(targets.map(({ name, addresses }) => named(name, addresses)));
  const byPing = await Promise.all(targets.map(({ hosts }) => any(hosts, ping)));
  const seen = targets.map(({ name }, index) => [name, { tcp: byTcp[index], ping: byPing[index], name: byName[index] }]);
  process.stdout.write(JSON.stringify(Object.fromEntries(seen)));
})();`;

/** What one container sees of all. */
function look(from: string): Promise<Record<string, Seen>> {
  const targets = names.map((name) => {
    const own = addresses.get(name) ?? [];
    // What is on no bridge is on no route of this machine either: a packet to it would leave by the default route.
    const isLocal = (members[name] ?? []).every((network) => hasWayOfBridge(network) || members[from]?.includes(network));
    const hosts = name === from ? ['127.0.0.1'] : name === 'host' ? (gateways.get(from) ?? []) : isLocal ? own : [];
    return { name: name === 'joined' ? 'red1' : name, hosts, addresses: own };
  });
  const input = JSON.stringify({ port, targets });
  return new Promise((resolve, reject) =>
    execFile('nsenter', ['-t', pids.get(from) ?? '', '-n', process.execPath, '-e', probe, input], { timeout: 20_000 }, (error, stdout) => {
      if (error) reject(error);
      else {
        const seen = JSON.parse(stdout) as Record<string, Seen>;
        resolve({ ...seen, joined: seen['red1'] ?? { tcp: false, ping: false, name: false } });
      }
    }),
  );
}

const show = ({ tcp, ping, name }: Seen): string => [tcp ? 'tcp' : '', ping ? 'ping' : '', name ? 'name' : ''].filter(Boolean).join('+') || 'nothing';

async function assertMatrix(when: string): Promise<void> {
  const wrong: string[] = [];
  const sights = new Map<string, Record<string, Seen>>();
  const waiting = [...names];
  // Most of the time is spent waiting for what does not come.
  await Promise.all(Array.from({ length: 6 }, async () => {
    for (let from = waiting.shift(); from !== undefined; from = waiting.shift()) sights.set(from, await look(from));
  }));
  for (const from of names) {
    const seen = sights.get(from) ?? {};
    for (const to of names) {
      const [is, should] = [show(seen[to] ?? { tcp: false, ping: false, name: false }), show(expected(from, to))];
      if (is !== should) wrong.push(`${from} -> ${to}: ${is}, not ${should}`);
    }
  }
  assert.deepEqual(wrong, [], when);
}

test('every pair, before, during and after the death of engine and resolver', { skip }, async (context) => {
  for (const network of lacking) context.diagnostic(`the kernel has no ${network}lan`);
  await context.test('with an engine', () => assertMatrix('with an engine'));
  const [keeper, killed] = [engine.keeperPid(), engine.enginePid()];
  process.kill(keeper, 'SIGSTOP');
  try {
    process.kill(killed, 'SIGKILL');
    await context.test('while no engine lives', () => assertMatrix('while no engine lives'));
  } finally {
    process.kill(keeper, 'SIGCONT');
  }
  await until(async () => engine.enginePid() !== killed && (await docker(['ps'])).code === 0);
  await context.test('with the next engine', () => assertMatrix('with the next engine'));
  const resolver = readFileSync(join(engine.run, 'resolver.pid'), 'utf8');
  process.kill(Number(resolver), 'SIGKILL');
  await until(async () => existsSync(join(engine.run, 'resolver.pid')) && readFileSync(join(engine.run, 'resolver.pid'), 'utf8') !== resolver);
  await until(async () => (await look('red2'))['red1']?.name === true);
  await context.test('with the next resolver', () => assertMatrix('with the next resolver'));
});
