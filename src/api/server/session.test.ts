import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { conflict, invalid, notFound } from '#base/errors.ts';
import type { ExecInspectResponse } from '#spec/wire/container.ts';
import { fakeSession } from '../testing/fake-session.ts';
import { rawExchange, serve } from '../testing/serve.ts';

const inspectedExec: ExecInspectResponse = {
  ID: 'e',
  CanRemove: false,
  DetachKeys: '',
  Running: false,
  ExitCode: null,
  ProcessConfig: { tty: true },
  OpenStdin: true,
  OpenStderr: true,
  OpenStdout: true,
  ContainerID: 'c',
  Pid: 0,
};

const collect = async (output: AsyncIterable<{ stream: string; data: Uint8Array }>): Promise<string> => {
  let seen = '';
  for await (const { stream, data } of output) seen += `${stream}:${Buffer.from(data).toString()};`;
  return seen;
};

test('attach carries both outputs apart, and input until its end', async () => {
  const session = fakeSession();
  await using served = await serve({ containers: { attach: async () => session } });
  const attached = await served.client.containers.attach('c', { stdin: true, stdout: true, stderr: true });
  const seen = collect(attached.output);
  await attached.write(Buffer.from('in'));
  attached.endInput();
  await session.inputEnded;
  assert.equal(session.input, 'in');
  session.emit('stdout', 'out');
  session.emit('stderr', 'err');
  session.endOutput();
  assert.equal(await seen, 'stdout:out;stderr:err;');
});

test('a tty is raw, and its detach keys end the session without ending the input', async () => {
  const session = fakeSession({ tty: true });
  let ended = false;
  void session.inputEnded.then(() => (ended = true));
  await using served = await serve({ containers: { attach: async () => session } });
  const attached = await served.client.containers.attach('c', { stdin: true, stdout: true, tty: true });
  session.emit('stdout', 'raw');
  const seen = collect(attached.output);
  await attached.write(Buffer.from('a\u0010'));
  await attached.write(Buffer.from('b\u0010'));
  await attached.write(Buffer.from('\u0011dropped'));
  await session.closed;
  assert.equal(session.input, 'a\u0010b');
  assert.equal(await seen, 'stdout:raw;');
  assert.equal(ended, false);
});

test('a client that goes away closes its session when the process next says something', async () => {
  const session = fakeSession();
  await using served = await serve({ containers: { attach: async () => session } });
  const attached = await served.client.containers.attach('c', { stdout: true });
  attached.close();
  await session.inputEnded;
  session.emit('stdout', 'nobody hears this');
  await session.closed;
});

test('exec start reads its body before it takes the connection over', async () => {
  const session = fakeSession({ tty: true });
  const bodies: unknown[] = [];
  await using served = await serve({
    execs: {
      inspect: async () => inspectedExec,
      start: async (_, body) => {
        bodies.push(body);
        return body.Detach === true ? undefined : session;
      },
    },
  });
  const started = await served.client.execs.start('e', { tty: true, consoleSize: [40, 120] });
  session.emit('stdout', 'x');
  session.endOutput();
  assert.equal(await collect(started.output), 'stdout:x;');
  await served.client.execs.startDetached('e');
  assert.deepEqual(bodies, [
    { Detach: false, Tty: true, ConsoleSize: [40, 120] },
    { Detach: true, Tty: false },
  ]);
});

test('exec start takes over before the process runs, and says in band why it does not', async () => {
  let ran = false;
  await using served = await serve({
    execs: {
      inspect: async (id) => {
        if (id === 'missing') throw notFound('No such exec instance: missing');
        return { ...inspectedExec, ExitCode: id === 'ended' ? 0 : null, ProcessConfig: { tty: false } };
      },
      start: async (id) => {
        if (id === 'ended') throw conflict('exec command ended has already run');
        await headSeen.promise;
        ran = true;
        throw invalid('no such program');
      },
    },
  });
  const headSeen = Promise.withResolvers<void>();
  const { execs } = served.client;
  const session = await execs.start('fresh', { tty: false });
  assert.equal(ran, false, 'the head came first');
  headSeen.resolve();
  assert.equal(await collect(session.output), 'stdout:no such program\r\n;');
  await assert.rejects(execs.start('missing', { tty: false }), { code: 'not_found' });
  await assert.rejects(execs.start('ended', { tty: false }), { code: 'conflict' });
});

test('a client that half-closes while the session opens is heard, and its own word decides about frames', async () => {
  const session = fakeSession({ tty: true });
  const opened = Promise.withResolvers<void>();
  void session.inputEnded.then(() => {
    session.emit('stdout', 'seen the end');
    session.endOutput();
  });
  await using served = await serve({
    execs: {
      inspect: async () => ({ ...inspectedExec, ExitCode: null, ProcessConfig: { tty: true } }),
      start: async () => {
        await opened.promise;
        return session;
      },
    },
  });
  const socket = connect({ path: served.socketPath, allowHalfOpen: true });
  socket.end('POST /exec/e/start HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}');
  let received = '';
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    received += chunk.toString('latin1');
    // Long after the end of the input arrived.
    if (received.includes('\r\n\r\n')) setImmediate(() => setImmediate(opened.resolve));
  }
  assert.match(received, /\u0001\0\0\0\0\0\0\u000cseen the end$/);
});

test('an error before the takeover is an ordinary answer', async () => {
  await using served = await serve({
    containers: {
      attach: async (name) => {
        throw notFound(`No such container: ${name}`);
      },
    },
  });
  await assert.rejects(served.client.containers.attach('x', { stdout: true }), { code: 'not_found', message: 'No such container: x' });
});

test('without an upgrade the answer is the raw stream until the end', async () => {
  const session = fakeSession();
  await using served = await serve({ containers: { attach: async () => session } });
  session.emit('stdout', 'plain');
  session.endOutput();
  const answer = await rawExchange(served, 'POST /containers/c/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n');
  const [head, body] = answer.split('\r\n\r\n');
  assert.match(head ?? '', /^HTTP\/1.1 200 OK[^]*application\/vnd.docker.raw-stream/);
  assert.equal(body, '\u0001\0\0\0\0\0\0\u0005plain');
});

test('the name of the protocol alone asks for an upgrade, too', async () => {
  const session = fakeSession();
  await using served = await serve({ containers: { attach: async () => session } });
  session.emit('stdout', 'plain');
  session.endOutput();
  const answer = await rawExchange(served, 'POST /containers/c/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: d\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n');
  assert.match(answer, /^HTTP\/1.1 101 UPGRADED[^]*\r\n\r\n\u0001\0\0\0\0\0\0\u0005plain$/);
});

test('without an upgrade bare bytes are the input, and so is a body', async () => {
  for (const [head, bytes] of [
    ['', 'bare bytes'],
    ['Transfer-Encoding: chunked\r\n', 'a\r\nbare bytes\r\n0\r\n\r\n'],
  ] as const) {
    const session = fakeSession();
    session.onInput = (text) => {
      session.emit('stdout', `got ${text}`);
      session.endOutput();
    };
    await using served = await serve({ containers: { attach: async () => session } });
    const socket = connect(served.socketPath);
    socket.write(`POST /containers/c/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: d\r\n${head}\r\n`);
    let received = '';
    let asked = false;
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      received += chunk.toString('latin1');
      if (!asked && received.includes('\r\n\r\n')) {
        asked = true;
        socket.write(bytes);
      }
    }
    assert.match(received, /got bare bytes$/);
  }
});

test('the multiplexed type is named since 1.42', async () => {
  await using served = await serve({
    containers: {
      attach: async (_, { detachKeys }) => {
        const session = fakeSession({ tty: detachKeys === 'tty' });
        session.endOutput();
        return session;
      },
    },
  });
  const typeOf = async (path: string): Promise<string | undefined> =>
    /Content-Type: (\S+)/.exec(
      await rawExchange(served, `POST ${path} HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n`),
    )?.[1];
  assert.equal(await typeOf('/v1.41/containers/c/attach?stdout=1'), 'application/vnd.docker.raw-stream');
  assert.equal(await typeOf('/v1.42/containers/c/attach?stdout=1'), 'application/vnd.docker.multiplexed-stream');
  assert.equal(await typeOf('/v1.42/containers/c/attach?stdout=1&detachKeys=tty'), 'application/vnd.docker.raw-stream');
});

test('a slow reader holds the output back instead of filling memory', async () => {
  let produced = 0;
  const session = fakeSession();
  const flood = {
    ...session,
    closed: session.closed,
    output: (async function* () {
      for (; produced < 400; produced++) yield { stream: 'stdout' as const, data: Buffer.alloc(64 * 1024) };
    })(),
  };
  await using served = await serve({ containers: { attach: async () => flood } });
  const socket = connect(served.socketPath);
  socket.pause();
  socket.write('POST /containers/c/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n');
  let before = -1;
  while (produced === 0 || produced !== before) {
    before = produced;
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(produced < 100, `${produced} chunks were taken although nobody read`);
  let received = 0;
  for await (const chunk of socket as AsyncIterable<Buffer>) received += chunk.length;
  assert.ok(received > 400 * 64 * 1024);
});
