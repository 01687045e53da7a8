import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEndpoints } from './endpoints.ts';

const addresses: Record<string, string[]> = { 'lab.test': ['10.3.0.1'], localhost: ['127.0.0.1'] };
const resolve = async (name: string): Promise<string[]> => addresses[name] ?? (/^[\d.]+$|:/.test(name) ? [name] : ['93.184.216.34']);
const of = async (domain: string, purpose: 'pull' | 'push' = 'pull'): Promise<string[]> => {
  const endpoints = createEndpoints({ mirrors: ['https://mirror.test', 'http://127.0.0.1:5001/'], insecure: ['old.test:5000', '10.3.0.0/16'], resolve });
  return (await endpoints.of(domain, purpose)).map(({ base, verify, mirror }) => `${base.origin}${verify ? '' : ' lax'}${mirror ? ' mirror' : ''}`);
};

test('docker.io: mirrors first for pulls, never for pushes', async () => {
  assert.deepEqual(await of('docker.io'), ['https://mirror.test mirror', 'http://127.0.0.1:5001 lax mirror', 'https://registry-1.docker.io']);
  assert.deepEqual(await of('docker.io', 'push'), ['https://registry-1.docker.io']);
});

test('others over TLS; insecure ones and loopback fall back to plain HTTP', async () => {
  assert.deepEqual(await of('quay.test'), ['https://quay.test']);
  assert.deepEqual(await of('old.test:5000'), ['https://old.test:5000 lax', 'http://old.test:5000']);
  assert.deepEqual(await of('old.test:5001'), ['https://old.test:5001']);
  assert.deepEqual(await of('lab.test:5000'), ['https://lab.test:5000 lax', 'http://lab.test:5000']);
  assert.deepEqual(await of('localhost:5000'), ['https://localhost:5000 lax', 'http://localhost:5000']);
  assert.deepEqual(await of('[::1]:5000'), ['https://[::1]:5000 lax', 'http://[::1]:5000']);
});

test('settings that name no registry are refused', () => {
  for (const mirrors of [['ftp://x'], ['x'], ['https://x/path'], ['https://u:p@x']]) assert.throws(() => createEndpoints({ mirrors, insecure: [] }), /invalid mirror/);
  assert.throws(() => createEndpoints({ mirrors: [], insecure: ['a b'] }), /insecure registry/);
});
