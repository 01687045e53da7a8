import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { fakeSession } from '../testing/fake-session.ts';
import { rawExchange, serve } from '../testing/serve.ts';
import { frameMessage, WebSocketDecoder } from './websocket-frames.ts';

const handshake = 'Host: d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n';

/** A client's frame: masked. */
function masked(opcode: number, payload: Buffer): Buffer {
  const plain = frameMessage(opcode, payload);
  const headSize = plain.length - payload.length;
  plain[1]! |= 0x80;
  const mask = Buffer.from([1, 2, 3, 4]);
  const body = Buffer.from(payload.map((byte, index) => byte ^ mask[index & 3]!));
  return Buffer.concat([plain.subarray(0, headSize), mask, body]);
}

test('frames of every length survive masking and any cut', () => {
  for (const size of [0, 1, 125, 126, 65535, 65536]) {
    const payload = Buffer.alloc(size, 'x');
    const decoder = new WebSocketDecoder();
    const bytes = masked(2, payload);
    const middle = Math.floor(bytes.length / 2);
    const frames = [...decoder.push(bytes.subarray(0, middle)), ...decoder.push(bytes.subarray(middle))];
    assert.deepEqual(frames.map((frame) => [frame.opcode, frame.payload.length]), [[2, size]]);
    assert.ok(frames[0]!.payload.equals(payload));
  }
});

test('frames that RFC 6455 forbids are refused', () => {
  assert.throws(() => new WebSocketDecoder().push(frameMessage(2, Buffer.from('unmasked'))), /not masked/);
  assert.throws(() => new WebSocketDecoder().push(Buffer.from([0xc2, 0x80])), /unknown extension/);
  assert.throws(() => new WebSocketDecoder().push(Buffer.from([0x89, 0xfe, 1, 0])), /control frame/);
  assert.throws(() => new WebSocketDecoder().push(Buffer.from([0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0])), /larger/);
});

test('attach over a websocket: input in messages, output raw, a close at the end', async () => {
  const session = fakeSession();
  await using served = await serve({ containers: { attach: async () => session } });
  const socket = connect(served.socketPath);
  session.onInput = (text) => {
    session.emit('stdout', `got ${text}`);
    session.endOutput();
  };
  socket.write(`GET /containers/c/attach/ws?stream=1&stdin=1&stdout=1 HTTP/1.1\r\n${handshake}`);
  socket.write(masked(1, Buffer.from('hello')));
  let received = Buffer.alloc(0);
  for await (const chunk of socket as AsyncIterable<Buffer>) received = Buffer.concat([received, chunk]);
  const end = received.indexOf('\r\n\r\n');
  assert.match(received.toString('latin1', 0, end), /^HTTP\/1.1 101 [^]*Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/);
  const closing = Buffer.from([0x03, 0xe8]);
  assert.deepEqual(received.subarray(end + 4), Buffer.concat([frameMessage(2, Buffer.from('got hello')), frameMessage(8, closing)]));
});

test('a request that is no handshake is an ordinary error', async () => {
  const session = fakeSession();
  await using served = await serve({ containers: { attach: async () => session } });
  assert.match(await rawExchange(served, 'GET /containers/c/attach/ws HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n'), /^HTTP\/1.1 400 [^]*handshake/);
  await session.closed;
});
