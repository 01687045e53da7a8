import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '#base/log.ts';
import { createClient, type EngineClient } from '../client/client.ts';
import { createApiServer } from '../server/api-server.ts';
import { type FakeServices, fakeServices } from './fake-services.ts';

export interface Served extends AsyncDisposable {
  /** `unix:///...` */
  host: string;
  socketPath: string;
  client: EngineClient;
  server: Server;
}

/** An API server over fake services on a unix socket of its own, and a client of it. */
export async function serve(services: FakeServices, options: { version?: string } = {}): Promise<Served> {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-api-'));
  const socketPath = join(folder, 's');
  const server = createServer();
  const api = createApiServer({ services: fakeServices(services), log: silentLog, version: '0.0.0' });
  api.attach(server);
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  const host = `unix://${socketPath}`;
  const client = createClient({ host, version: options.version });
  return {
    host,
    socketPath,
    client,
    server,
    [Symbol.asyncDispose]: async () => {
      client.close();
      server.close();
      await api.close(0);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Sends bytes as they are and gives everything that came back until the server closed. */
export async function rawExchange(served: Served, request: string): Promise<string> {
  const { connect } = await import('node:net');
  const socket = connect(served.socketPath);
  socket.write(request);
  const chunks: Buffer[] = [];
  for await (const chunk of socket as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
