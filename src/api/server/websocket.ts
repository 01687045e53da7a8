import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';
import { messageOf, invalid } from '#base/errors.ts';
import type { StdioSession } from '#spec/streams.ts';
import { flowing } from './session-pipe.ts';
import { type WebSocketFrame, WebSocketDecoder, frameMessage } from './websocket-frames.ts';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** The head of the 101 answer (RFC 6455); throws invalid_argument for a request that is not a websocket handshake. */
export function acceptWebSocket(headers: IncomingHttpHeaders): string {
  const key = headers['sec-websocket-key'];
  if (headers.upgrade?.toLowerCase() !== 'websocket' || key === undefined || !/^[A-Za-z0-9+/]{22}==$/.test(key)) {
    throw invalid('this address speaks websocket: the request is not a websocket handshake');
  }
  if (headers['sec-websocket-version'] !== '13') throw invalid('only version 13 of the websocket protocol is spoken');
  const accept = createHash('sha1').update(key + GUID).digest('base64');
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`;
}

/** Joins a session to a websocket: raw output in binary (or text) messages, any message is input. Never multiplexed. */
export async function serveWebSocket(session: StdioSession, wire: Duplex, early: Buffer, binary: boolean): Promise<void> {
  const decoder = new WebSocketDecoder();
  let closing = false;
  const opcode = binary ? 2 : 1;
  const close = (code: number, reason = ''): void => {
    if (closing) return;
    closing = true;
    const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
    payload.writeUInt16BE(code);
    payload.write(reason, 2);
    wire.end(frameMessage(8, payload));
    // A client that never closes its side must not keep the connection.
    setTimeout(() => wire.destroy(), 5_000).unref();
  };
  const take = async (frame: WebSocketFrame): Promise<void> => {
    if (frame.opcode === 8) close(1000);
    else if (frame.opcode === 9) wire.write(frameMessage(10, frame.payload));
    else if (frame.opcode <= 2 && frame.payload.length > 0) await session.write(frame.payload);
  };
  let chain = Promise.resolve();
  const receive = (data: Buffer): void => {
    let frames: WebSocketFrame[];
    try {
      frames = decoder.push(data);
    } catch (error) {
      close(1002, messageOf(error).slice(0, 100));
      session.close();
      return;
    }
    wire.pause();
    chain = chain.then(async () => {
      for (const frame of frames) if (!closing) await take(frame);
    }).then(
      () => void wire.resume(),
      () => void wire.resume(),
    );
  };
  wire.on('data', receive);
  wire.on('error', () => {});
  wire.on('end', () => {
    session.endInput();
    if (closing) wire.destroy();
  });
  wire.on('close', () => session.close());
  if (early.length > 0) receive(early);
  wire.resume();
  try {
    for await (const chunk of session.output) {
      if (closing || wire.destroyed) break;
      if (!wire.write(frameMessage(opcode, chunk.data))) await flowing(wire);
    }
    close(1000);
  } catch (error) {
    close(1011, messageOf(error).slice(0, 100));
  } finally {
    session.close();
  }
}
