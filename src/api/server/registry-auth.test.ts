import assert from 'node:assert/strict';
import { test } from 'node:test';
import { registryAuth, registryConfig } from './registry-auth.ts';

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

test('credentials in headers: known members, either base64, nothing where nothing can be read', () => {
  assert.deepEqual(registryAuth({ 'x-registry-auth': encode({ username: 'a', password: 'ü', email: 'x', serveraddress: '' }) }), { username: 'a', password: 'ü' });
  assert.deepEqual(registryAuth({ 'x-registry-auth': Buffer.from('{"identitytoken":"~~~>>>???"}').toString('base64') }), { identitytoken: '~~~>>>???' });
  for (const header of [undefined, '', '{}', encode({}), encode([]), encode(null), 'not base64!']) assert.equal(registryAuth({ 'x-registry-auth': header }), undefined);
});

test('credentials of many registries', () => {
  assert.deepEqual(registryConfig({ 'x-registry-config': encode({ 'host:5000': { auth: 'YTpi' }, odd: 3 }) }), { 'host:5000': { auth: 'YTpi' } });
  assert.deepEqual(registryConfig({}), {});
});
