import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Dispatcher } from './dispatcher.ts';
import type { Headers, SessionReply } from './reply.ts';
import { RAW_STREAM } from './routes/streams.ts';
import { bodyPipe, serveSession, upgradedHead } from './session-pipe.ts';
import { release, renderWhole, writeStream } from './write-reply.ts';

const LINGER = 2_000;

/** Serves an ordinary request; resolves when its answer is sent or its client gone. */
export async function answer(dispatcher: Dispatcher, message: IncomingMessage, response: ServerResponse, common: Headers): Promise<void> {
  response.on('error', () => {});
  const reply = await dispatcher.run(message, (callback) => {
    // A client that closed its half has had enough, as in Go: what the handler still writes is sent all the same.
    message.socket.once('end', callback);
    response.once('close', () => {
      message.socket.off('end', callback);
      if (!response.writableFinished) callback();
    });
  });
  if (response.destroyed) {
    await release(reply);
    return;
  }
  if (reply.kind === 'stream') {
    await writeStream(response, reply, common, (error) => dispatcher.report(error, message));
  } else if (reply.kind === 'session') {
    await serveWithoutUpgrade(message, response, reply, (error) => dispatcher.report(error, message));
  } else if (reply.kind === 'websocket') {
    await release(reply);
    response.destroy();
  } else {
    const { status, headers, body } = renderWhole(reply, common);
    const refusedEarly = !message.complete && status >= 400;
    if (refusedEarly) headers['Connection'] = 'close';
    response.writeHead(status, headers);
    if (refusedEarly && body !== undefined) {
      response.write(body);
      await lingered(message);
      response.end();
    } else {
      response.end(message.method === 'HEAD' ? undefined : body);
    }
  }
}

/** Old clients take the connection over without asking. */
async function serveWithoutUpgrade(
  message: IncomingMessage,
  response: ServerResponse,
  reply: SessionReply,
  onError: (error: unknown) => void,
): Promise<void> {
  if (message.complete) {
    // They announced no body: their input is bare bytes.
    const wire = takeOver(message, response);
    // Go's clients name the protocol without the `Connection` that HTTP wants with it; dockerd takes them at their word.
    wire.write(message.headers.upgrade === undefined ? `HTTP/1.1 200 OK\r\nContent-Type: ${RAW_STREAM}\r\n\r\n` : upgradedHead(reply));
    await serveSession(reply, wire, undefined, onError);
    return;
  }
  // The answer ends with the connection, the body is the input.
  response.shouldKeepAlive = false;
  response.useChunkedEncodingByDefault = false;
  response.writeHead(200, { 'Content-Type': RAW_STREAM });
  response.flushHeaders();
  await serveSession(reply, bodyPipe(message, response), undefined, onError);
}

/** Takes a request's connection away from HTTP, as the upgrade event does for those that ask. */
function takeOver(message: IncomingMessage, response: ServerResponse): Socket {
  const { socket } = message;
  // Listening for data makes the parser give the handle back; only then do its own listeners matter.
  socket.on('data', () => {});
  for (const event of ['data', 'end', 'drain', 'error', 'timeout']) socket.removeAllListeners(event);
  socket.on('error', () => {});
  response.detachSocket(socket);
  socket.setTimeout(0);
  return socket;
}

/**
 * Reads on for a moment and throws away: a client that is still sending would see its connection break before it sees why.
 * Ends when the client does, or after a while.
 */
async function lingered(message: IncomingMessage): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, LINGER);
  message.once('end', resolve);
  message.once('close', resolve);
  message.resume();
  await promise;
  clearTimeout(timer);
}
