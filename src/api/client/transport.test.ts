import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FrameDecoder, frameChunks } from '../stdcopy.ts';
import { createClient, type EngineClient } from './client.ts';
import { readJsonLines } from './json-lines.ts';
import { ChunkedReader } from './response-parser.ts';

/** A server that answers each request head with bytes of the test's choice. */
async function scripted(answer: (head: string, socket: Socket) => void): Promise<AsyncDisposable & { host: string; client: (version?: string) => EngineClient; connections: () => number }> {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-client-'));
  const path = join(folder, 's');
  let connections = 0;
  const clients: EngineClient[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    connections++;
    let text = '';
    socket.on('error', () => {});
    socket.on('end', () => socket.end());
    socket.on('data', (data) => {
      text += data.toString('latin1');
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const head = text.slice(0, end);
        text = text.slice(end + 4);
        answer(head, socket);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    host: `unix://${path}`,
    connections: () => connections,
    client: (version = '1.45') => {
      const client = createClient({ host: `unix://${path}`, version });
      clients.push(client);
      return client;
    },
    [Symbol.asyncDispose]: async () => {
      for (const client of clients) client.close();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const json = (value: unknown): string => {
  const text = JSON.stringify(value);
  return `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
};

test('one connection carries request after request', async () => {
  await using server = await scripted((_, socket) => socket.write(json({ ID: 'x' })));
  const client = server.client();
  for (let turn = 0; turn < 3; turn++) assert.deepEqual(await client.system.info(), { ID: 'x' });
  assert.equal(server.connections(), 1);
});

test('a body by chunks, in any pieces, with trailers', async () => {
  await using server = await scripted((_, socket) => {
    const bytes = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7;ext=1\r\n{"ID":"\r\n3\r\nabc\r\n2\r\n"}\r\n0\r\nTrailer: x\r\n\r\n';
    for (const byte of bytes) socket.write(byte);
  });
  const client = server.client();
  assert.deepEqual(await client.system.info(), { ID: 'abc' });
  assert.deepEqual(await client.system.info(), { ID: 'abc' });
  assert.equal(server.connections(), 1);
});

test('the newest version is tried first, and an older engine is asked again in its own', async () => {
  const heads: string[] = [];
  await using server = await scripted((head, socket) => {
    const line = head.split('\r\n')[0]!;
    heads.push(line);
    const refusal = '{"message":"client version 1.55 is too new. Maximum supported API version is 1.41"}';
    if (line.includes('/v1.41/')) socket.write(json([]));
    else socket.write(`HTTP/1.1 400 Bad Request\r\nApi-Version: 1.41\r\nContent-Length: ${refusal.length}\r\n\r\n${refusal}`);
  });
  const client = createClient({ host: server.host });
  await client.containers.list();
  await client.containers.list();
  assert.equal(await client.version(), '1.41');
  client.close();
  assert.deepEqual(heads, ['GET /v1.55/containers/json HTTP/1.1', 'GET /v1.41/containers/json HTTP/1.1', 'GET /v1.41/containers/json HTTP/1.1']);
});

test('a body that can be sent only once waits for a ping to tell the version', async () => {
  const heads: string[] = [];
  await using server = await scripted((head, socket) => {
    heads.push(head.split('\r\n')[0]!);
    if (head.startsWith('HEAD')) socket.write('HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 0\r\n\r\n');
    else socket.write(json({}));
  });
  const client = createClient({ host: server.host });
  await client.containers.archivePut(
    'c',
    '/x',
    (async function* () {
      yield Buffer.from('tar');
    })(),
  );
  client.close();
  assert.equal(heads[0], 'HEAD /_ping HTTP/1.1');
  assert.match(heads[1]!, /^PUT \/v1\.41\//);
});

test('a first request that is refused for another reason keeps its message', async () => {
  await using server = await scripted((_, socket) => socket.write('HTTP/1.1 400 Bad Request\r\nContent-Length: 22\r\n\r\n{"message":"bad name"}'));
  const client = createClient({ host: server.host });
  await assert.rejects(client.containers.list(), { code: 'invalid_argument', message: 'bad name' });
  client.close();
});

test('refusals carry the engine\'s message, whatever it looks like', async () => {
  let body = '{"message":"No such container: x"}';
  await using server = await scripted((_, socket) => socket.write(`HTTP/1.1 404 Not Found\r\nContent-Length: ${body.length}\r\n\r\n${body}`));
  const client = server.client();
  await assert.rejects(client.containers.inspect('x'), { code: 'not_found', message: 'No such container: x', details: { status: 404 } });
  body = '<html>a proxy</html>';
  await assert.rejects(client.containers.inspect('x'), { message: '<html>a proxy</html>' });
  body = '';
  await assert.rejects(client.containers.inspect('x'), { message: 'GET /containers/x/json was answered with status 404' });
});

test('an engine that is not there is unavailable, in the words that scripts look for', async () => {
  const client = createClient({ host: 'unix:///proc/nowhere/at/all.sock' });
  await assert.rejects(client.system.info(), {
    code: 'unavailable',
    message: 'Cannot connect to the Docker daemon at unix:///proc/nowhere/at/all.sock. Is the docker daemon running?',
  });
  assert.throws(() => createClient({ host: 'gopher://x' }), { code: 'invalid_argument' });
});

test('a body that is cut short is an error', async () => {
  await using server = await scripted((_, socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"half"'));
  await assert.rejects(server.client().system.info(), /before the end of its answer/);
});

test('reading is tried again on a new connection when a kept one was closed, writing is not', async () => {
  let answered = 0;
  await using server = await scripted((_, socket) => {
    // Every second request finds the connection closed without an answer.
    if (answered++ % 2 === 0) socket.write(json({ turn: answered }));
    else socket.destroy();
  });
  const client = server.client();
  assert.deepEqual(await client.system.info(), { turn: 1 });
  assert.deepEqual(await client.system.info(), { turn: 3 });
  await assert.rejects(client.containers.create({ Image: 'x' }), { code: 'unavailable' });
});

test('an abort closes the connection and rejects with its reason', async () => {
  const gone = Promise.withResolvers<void>();
  await using server = await scripted((_, socket) => {
    socket.on('close', () => gone.resolve());
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
  });
  const controller = new AbortController();
  const events = await server.client().system.events({ signal: controller.signal });
  const reading = Array.fromAsync(events);
  controller.abort(new Error('enough'));
  await assert.rejects(reading, { message: 'enough' });
  await gone.promise;
});

test('a session whose engine is done lets its connection go by itself', async () => {
  const gone = Promise.withResolvers<void>();
  await using server = await scripted((_, socket) => {
    socket.on('close', () => gone.resolve());
    socket.end('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nlast words');
  });
  const session = await server.client().containers.attach('c', { stdout: true, tty: true });
  const words = await Array.fromAsync(session.output, ({ data }) => Buffer.from(data).toString());
  assert.deepEqual(words, ['last words']);
  await gone.promise;
});

test('a refusal while the body is still being sent reaches the caller', async () => {
  await using server = await scripted((head, socket) => {
    if (head.startsWith('PUT')) socket.write('HTTP/1.1 404 Not Found\r\nContent-Length: 21\r\n\r\n{"message":"no such"}');
  });
  const endless = (async function* () {
    for (;;) {
      yield Buffer.alloc(65536);
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  await assert.rejects(server.client().containers.archivePut('c', '/x', endless), { code: 'not_found', message: 'no such' });
});

test('chunks that lie about their size are refused', () => {
  const read = (text: string): Buffer | undefined => new ChunkedReader().push(Buffer.from(text), () => {});
  assert.throws(() => read('zz\r\n'), /no size/);
  assert.throws(() => read('1\r\nab\r\n'), /longer than its size/);
  assert.throws(() => read('1'.repeat(2000)), /too long/);
  assert.equal(read('1\r\na\r\n0\r\n\r\nrest')?.toString(), 'rest');
});

test('frames in any pieces', () => {
  const bytes = frameChunks([
    { stream: 'stdout', data: Buffer.from('one') },
    { stream: 'stderr', data: Buffer.from('two') },
    { stream: 'stdout', data: Buffer.alloc(0) },
  ]);
  for (const size of [1, 3, 8, 100]) {
    const decoder = new FrameDecoder();
    const seen = { stdout: '', stderr: '', error: '' };
    for (let at = 0; at < bytes.length; at += size) {
      for (const { stream, data } of decoder.push(bytes.subarray(at, at + size))) seen[stream] += Buffer.from(data).toString();
    }
    assert.deepEqual(seen, { stdout: 'one', stderr: 'two', error: '' });
  }
  assert.throws(() => new FrameDecoder().push(Buffer.from('HTTP/1.1 200')), /not multiplexed/);
});

test('JSON lines in any pieces, letters of several bytes too', async () => {
  const bytes = Buffer.from('{"a":"é"}\r\n\n{"a":"日本"}\n{"a":"end"}');
  const values = await Array.fromAsync(
    readJsonLines<{ a: string }>(
      (async function* () {
        for (const byte of bytes) yield Uint8Array.of(byte);
      })(),
    ),
  );
  assert.deepEqual(values.map(({ a }) => a), ['é', '日本', 'end']);
});
