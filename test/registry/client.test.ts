/** What the client does on the wire: certs.d, client certificates, proxies with and without CONNECT, mirrors. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttp, type Server } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createRegistries } from '#image/registry/registries.ts';
import { createWire, readBody, type Wire } from '#image/registry/wire.ts';
import { makeImage, makeLayer, startCrookedServer } from './crooked-server.ts';

const skip = spawnSync('openssl', ['version']).error === undefined ? false : 'openssl is not installed';
const folder = mkdtempSync(join(tmpdir(), 'gantry-wire-'));
const certs = join(folder, 'certs.d');
const { signal } = new AbortController();
const servers: Server[] = [];
let secure: number;

const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
const listen = async (server: Server): Promise<number> => {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
};
const wireWith = (options: Partial<Parameters<typeof createWire>[0]>): Wire => createWire({ proxy: { http: '', https: '', no: '' }, certificateFolders: [], userAgent: 'test', ...options });
async function get(wire: Wire, url: string): Promise<string> {
  try {
    const response = await wire.send({ method: 'GET', url: new URL(url), signal });
    return `${response.status} ${(await readBody(response, 1000)).toString()}`;
  } finally {
    wire.close();
  }
}

before(async () => {
  if (skip !== false) return;
  openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', 'ca.key', '-out', 'ca.crt', '-subj', '/CN=authority');
  for (const name of ['server', 'client']) {
    writeFileSync(join(folder, `${name}.ext`), 'subjectAltName=IP:127.0.0.1,DNS:registry.test\n');
    openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    openssl('x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-out', `${name}.cert`, '-extfile', `${name}.ext`);
  }
  const file = (name: string): string => readFileSync(join(folder, name), 'utf8');
  const server = createHttps({ cert: file('server.cert'), key: file('server.key'), ca: file('ca.crt'), requestCert: true, rejectUnauthorized: false }, (request, response) => {
    const socket = request.socket as import('node:tls').TLSSocket;
    response.end(socket.authorized ? `client ${String(socket.getPeerCertificate().subject.CN)}` : 'nobody');
  });
  secure = await listen(server as unknown as Server);
});
after(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(folder, { recursive: true });
});

test('a host without a folder is judged by the machine\'s roots; one with a folder by its own, and shown our certificate', { skip }, async () => {
  await assert.rejects(get(wireWith({}), `https://127.0.0.1:${secure}/`), /x509: certificate signed by unknown authority/);
  const own = join(certs, `127.0.0.1:${secure}`);
  mkdirSync(own, { recursive: true });
  writeFileSync(join(own, 'ca.crt'), readFileSync(join(folder, 'ca.crt')));
  assert.equal(await get(wireWith({ certificateFolders: [join(folder, 'nothing'), certs] }), `https://127.0.0.1:${secure}/`), '200 nobody');
  writeFileSync(join(own, 'me.cert'), readFileSync(join(folder, 'client.cert')));
  await assert.rejects(get(wireWith({ certificateFolders: [certs] }), `https://127.0.0.1:${secure}/`), /missing key me.key for client certificate me.cert/);
  writeFileSync(join(own, 'me.key'), readFileSync(join(folder, 'client.key')));
  assert.equal(await get(wireWith({ certificateFolders: [certs] }), `https://127.0.0.1:${secure}/`), '200 client client');
  await assert.rejects(get(wireWith({ certificateFolders: [certs] }), `https://localhost:${secure}/`), /x509/);
});

test('proxies: whole addresses for HTTP, a tunnel for HTTPS, a password for the proxy only', { skip }, async () => {
  const seen: string[] = [];
  const proxy = createHttp((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers['proxy-authorization'] ?? ''}`);
    response.end('by proxy');
  });
  proxy.on('connect', (request, socket) => {
    seen.push(`CONNECT ${request.url} ${request.headers['proxy-authorization'] ?? ''}`);
    if (request.url?.startsWith('forbidden') === true) {
      socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
      return;
    }
    const through = connect(secure, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      through.pipe(socket).pipe(through);
    });
    through.on('error', () => socket.destroy());
    socket.on('error', () => through.destroy());
  });
  const address = `http://me:secret@127.0.0.1:${await listen(proxy)}`;
  const behind = join(certs, 'registry.test');
  mkdirSync(behind, { recursive: true });
  writeFileSync(join(behind, 'ca.crt'), readFileSync(join(folder, 'ca.crt')));
  const settings = { proxy: { http: address, https: address, no: '' }, certificateFolders: [certs] };
  const authorization = `Basic ${Buffer.from('me:secret').toString('base64')}`;
  assert.equal(await get(wireWith(settings), 'http://plain.test/v2/'), '200 by proxy');
  assert.equal(await get(wireWith(settings), 'https://registry.test/v2/'), '200 nobody');
  await assert.rejects(get(wireWith(settings), 'https://forbidden.test/v2/'), /the proxy 127.0.0.1:\d+ refuses to connect to forbidden.test:443: HTTP 403/);
  assert.deepEqual(seen, [`GET http://plain.test/v2/ ${authorization}`, `CONNECT registry.test:443 ${authorization}`, `CONNECT forbidden.test:443 ${authorization}`]);
});

test('a mirror is asked first for what is on docker.io, without credentials; what it lacks is not the last word', { skip }, async () => {
  await using mirror = await startCrookedServer();
  mirror.publish('library/app', makeImage([makeLayer('a', 'b')]));
  const registries = createRegistries({ mirrors: [`http://${mirror.host}`], proxy: { http: '', https: 'http://127.0.0.1:9', no: '' } });
  const places = await registries.repositories({ domain: 'docker.io', path: 'library/app' }, 'pull', { username: 'me', password: 'secret' });
  const found = await registries.first(places, (repository) => repository.manifest('1', signal));
  assert.equal(found.mediaType, 'application/vnd.docker.distribution.manifest.v2+json');
  assert.ok(mirror.seen.every(({ headers }) => headers.authorization === undefined));
  // Docker Hub itself is out of reach here: its failure is what is told, not the mirror's.
  await assert.rejects(registries.first(places, (repository) => repository.manifest('2', signal)), /registry-1\.docker\.io/);
  registries.close();
});
