import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Headers, Reply, StreamReply } from './reply.ts';
import type { Refusal } from './errors.ts';

type Whole = Exclude<Reply, StreamReply | { kind: 'session' } | { kind: 'websocket' }>;

/** Status, headers and body of an answer that is known as a whole. */
export function renderWhole(reply: Whole, common: Headers): { status: number; headers: Record<string, string | number>; body: Buffer | undefined } {
  const headers: Record<string, string | number> = { ...common, ...reply.headers };
  if (reply.kind === 'empty') {
    if (reply.status !== 204 && reply.status !== 304) headers['Content-Length'] = 0;
    return { status: reply.status, headers, body: undefined };
  }
  let body: Buffer;
  if (reply.kind === 'json') {
    headers['Content-Type'] = 'application/json';
    body = Buffer.from(`${JSON.stringify(reply.value)}\n`);
  } else {
    body = Buffer.from(reply.text);
  }
  headers['Content-Length'] = body.length;
  return { status: reply.status, headers, body };
}

export function refusalReply({ status, message }: Refusal): Whole {
  return status === 304 ? { kind: 'empty', status } : { kind: 'json', status, value: { message } };
}

/**
 * Sends the head at once and the body as it comes, at the client's pace. A failure goes in band when the reply says how,
 * else the connection is cut before the last chunk, which every client takes for an error.
 */
export async function writeStream(response: ServerResponse, reply: StreamReply, common: Headers, onError: (error: unknown) => void): Promise<void> {
  response.writeHead(reply.status, { ...common, 'Content-Type': reply.contentType, ...reply.headers });
  response.flushHeaders();
  try {
    for await (const chunk of reply.body) {
      if (response.destroyed) break;
      if (chunk.length > 0 && !response.write(chunk)) await drained(response);
    }
  } catch (error) {
    if (!response.destroyed) {
      onError(error);
      if (reply.renderError === undefined) {
        response.destroy();
        return;
      }
      response.write(reply.renderError(error));
    }
  }
  response.end();
}

function drained(response: ServerResponse): Promise<void> {
  if (response.destroyed || !response.writableNeedDrain) return Promise.resolve();
  return new Promise((resolve) => {
    const go = (): void => {
      response.off('drain', go);
      response.off('close', go);
      resolve();
    };
    response.on('drain', go);
    response.on('close', go);
  });
}

/** Lets go of what an answer holds when nobody is left to read it. */
export async function release(reply: Reply): Promise<void> {
  if (reply.kind === 'websocket') reply.session.close();
  else if (reply.kind === 'session') reply.abandon();
  if (reply.kind !== 'stream') return;
  try {
    // A generator that was never started would not clean up.
    for await (const _ of reply.body) break;
  } catch {
    // Whatever failed, there is nobody to tell.
  }
}

/** A whole answer on a connection that HTTP has let go of. */
export function writeRaw(wire: Duplex, reply: Whole, common: Headers): void {
  const { status, headers, body } = renderWhole(reply, { ...common, Connection: 'close' });
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`;
  for (const [name, value] of Object.entries(headers)) head += `${name}: ${value}\r\n`;
  wire.write(`${head}\r\n`);
  wire.end(body);
}
