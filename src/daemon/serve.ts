import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { EngineError, messageOf } from '#base/errors.ts';
import type { ApiServer } from '#api/server/api-server.ts';
import type { Log } from '#base/log.ts';
import type { TlsFiles } from './address.ts';
import type { Listening } from './sockets.ts';

/** Accepts on every socket for the API; TCP goes through TLS first when there is one. */
export async function serve(api: ApiServer, sockets: readonly Listening[], tls: TlsFiles | undefined, log: Log): Promise<AsyncDisposable> {
  const servers: Server[] = [];
  for (const { fd, kind, shown } of sockets) {
    const server = kind === 'tcp' && tls !== undefined ? tlsServer(tls, log) : createServer({ allowHalfOpen: true, noDelay: true });
    api.attach(server);
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
