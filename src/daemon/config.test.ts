import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EngineConfig, loadConfig } from './config.ts';

function load(args: string[], files: Record<string, unknown> = {}, env: Record<string, string> = {}, user = 0): EngineConfig {
  return loadConfig({ args, user, env, readFile: (path) => (path in files ? (typeof files[path] === 'string' ? files[path] : JSON.stringify(files[path])) : undefined) });
}
const file = '/etc/gantry/daemon.json';

test('without anything said: the machine\'s folders for root, the user\'s own otherwise', () => {
  const root = load([]);
  assert.deepEqual([root.root, root.run, root.addresses, root.pidFile], ['/var/lib/gantry', '/run/gantry', [{ kind: 'unix', path: '/run/gantry/gantry.sock' }], '/run/gantry/engine.pid']);
  const user = load([], {}, { HOME: '/home/u', XDG_RUNTIME_DIR: '/run/user/7' }, 7);
  assert.deepEqual([user.root, user.run], ['/home/u/.local/share/gantry', '/run/user/7/gantry']);
});

test('flags in their forms', () => {
  const config = load(['-D', '--label', 'a=b', '--label=c=d', '--mtu', '1400', '--ip-masq=false', '--log-opt', 'max-size=1m', '--default-ulimit', 'nofile=10:20', '--default-address-pool', 'base=10.9.0.0/16,size=24', '--add-runtime', 'r=/bin/r']);
  assert.equal(config.logLevel, 'debug');
  assert.deepEqual(config.settings, {
    debug: true,
    labels: ['a=b', 'c=d'],
    mtu: 1400,
    'ip-masq': false,
    'log-opts': { 'max-size': '1m' },
    'default-ulimits': { nofile: { Name: 'nofile', Soft: 10, Hard: 20 } },
    'default-address-pools': [{ base: '10.9.0.0/16', size: 24 }],
    runtimes: { r: { path: '/bin/r' } },
  });
});

test('the file says the same in Docker\'s terms', () => {
  const config = load([], {
    [file]: {
      'log-format': 'json',
      'data-root': '/data',
      'log-opts': { 'max-size': '1m' },
      'default-ulimits': { nofile: { Name: 'nofile', Soft: 10, Hard: 20 } },
      'default-address-pools': [{ base: '10.9.0.0/16', size: 24 }],
      hosts: ['unix:///x.sock', 'tcp://127.0.0.1:99'],
      tlsverify: true,
    },
  });
  assert.equal(config.logFormat, 'json');
  assert.equal(config.root, '/data');
  assert.deepEqual(config.addresses, [{ kind: 'unix', path: '/x.sock' }, { kind: 'tcp', host: '127.0.0.1', port: 99 }]);
  assert.equal(config.tls?.verify, true);
});

test('unknown keys are refused by name, and so are wrong types', () => {
  assert.throws(() => load([], { [file]: { debug: true, 'data-rooot': '/x', other: 1 } }), /don't match any configuration option: data-rooot, other$/);
  assert.throws(() => load([], { [file]: { debug: 'yes' } }), /debug in .* must be true or false/);
  assert.throws(() => load([], { [file]: { labels: 'a=b' } }), /labels in .* must be a list of strings/);
  assert.throws(() => load([], { [file]: { 'default-address-pools': [{ base: '10.0.0.0/8' }] } }), /default-address-pools in .*\[0\]\.size/);
  assert.throws(() => load([], { [file]: '{' }), /is not JSON/);
  assert.throws(() => load(['--nonsense']), /unknown flag: --nonsense/);
  assert.throws(() => load(['--mtu']), /flag needs an argument: --mtu/);
  assert.throws(() => load(['--mtu', 'big']), /invalid value "big" for --mtu/);
});

test('a key in the file and as a flag is a conflict; different keys are none', () => {
  assert.throws(() => load(['-D'], { [file]: { debug: false } }), /specified both as a flag and in the configuration file: debug: \(from flag: true, from file: false\)/);
  assert.equal(load(['-D'], { [file]: { mtu: 1400 } }).settings.mtu, 1400);
});

test('a file that was named must exist', () => {
  assert.throws(() => load(['--config-file', '/none.json']), /\/none\.json does not exist/);
  assert.equal(load(['--config-file', '/some.json'], { '/some.json': { mtu: 9 } }).settings.mtu, 9);
});

test('what cannot be done is refused with the reason, what changes nothing is told', () => {
  assert.throws(() => load(['--storage-driver', 'btrfs']), /storage-driver="btrfs" is refused: the storage driver is overlay2/);
  assert.deepEqual(load(['--storage-driver', 'overlay2']).warnings, []);
  assert.throws(() => load([], { [file]: { runtimes: { r: { path: '/bin/r', runtimeArgs: ['--debug'] } } } }), /runtimes in .*\.r\.runtimeArgs is refused/);
  assert.match(load(['--live-restore']).warnings.join(), /containers always outlive the engine/);
});

test('plain tcp must be asked for twice; with client certificates once is enough', () => {
  assert.throws(() => load(['--host', 'tcp://0.0.0.0:2375']), /use --tlsverify, or repeat the wish with --allow-insecure-tcp/);
  assert.throws(() => load(['--host', 'tcp://0.0.0.0', '--tls']), /without client certificates/);
  assert.match(load(['--host', 'tcp://0.0.0.0:2375', '--allow-insecure-tcp']).warnings.join(), /lets everyone who reaches it/);
  const secure = load(['--host', 'tcp://[::1]', '--tlsverify', '--tlscacert', '/ca', '--tlscert', '/c', '--tlskey', '/k']);
  assert.deepEqual([secure.addresses, secure.tls, secure.warnings], [[{ kind: 'tcp', host: '::1', port: 2376 }], { verify: true, ca: '/ca', cert: '/c', key: '/k' }, []]);
});

test('hosts that are none are refused', () => {
  for (const host of ['npipe://x', 'unix://relative', 'tcp://name.example:1', 'tcp://127.0.0.1:99999']) assert.throws(() => load(['-H', host]), /invalid host/);
});
