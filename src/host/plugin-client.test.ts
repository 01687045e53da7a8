import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { findPlugin, listPlugins } from './plugin-discovery.ts';
import { openPlugins, type Plugins } from './plugin-client.ts';

type Answer = (method: string, body: string, response: ServerResponse, request: IncomingMessage) => void;

const activation = (...capabilities: string[]): string => JSON.stringify({ Implements: capabilities });

/** A plugin on a unix socket in folders of the test's own. */
async function rig(t: TestContext, answer: Answer, name = 'p'): Promise<{ plugins: Plugins; folder: string; pauses: number[]; calls: string[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'plugins-'));
  mkdirSync(join(folder, 'sockets'));
  mkdirSync(join(folder, 'specs'));
  const calls: string[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (part: Buffer) => (body += part.toString()));
    request.on('end', () => {
      const method = request.url?.slice(1) ?? '';
      calls.push(`${method} ${body}`.trim());
      answer(method, body, response, request);
    });
  });
  await new Promise<void>((resolve) => server.listen(join(folder, 'sockets', `${name}.sock`), resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  });
  const pauses: number[] = [];
  let now = 0;
  const clock = {
    now: () => now,
    sleep: (ms: number): Promise<void> => {
      pauses.push(ms);
      now += ms;
      return Promise.resolve();
    },
  };
  const plugins = openPlugins({ folders: { sockets: [join(folder, 'sockets')], specs: [join(folder, 'specs')] }, clock });
  return { plugins, folder, pauses, calls };
}

test('a plugin is activated once and called with what it needs', async (t) => {
  const { plugins, calls } = await rig(t, (method, body, response, request) => {
    assert.equal(request.headers.accept, 'application/vnd.docker.plugins.v1.2+json');
    response.end(method === 'Plugin.Activate' ? activation('VolumeDriver') : JSON.stringify({ Echo: body }));
  });
  const [one, two] = await Promise.all([plugins.get('p', 'VolumeDriver'), plugins.get('p', 'VolumeDriver')]);
  assert.equal(one, two);
  assert.deepEqual(await one.call('VolumeDriver.Create', { Name: 'v' }), { Echo: '{"Name":"v"}' });
  assert.deepEqual(calls, ['Plugin.Activate', 'VolumeDriver.Create {"Name":"v"}']);
  await assert.rejects(plugins.get('p', 'NetworkDriver'), { code: 'not_found', message: 'plugin "p" found but does not implement NetworkDriver' });
  await assert.rejects(plugins.get('q', 'VolumeDriver'), { code: 'not_found', message: 'plugin "q" not found' });
  assert.deepEqual((await plugins.list('VolumeDriver')).map(({ name }) => name), ['p']);
});

test('a plugin\'s own words reach the caller, whatever status carries them', async (t) => {
  const { plugins } = await rig(t, (method, _body, response) => {
    if (method === 'Plugin.Activate') response.end(activation('VolumeDriver'));
    else if (method === 'a') response.writeHead(500).end('{"Err":"disk is full"}');
    else if (method === 'b') response.end('{"Err":"disk is full"}');
    else if (method === 'c') response.writeHead(404).end('404 page not found\n');
    else if (method === 'd') response.end('{"Err":""}');
    else response.end('<html>');
  });
  const plugin = await plugins.get('p', 'VolumeDriver');
  await assert.rejects(plugin.call('a'), { code: 'internal', message: 'a: disk is full' });
  await assert.rejects(plugin.call('b'), { code: 'internal', message: 'b: disk is full' });
  await assert.rejects(plugin.call('c'), { code: 'internal', message: 'c: 404 page not found' });
  assert.deepEqual(await plugin.call('d'), { Err: '' });
  await assert.rejects(plugin.call('e'), { code: 'unavailable', message: /no JSON object/ });
});

test('what hangs, floods or dies ends the call and nothing else', async (t) => {
  const { plugins, calls } = await rig(t, (method, _body, response, request) => {
    if (method === 'Plugin.Activate') response.end(activation('VolumeDriver'));
    else if (method === 'flood') response.end(`{"x":"${'y'.repeat(5 * 1024 * 1024)}"}`);
    else if (method === 'die') request.socket.destroy();
    else if (method === 'fine') response.end('{}');
  });
  const plugin = await plugins.get('p', 'VolumeDriver');
  await assert.rejects(plugin.call('hang', {}, { timeout: 30 }), { code: 'unavailable', message: 'plugin "p": hang: no answer within 0.03 s' });
  await assert.rejects(plugin.call('flood'), { code: 'unavailable', message: /larger than/ });
  await assert.rejects(plugin.call('die'), { code: 'unavailable' });
  assert.equal(calls.filter((call) => call === 'die').length, 1, 'what may have been carried out is not said again');
  assert.deepEqual(await plugin.call('fine'), {});
});

test('a refused connection is tried again with Docker\'s pauses', async (t) => {
  const { plugins, folder, pauses } = await rig(t, (_method, _body, response) => response.end(activation('IpamDriver')));
  writeFileSync(join(folder, 'specs', 'gone.spec'), `unix://${folder}/nobody.sock\n`);
  await assert.rejects(plugins.get('gone', 'IpamDriver'), { code: 'unavailable', message: /plugin "gone": Plugin.Activate: .*ENOENT/ });
  assert.deepEqual(pauses, [1000, 2000, 4000, 8000]);
  assert.deepEqual((await plugins.list('IpamDriver')).map(({ name }) => name), ['p'], 'a listing does not wait for it');
});

test('sockets, URLs and JSON descriptions are found, and no path outside', async (t) => {
  const { folder } = await rig(t, () => {}, 's');
  const folders = { sockets: [join(folder, 'sockets')], specs: [join(folder, 'specs')] };
  writeFileSync(join(folder, 'specs', 'u.spec'), 'tcp://[::1]:8080');
  mkdirSync(join(folder, 'specs', 'j'));
  writeFileSync(join(folder, 'specs', 'j', 'j.json'), JSON.stringify({ Name: 'j', Addr: 'https://10.0.0.1:9', TLSConfig: { CAFile: '/ca', InsecureSkipVerify: false } }));
  writeFileSync(join(folder, 'specs', 'bad.json'), '{"Addr":"ftp://x"}');
  assert.deepEqual(listPlugins(folders), ['bad', 'j', 's', 'u']);
  assert.deepEqual(findPlugin(folders, 's'), { kind: 'unix', path: join(folder, 'sockets', 's.sock') });
  assert.deepEqual(findPlugin(folders, 'u'), { kind: 'tcp', host: '::1', port: 8080, tls: undefined });
  assert.deepEqual(findPlugin(folders, 'j'), { kind: 'tcp', host: '10.0.0.1', port: 9, tls: { insecure: false, caFile: '/ca', certFile: undefined, keyFile: undefined } });
  assert.throws(() => findPlugin(folders, 'bad'), { code: 'invalid_argument', message: /no usable address/ });
  assert.equal(findPlugin(folders, '../specs/u'), undefined);
});
