import { readFileSync } from 'node:fs';
import type { Server as HttpServer } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { EngineError, messageOf } from '#base/errors.ts';
import type { Log } from '#base/log.ts';
import type { TlsFiles } from './address.ts';
import type { Listening } from './sockets.ts';

/** Accepts on every socket and hands the connections to one HTTP server; TCP goes through TLS first when there is one. */
export async function serve(http: HttpServer, sockets: readonly Listening[], tls: TlsFiles | undefined, log: Log): Promise<AsyncDisposable> {
  const servers: Server[] = [];
  for (const { fd, kind, shown } of sockets) {
    const server = kind === 'tcp' && tls !== undefined ? tlsServer(tls, log) : createServer({ allowHalfOpen: true, noDelay: true });
    server.on(kind === 'tcp' && tls !== undefined ? 'secureConnection' : 'connection', (socket: Socket) => http.emit('connection', socket));
    server.on('error', (error) => log.error('a listening socket failed', { address: shown, error }));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once('error', reject);
    server.listen({ fd }, resolve);
    await promise;
    server.off('error', reject);
    servers.push(server);
    log.info('API listens', { address: shown, tls: kind === 'tcp' && tls !== undefined });
  }
  return {
    async [Symbol.asyncDispose]() {
      for (const server of servers) server.close();
      // Streams (logs -f, events, attach) would go on for ever: their clients see the end and may come again.
      http.closeIdleConnections();
      http.closeAllConnections();
    },
  };
}

function tlsServer(tls: TlsFiles, log: Log): Server {
  const server = createTlsServer({
    cert: readPem(tls.cert, 'tlscert'),
    key: readPem(tls.key, 'tlskey'),
    ...(tls.verify ? { ca: readPem(tls.ca, 'tlscacert'), requestCert: true, rejectUnauthorized: true } : {}),
    minVersion: 'TLSv1.2',
    allowHalfOpen: true,
    handshakeTimeout: 10_000,
  });
  server.on('tlsClientError', (error, socket) => log.info('a TLS client was refused', { peer: socket.remoteAddress, reason: messageOf(error) }));
  return server;
}

function readPem(path: string, key: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new EngineError('invalid_argument', `${key} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}
