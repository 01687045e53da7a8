import { createServer, type IncomingMessage, type Server as HttpServer, type ServerResponse, STATUS_CODES } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Server as TlsServer } from 'node:tls';
import { EngineError } from '#base/errors.ts';
import type { Log } from '#base/log.ts';
import type { Services } from '../services.ts';
import { API_VERSION } from '../version.ts';
import { ApiRequest } from './api-request.ts';
import { refuseBrowsers } from './browser-guard.ts';
import { refusalOf } from './errors.ts';
import type { Headers, Reply } from './reply.ts';
import { type RouteMatch, Router } from './router.ts';
import { containerFileRoutes } from './routes/container-files.ts';
import { containerStreamRoutes } from './routes/container-streams.ts';
import { containerRoutes } from './routes/containers.ts';
import { execRoutes } from './routes/execs.ts';
import { imageRoutes } from './routes/images.ts';
import { networkRoutes } from './routes/networks.ts';
import { MULTIPLEXED_STREAM, RAW_STREAM } from './routes/streams.ts';
import { systemRoutes } from './routes/system.ts';
import { unsupportedRoutes } from './routes/unsupported.ts';
import { volumeRoutes } from './routes/volumes.ts';
import { pipeResponse, pipeSession } from './session-pipe.ts';
import { parseTarget, type Target } from './target.ts';
import { acceptWebSocket, serveWebSocket } from './websocket.ts';
import { refusalReply, renderWhole, writeStream } from './write-reply.ts';

export interface ApiServerOptions {
  services: Services;
  log: Log;
  /** The engine's own version, for the Server header. */
  version: string;
  /** Origins of web pages that may use the tcp listeners, e.g. `http://localhost:5173`. */
  allowedOrigins?: readonly string[];
}

export interface ApiServer {
  /**
   * Serves the connections of a server that listens already or will; unix sockets, tcp and TLS alike. The caller keeps the
   * server and closes it.
   */
  attach(server: NetServer): void;
  /** Serves one connection. `guarded`: a browser could have opened it. */
  accept(connection: Socket, guarded: boolean): void;
  /** Lets running requests finish for `grace` milliseconds (0: none), then cuts every connection. */
  close(grace: number): Promise<void>;
}

const LARGEST_HEAD = 256 * 1024;
const HEADERS_DEADLINE = 30_000;
const IDLE_DEADLINE = 5 * 60_000;
const MOST_CONNECTIONS = 4096;

export function createApiServer(options: ApiServerOptions): ApiServer {
  const { services, log } = options;
  const allowedOrigins = new Set(options.allowedOrigins ?? []);
  const router = new Router([
    ...systemRoutes(services.system),
    ...unsupportedRoutes(),
    ...containerStreamRoutes(services.containers),
    ...containerFileRoutes(services.containers),
    ...execRoutes(services.execs),
    ...containerRoutes(services.containers),
    ...imageRoutes(services.images),
    ...volumeRoutes(services.volumes),
    ...networkRoutes(services.networks),
  ]);
  const common: Headers = {
    'Api-Version': API_VERSION,
    'Docker-Experimental': 'false',
    Ostype: 'linux',
    Server: `Gantry/${options.version} (linux)`,
  };
  const guarded = new WeakSet<Duplex>();
  const connections = new Set<Socket>();

  const find = (message: IncomingMessage): { match: RouteMatch; target: Target } | { refusal: Reply } => {
    try {
      if (guarded.has(message.socket)) refuseBrowsers(message.headers, allowedOrigins);
      const target = parseTarget(message.url ?? '/');
      const match = router.find(message.method ?? 'GET', target.path);
      if (match) return { match, target };
      if (message.method === 'OPTIONS') return { refusal: { kind: 'empty', status: 200 } };
      throw new EngineError('not_found', 'page not found');
    } catch (error) {
      return { refusal: refusalReply(refusalOf(error)) };
    }
  };

  const run = async (message: IncomingMessage, onGone: (callback: () => void) => void): Promise<Reply> => {
    const found = find(message);
    if ('refusal' in found) return found.refusal;
    const { match, target } = found;
    try {
      const request = new ApiRequest({ message, version: target.version, params: match.params, query: target.query, onGone });
      return await match.route.handle(request);
    } catch (error) {
      if (!message.destroyed || message.complete) report(error, message);
      return refusalReply(refusalOf(error));
    }
  };

  const report = (error: unknown, message: IncomingMessage): void => {
    const { status } = refusalOf(error);
    const fields = { method: message.method, path: message.url?.split('?')[0], status, error };
    if (status === 500) log.error('a request failed', fields);
    else log.debug('a request was refused', fields);
  };

  const answer = async (message: IncomingMessage, response: ServerResponse): Promise<void> => {
    const reply = await run(message, (callback) => {
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
      await writeStream(response, reply, common, (error) => report(error, message));
    } else if (reply.kind === 'session') {
      await serveWithoutUpgrade(message, response, reply);
    } else if (reply.kind === 'websocket') {
      reply.session.close();
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
  };

  const serveWithoutUpgrade = async (
    message: IncomingMessage,
    response: ServerResponse,
    { session }: { session: Extract<Reply, { kind: 'session' }>['session'] },
  ): Promise<void> => {
    // Old clients take the connection over without asking. Those that announce no body send their input as bare bytes.
    const head = `HTTP/1.1 200 OK\r\nContent-Type: ${RAW_STREAM}\r\n\r\n`;
    if (message.complete) {
      const wire = takeOver(message, response);
      connections.add(wire);
      wire.on('close', () => connections.delete(wire));
      wire.write(head);
      await pipeSession(session, wire, undefined);
      return;
    }
    // The answer ends with the connection, the body is the input.
    response.shouldKeepAlive = false;
    response.useChunkedEncodingByDefault = false;
    response.writeHead(200, { 'Content-Type': RAW_STREAM });
    response.flushHeaders();
    await pipeResponse(session, message, response);
  };

  const upgrade = async (message: IncomingMessage, wire: Duplex, head: Buffer): Promise<void> => {
    wire.on('error', () => {});
    const reply = await run(message, (callback) => wire.once('close', callback));
    if (reply.kind === 'session') {
      const contentType = reply.multiplexed ? MULTIPLEXED_STREAM : RAW_STREAM;
      wire.write(`HTTP/1.1 101 UPGRADED\r\nContent-Type: ${contentType}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n`);
      await pipeSession(reply.session, wire, head);
    } else if (reply.kind === 'websocket') {
      try {
        wire.write(acceptWebSocket(message.headers));
      } catch (error) {
        reply.session.close();
        writeRaw(wire, refusalReply(refusalOf(error)), common);
        return;
      }
      await serveWebSocket(reply.session, wire, head, reply.binary);
    } else if (reply.kind === 'stream') {
      await release(reply);
      wire.destroy();
    } else {
      writeRaw(wire, reply, common);
    }
  };

  const http: HttpServer = createServer(
    {
      maxHeaderSize: LARGEST_HEAD,
      headersTimeout: HEADERS_DEADLINE,
      // A body may take as long as it likes (images are loaded through it); JSON bodies have a deadline of their own.
      requestTimeout: 0,
      keepAliveTimeout: IDLE_DEADLINE,
      noDelay: true,
      shouldUpgradeCallback: (message: IncomingMessage) => {
        const found = find(message);
        return 'match' in found && found.match.route.hijacks === true;
      },
    },
    (message, response) => {
      response.on('error', () => {});
      answer(message, response).catch((error: unknown) => {
        log.error('an answer could not be sent', { error });
        response.destroy();
      });
    },
  );
  http.on('upgrade', (message, wire, head) => {
    upgrade(message, wire, head).catch((error: unknown) => {
      log.error('a session failed', { error });
      wire.destroy();
    });
  });
  http.on('clientError', (error: NodeJS.ErrnoException, wire) => {
    if (!wire.writable || error.code === 'ECONNRESET') {
      wire.destroy();
      return;
    }
    const status = error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
    writeRaw(wire, { kind: 'json', status, value: { message: `the request is not correct HTTP: ${error.message}` } }, common);
  });
  (http as HttpServer & { httpAllowHalfOpen: boolean }).httpAllowHalfOpen = true;
  // The deadline of slow headers is watched once a server listens, and this one never does itself.
  http.emit('listening');

  const accept = (connection: Socket, isGuarded: boolean): void => {
    if (isGuarded) guarded.add(connection);
    connections.add(connection);
    // The end of a client's input is not the end of what it wants to read.
    connection.allowHalfOpen = true;
    connection.on('close', () => connections.delete(connection));
    http.emit('connection', connection);
  };

  return {
    accept,
    attach: (server) => {
      server.maxConnections = MOST_CONNECTIONS;
      const event = server instanceof TlsServer ? 'secureConnection' : 'connection';
      server.on(event, (connection: Socket) => accept(connection, connection.remoteAddress !== undefined));
    },
    close: async (grace) => {
      http.closeIdleConnections();
      const end = Date.now() + grace;
      while (connections.size > 0 && Date.now() < end) {
        const closed = [...connections].map((connection) => new Promise((resolve) => connection.once('close', resolve)));
        const { promise, resolve } = Promise.withResolvers<void>();
        const timer = setTimeout(resolve, Math.max(end - Date.now(), 0));
        await Promise.race([promise, ...closed]);
        clearTimeout(timer);
        http.closeIdleConnections();
      }
      for (const connection of connections) connection.destroy();
      http.closeAllConnections();
      http.emit('close');
    },
  };
}

/** Takes a request's connection away from HTTP, as the upgrade event does for those that ask. */
function takeOver(message: IncomingMessage, response: ServerResponse): Socket {
  const { socket } = message;
  // Listening for data makes the parser give the handle back; only then do its own listeners matter.
  socket.on('data', () => {});
  for (const event of ['data', 'end', 'close', 'drain', 'error', 'timeout']) socket.removeAllListeners(event);
  socket.on('error', () => {});
  response.detachSocket(socket);
  socket.setTimeout(0);
  return socket;
}

/**
 * Reads on for a moment and throws away: a client that is still sending would see its connection break before it sees why.
 * Ends when the client does, or after two seconds.
 */
async function lingered(message: IncomingMessage): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, 2_000);
  message.once('end', resolve);
  message.once('close', resolve);
  message.resume();
  await promise;
  clearTimeout(timer);
}

/** Lets go of what an answer holds when nobody is left to read it. */
async function release(reply: Reply): Promise<void> {
  if (reply.kind === 'session' || reply.kind === 'websocket') reply.session.close();
  if (reply.kind !== 'stream') return;
  try {
    // A generator that was never started would not clean up.
    for await (const _ of reply.body) break;
  } catch {
    // Whatever failed, there is nobody to tell.
  }
}

/** A whole answer on a connection that HTTP has let go of. */
function writeRaw(wire: Duplex, reply: Exclude<Reply, { kind: 'stream' | 'session' | 'websocket' }>, common: Headers): void {
  const { status, headers, body } = renderWhole(reply, { ...common, Connection: 'close' });
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`;
  for (const [name, value] of Object.entries(headers)) head += `${name}: ${value}\r\n`;
  wire.write(`${head}\r\n`);
  wire.end(body);
}
