import { createServer, type IncomingMessage, type Server as HttpServer } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { Server as TlsServer } from 'node:tls';
import type { Log } from '#base/log.ts';
import type { Services } from '../services.ts';
import { API_VERSION } from '../version.ts';
import { answer } from './answer.ts';
import { refuseBrowsers } from './browser-guard.ts';
import { createDispatcher } from './dispatcher.ts';
import type { Headers } from './reply.ts';
import { Router } from './router.ts';
import { buildRoutes } from './routes/build.ts';
import { containerFileRoutes } from './routes/container-files.ts';
import { containerStreamRoutes } from './routes/container-streams.ts';
import { containerRoutes } from './routes/containers.ts';
import { execRoutes } from './routes/execs.ts';
import { imageRoutes } from './routes/images.ts';
import { registryRoutes } from './routes/registry.ts';
import { nativeBuildRoutes } from './routes/native-build.ts';
import { networkRoutes } from './routes/networks.ts';
import { systemRoutes } from './routes/system.ts';
import { unsupportedRoutes } from './routes/unsupported.ts';
import { volumeRoutes } from './routes/volumes.ts';
import { serveUpgrade } from './upgrade.ts';
import { writeRaw } from './write-reply.ts';

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
    ...registryRoutes(services.images),
    ...imageRoutes(services.images),
    ...buildRoutes(services.builds),
    ...nativeBuildRoutes(services.builds),
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

  const dispatcher = createDispatcher({
    router,
    log,
    admit: (message) => {
      if (guarded.has(message.socket)) refuseBrowsers(message.headers, allowedOrigins);
    },
  });

  const http: HttpServer = createServer(
    {
      maxHeaderSize: LARGEST_HEAD,
      headersTimeout: HEADERS_DEADLINE,
      // A body may take as long as it likes (images are loaded through it); JSON bodies have a deadline of their own.
      requestTimeout: 0,
      keepAliveTimeout: IDLE_DEADLINE,
      noDelay: true,
      shouldUpgradeCallback: (message: IncomingMessage) => dispatcher.hijacks(message),
    },
    (message, response) => {
      answer(dispatcher, message, response, common).catch((error: unknown) => {
        log.error('an answer could not be sent', { error });
        response.destroy();
      });
    },
  );
  http.on('upgrade', (message, wire, head) => {
    serveUpgrade(dispatcher, message, wire, head, common).catch((error: unknown) => {
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
    },
  };
}
