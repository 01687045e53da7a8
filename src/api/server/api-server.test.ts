import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conflict, notFound, notModified } from '#base/errors.ts';
import { rawExchange, serve } from '../testing/serve.ts';

const get = (path: string, extra = ''): string => `GET ${path} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n${extra}\r\n`;

test('ping answers with the headers that clients negotiate by', async () => {
  await using served = await serve({});
  const answer = await rawExchange(served, get('/_ping'));
  for (const line of [
    'HTTP/1.1 200 OK',
    'Api-Version: 1.55',
    'Builder-Version: 1',
    'Cache-Control: no-cache, no-store, must-revalidate',
    'Docker-Experimental: false',
    'Ostype: linux',
    'Pragma: no-cache',
    'Swarm: inactive',
    'Content-Length: 2',
    'Content-Type: text/plain; charset=utf-8',
  ]) {
    assert.ok(answer.split('\r\n').includes(line), `${line} is missing in ${answer}`);
  }
  assert.ok(answer.endsWith('\r\n\r\nOK'));
});

test('HEAD of ping has no body', async () => {
  await using served = await serve({});
  const answer = await rawExchange(served, get('/v1.30/_ping').replace('GET', 'HEAD'));
  assert.ok(answer.startsWith('HTTP/1.1 200 OK') && answer.endsWith('\r\n\r\n'));
});

test('versions that are not spoken are refused in Docker\'s words', async () => {
  await using served = await serve({});
  assert.ok(
    (await rawExchange(served, get('/v1.12/info'))).endsWith(
      '{"message":"client version 1.12 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version"}\n',
    ),
  );
  const tooNew = await rawExchange(served, get('/v1.99/info'));
  assert.ok(tooNew.startsWith('HTTP/1.1 400 '));
  assert.ok(tooNew.endsWith('{"message":"client version 1.99 is too new. Maximum supported API version is 1.55"}\n'));
});

test('what is not there is a 404 for every method, and OPTIONS is empty', async () => {
  await using served = await serve({});
  for (const request of [get('/nosuch'), get('/v1.40'), get('/info').replace('GET', 'DELETE')]) {
    const answer = await rawExchange(served, request);
    assert.ok(answer.startsWith('HTTP/1.1 404 ') && answer.endsWith('{"message":"page not found"}\n'), answer);
  }
  assert.match(await rawExchange(served, get('/info').replace('GET', 'OPTIONS')), /^HTTP\/1.1 200 [^]*Content-Length: 0\r\n/);
});

test('errors carry their status and one message; 304 has no body', async () => {
  await using served = await serve({
    containers: {
      start: async (name) => {
        throw name === 'running' ? notModified('already started') : notFound(`No such container: ${name}`);
      },
      remove: async () => {
        throw conflict('stop it first');
      },
    },
  });
  const post = (path: string): string => get(path).replace('GET', 'POST');
  assert.match(await rawExchange(served, post('/containers/running/start')), /^HTTP\/1.1 304 [^]*\r\n\r\n$/);
  assert.match(await rawExchange(served, post('/containers/x/start')), /^HTTP\/1.1 404 [^]*{"message":"No such container: x"}\n$/);
  assert.match(await rawExchange(served, get('/containers/x').replace('GET', 'DELETE')), /^HTTP\/1.1 409 /);
});

test('a service that fails without an EngineError is a 500 with its message', async () => {
  await using served = await serve({ system: { info: async () => Promise.reject(new Error('the disk is gone')) } });
  assert.match(await rawExchange(served, get('/info')), /^HTTP\/1.1 500 [^]*{"message":"the disk is gone"}\n$/);
});

test('nonsense on the connection is a 400, and the server goes on', async () => {
  await using served = await serve({});
  assert.match(await rawExchange(served, 'nonsense\r\n\r\n'), /^HTTP\/1.1 400 /);
  assert.match(await rawExchange(served, get('/x').replace('\r\n\r\n', `\r\nBig: ${'a'.repeat(300_000)}\r\n\r\n`)), /^HTTP\/1.1 431 /);
  assert.match(await rawExchange(served, get('/%zz')), /^HTTP\/1.1 400 [^]*percent-encoded/);
  assert.match(await rawExchange(served, get('/_ping')), /^HTTP\/1.1 200 /);
});

test('requests that follow each other on one connection are all answered', async () => {
  await using served = await serve({});
  const two = `GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n${get('/_ping')}`;
  assert.equal((await rawExchange(served, two)).match(/HTTP\/1.1 200 OK/g)?.length, 2);
});

test('names keep their slashes and percent signs', async () => {
  const seen: string[] = [];
  await using served = await serve({
    images: {
      inspect: async (name) => {
        seen.push(name);
        return { Id: 'sha256:1' };
      },
    },
  });
  await served.client.images.inspect('registry.example:5000/a/b:1');
  await served.client.images.inspect('a@sha256:00');
  await rawExchange(served, get('/images/a%2Fb/json'));
  assert.deepEqual(seen, ['registry.example:5000/a/b:1', 'a@sha256:00', 'a/b']);
});
