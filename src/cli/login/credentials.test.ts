import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Cli } from '../command/cli.ts';
import { globalFlags, type GlobalFlags } from '../command/global-flags.ts';
import { allCredentials, credentialsFor, eraseCredentials, HUB, serverName, storeCredentials } from './credentials.ts';

const root = mkdtempSync(join(tmpdir(), 'gantry-login-'));
const path = process.env['PATH'] ?? '';
after(() => {
  process.env['PATH'] = path;
  rmSync(root, { recursive: true });
});

let count = 0;
function cliWith(config?: unknown): { cli: () => Cli; file: string; folder: string } {
  const folder = join(root, `config-${count++}`);
  mkdirSync(folder);
  const file = join(folder, 'config.json');
  if (config !== undefined) writeFileSync(file, JSON.stringify(config), { mode: 0o644 });
  const globals = { ...Object.fromEntries(Object.entries(globalFlags).map(([name, flag]) => [name, flag.initial])), config: folder } as unknown as GlobalFlags;
  return { folder, file, cli: () => new Cli({ program: 'gantry', globals }) };
}

/** A helper as docker's are: a program that keeps secrets in a folder. */
function installHelper(name: string): string {
  const bin = join(root, 'bin');
  const vault = join(root, `vault-${name}`);
  mkdirSync(bin, { recursive: true });
  mkdirSync(vault);
  const program = join(bin, `docker-credential-${name}`);
  writeFileSync(
    program,
    `#!/bin/sh
vault='${vault}'
key() { printf %s "$1" | tr '/:' '__'; }
input=$(cat)
case $1 in
  store) url=$(printf %s "$input" | sed 's/.*"ServerURL":"\\([^"]*\\)".*/\\1/'); printf %s "$input" > "$vault/$(key "$url")" ;;
  get) [ -f "$vault/$(key "$input")" ] || { echo 'credentials not found in native keychain'; exit 1; }; cat "$vault/$(key "$input")" ;;
  erase) rm -f "$vault/$(key "$input")" ;;
  list) printf '{'; sep=; for f in "$vault"/*; do [ -f "$f" ] || continue; printf '%s' "$sep"; sed 's/.*"ServerURL":"\\([^"]*\\)","Username":"\\([^"]*\\)".*/"\\1":"\\2"/' "$f"; sep=,; done; printf '}' ;;
esac
`,
  );
  chmodSync(program, 0o755);
  process.env['PATH'] = `${bin}:${path}`;
  return vault;
}

test('servers are named as docker names them', () => {
  assert.deepEqual(['', 'docker.io', 'https://index.docker.io/v1/', 'https://reg.example:5000/v2/', 'reg.example', 'localhost:5000'].map(serverName), [
    HUB, HUB, HUB, 'reg.example:5000', 'reg.example', 'localhost:5000',
  ]);
});

test('without a helper credentials lie in the file, for its owner only, and everything else in it stays', async () => {
  process.env['PATH'] = '/nonexistent';
  const { cli, file } = cliWith({ psFormat: 'x', auths: { 'other.example': { auth: 'YTpi' } } });
  assert.deepEqual(await storeCredentials(cli(), 'reg.example', { username: 'u', password: 'p:w' }), { plainText: true });
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), { psFormat: 'x', auths: { 'other.example': { auth: 'YTpi' }, 'reg.example': { auth: Buffer.from('u:p:w').toString('base64') } } });
  assert.deepEqual(await credentialsFor(cli(), 'reg.example/team/app:1'), { username: 'u', password: 'p:w', serveraddress: 'reg.example' });
  assert.equal(await credentialsFor(cli(), 'busybox'), undefined);
  assert.deepEqual(Object.keys(await allCredentials(cli())), ['other.example', 'reg.example']);
  await storeCredentials(cli(), 'token.example', { username: 'u', password: '', identitytoken: 'T' });
  assert.deepEqual(await credentialsFor(cli(), 'token.example/a'), { username: 'u', password: '', identitytoken: 'T', serveraddress: 'token.example' });
  await eraseCredentials(cli(), 'reg.example');
  assert.equal(await credentialsFor(cli(), 'reg.example/a'), undefined);
});

test('entries of old tools count, and the Hub answers to all its names', async () => {
  const { cli } = cliWith({ auths: { 'https://reg.example/v1/': { auth: 'YTpi' }, [HUB]: { auth: 'aDpi' } } });
  assert.equal((await credentialsFor(cli(), 'reg.example/a'))?.username, 'a');
  for (const image of ['busybox', 'docker.io/team/app', 'index.docker.io/library/x']) assert.equal((await credentialsFor(cli(), image))?.username, 'h', image);
});

test('where there is a helper no secret lies in the file; identity tokens go through it too', async () => {
  installHelper('vault');
  installHelper('special');
  const { cli, file } = cliWith({ credsStore: 'vault', credHelpers: { 'special.example': 'special' } });
  assert.deepEqual(await storeCredentials(cli(), 'reg.example', { username: 'u', password: 'secret' }), { plainText: false });
  await storeCredentials(cli(), 'special.example', { username: 'u', identitytoken: 'token' });
  assert.doesNotMatch(readFileSync(file, 'utf8'), /secret|token/);
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')).auths, { 'reg.example': {}, 'special.example': {} });
  assert.deepEqual(await credentialsFor(cli(), 'reg.example/a'), { username: 'u', password: 'secret', serveraddress: 'reg.example' });
  assert.deepEqual(await credentialsFor(cli(), 'special.example/a'), { identitytoken: 'token', serveraddress: 'special.example' });
  assert.deepEqual(Object.keys(await allCredentials(cli())).sort(), ['reg.example', 'special.example']);
  await eraseCredentials(cli(), 'reg.example');
  assert.equal(await credentialsFor(cli(), 'reg.example/a'), undefined);
});

test('a helper that is missing or fails says so, without the secret', async () => {
  installHelper('fine');
  const { cli } = cliWith({ credsStore: 'absent' });
  await assert.rejects(credentialsFor(cli(), 'reg.example/a'), /docker-credential-absent.*executable file not found/);
  const broken = join(root, 'bin', 'docker-credential-broken');
  writeFileSync(broken, '#!/bin/sh\necho locked\nexit 3\n', { mode: 0o755 });
  await assert.rejects(credentialsFor(cliWith({ credsStore: 'broken' }).cli(), 'a'), /exit status 3, out: `locked`/);
  writeFileSync(join(root, 'bin', 'docker-credential-chatty'), '#!/bin/sh\necho secret-not-json\n', { mode: 0o755 });
  await assert.rejects(credentialsFor(cliWith({ credsStore: 'chatty' }).cli(), 'a'), (error: Error) => /not a JSON object/.test(error.message) && !error.message.includes('secret'));
});

test('the helper that docker finds by itself is found, but only while nothing is stored in the file', async () => {
  const vault = installHelper('pass');
  writeFileSync(join(root, 'bin', 'pass'), '#!/bin/sh\n', { mode: 0o755 });
  const fresh = cliWith();
  assert.deepEqual(await storeCredentials(fresh.cli(), 'reg.example', { username: 'u', password: 'p' }), { plainText: false });
  assert.equal(JSON.parse(readFileSync(fresh.file, 'utf8')).credsStore, 'pass');
  assert.match(readFileSync(join(vault, 'reg.example'), 'utf8'), /"Secret":"p"/);
  const used = cliWith({ auths: { 'other.example': { auth: 'YTpi' } } });
  assert.deepEqual(await storeCredentials(used.cli(), 'reg.example', { username: 'u', password: 'p' }), { plainText: true });
});

test('a config.json that is a symlink stays one', async () => {
  process.env['PATH'] = '/nonexistent';
  const { cli, file } = cliWith();
  const real = join(root, 'real.json');
  writeFileSync(real, '{}');
  symlinkSync(real, file);
  await storeCredentials(cli(), 'reg.example', { username: 'u', password: 'p' });
  assert.match(readFileSync(real, 'utf8'), /reg\.example/);
});
