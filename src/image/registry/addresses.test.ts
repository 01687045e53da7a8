import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRange, requireReachable, zoneOf } from './addresses.ts';

const names: Record<string, string[]> = {
  'registry.test': ['93.184.216.34'],
  'auth.test': ['93.184.216.40'],
  'inside.test': ['10.1.2.3'],
  'rebound.test': ['93.184.216.40', '127.0.0.1'],
};
const resolve = async (name: string): Promise<string[]> => names[name] ?? [name];
const ask = (from: string, to: string): Promise<string[]> => requireReachable(new URL(from), new URL(to), 'token server', resolve);

test('zones', () => {
  assert.deepEqual(
    ['127.9.9.9', '::1', '0.0.0.0', '169.254.169.254', 'fe80::1', '10.0.0.1', '172.31.0.1', '172.32.0.1', 'fd00::1', '::ffff:127.0.0.1', '8.8.8.8', '2606:4700::1'].map(zoneOf),
    ['loopback', 'loopback', 'loopback', 'link-local', 'link-local', 'private', 'private', 'public', 'private', 'loopback', 'public', 'public'],
  );
});

test('ranges', () => {
  assert.deepEqual(parseRange('10.0.0.0/8'), { address: '10.0.0.0', bits: 8 });
  assert.deepEqual(parseRange('::1'), { address: '::1', bits: 128 });
  for (const text of ['10.0.0.0/33', 'host:5000', '10.0.0.0/x', '']) assert.equal(parseRange(text), undefined);
});

test('a public registry cannot send us to this machine, the link or the private net', async () => {
  for (const to of ['https://127.0.0.1/token', 'https://169.254.169.254/latest', 'https://inside.test/token', 'https://[::1]/token', 'https://rebound.test/t']) {
    await assert.rejects(ask('https://registry.test', to), /names .* as its token server, which is refused: it leads to a/);
  }
  await assert.rejects(ask('https://registry.test', 'http://auth.test/token'), /it would leave TLS/);
  await assert.rejects(ask('https://registry.test', 'ftp://auth.test/token'), /not an HTTP address/);
  await assert.rejects(ask('https://registry.test', 'https://user:x@auth.test/token'), /carries a user name/);
});

test('the harmless twins: a public token server, one beside a private registry, one beside a registry on this machine', async () => {
  assert.deepEqual(await ask('https://registry.test', 'https://auth.test/token'), ['93.184.216.40']);
  assert.deepEqual(await ask('https://inside.test', 'https://192.168.1.1/token'), ['192.168.1.1']);
  assert.deepEqual(await ask('http://127.0.0.1:5000', 'http://127.0.0.1:5001/token'), ['127.0.0.1']);
});
