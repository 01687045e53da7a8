/** Debian's docker-registry on loopback, let in by everyone, by TLS, by password or by token. */
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash, createSign, randomUUID, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { freePort } from '../clients/host.ts';
import { sha256, type MadeImage } from './crooked-server.ts';

const missing = (program: string, ...args: string[]): boolean => spawnSync(program, args).error !== undefined;
export const needsRegistry = {
  skip: process.getuid?.() !== 0 ? 'needs root: layers keep owners' : missing('docker-registry', '--version') ? 'docker-registry is not installed' : missing('htpasswd') ? 'htpasswd is not installed' : missing('openssl', 'version') ? 'openssl is not installed' : false,
} as const;

export type SetUp = 'plain' | 'tls' | 'basic' | 'token';
export const user = { name: 'anna', password: 'opensesame' };

export interface RealRegistry {
  host: string;
  /** What skopeo needs to get in. */
  skopeo: string[];
  /** Of the token set-up: what the token server was asked. */
  asked: { method: string; scopes: string[]; user: string | undefined; grant: string }[];
  folder: string;
  kill(): void;
  stop(): Promise<void>;
}

export async function startRegistry(setUp: SetUp): Promise<RealRegistry> {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-registry-'));
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
  const secure = setUp === 'tls' || setUp === 'basic';
  openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', 'key.pem', '-out', 'cert.pem', '-subj', '/CN=gantry-test', '-addext', 'subjectAltName=IP:127.0.0.1');
  const tokens = setUp === 'token' ? await startTokenServer(folder, host) : undefined;
  const config = {
    version: '0.1',
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(folder, 'data') }, delete: { enabled: true } },
    http: { addr: host, ...(secure ? { tls: { certificate: join(folder, 'cert.pem'), key: join(folder, 'key.pem') } } : {}) },
    ...(setUp === 'basic' ? { auth: { htpasswd: { realm: 'test', path: join(folder, 'htpasswd') } } } : {}),
    ...(tokens === undefined ? {} : { auth: { token: { realm: tokens.realm, service: 'gantry-test', issuer: 'gantry-test', rootcertbundle: join(folder, 'cert.pem') } } }),
  };
  if (setUp === 'basic') writeFileSync(join(folder, 'htpasswd'), execFileSync('htpasswd', ['-Bbn', user.name, user.password]));
  // JSON is YAML.
  writeFileSync(join(folder, 'config.yml'), JSON.stringify(config));
  const child = spawn('docker-registry', ['serve', join(folder, 'config.yml')], { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  for (let tries = 0; (await ping(host, secure)) === 0; tries++) {
    if (tries > 400) throw new Error('docker-registry does not start');
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  const kill = (): void => void child.kill('SIGKILL');
  return {
    host, folder, kill,
    asked: tokens?.asked ?? [],
    skopeo: setUp === 'plain' || setUp === 'tls' ? ['--tls-verify=false'] : ['--tls-verify=false', '--creds', `${user.name}:${user.password}`],
    stop: async () => {
      kill();
      await ended;
      tokens?.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function ping(host: string, secure: boolean): Promise<number> {
  if (!secure) return fetch(`http://${host}/v2/`).then(({ status }) => status, () => 0);
  return new Promise((resolve) => {
    request(`https://${host}/v2/`, { rejectUnauthorized: false }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    }).on('error', () => resolve(0)).end();
  });
}

/** Docker's token protocol: GET with a password, POST with a refresh token; tokens are good for what was asked. */
async function startTokenServer(folder: string, registry: string): Promise<{ realm: string; asked: RealRegistry['asked']; close(): void }> {
  const key = readFileSync(join(folder, 'key.pem'));
  const certificate = new X509Certificate(readFileSync(join(folder, 'cert.pem'))).raw.toString('base64');
  const refreshTokens = new Map<string, string>();
  const asked: RealRegistry['asked'] = [];
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const sign = (subject: string, scopes: readonly string[]): string => {
    const now = Math.floor(Date.now() / 1000);
    const access = scopes.map((scope) => {
      const parts = scope.split(':');
      return { type: parts[0], name: parts.slice(1, -1).join(':'), actions: parts.at(-1)!.split(',') };
    });
    const claims = { iss: 'gantry-test', sub: subject, aud: 'gantry-test', exp: now + 300, nbf: now - 10, iat: now, jti: randomUUID(), access };
    const body = `${encode({ typ: 'JWT', alg: 'RS256', x5c: [certificate] })}.${encode(claims)}`;
    return `${body}.${createSign('sha256').update(body).sign(key).toString('base64url')}`;
  };
  const who = async (request: IncomingMessage, url: URL): Promise<{ user: string | undefined; scopes: string[]; grant: string; offline: boolean }> => {
    if (request.method === 'POST') {
      const form = new URLSearchParams(await text(request));
      const scopes = (form.get('scope') ?? '').split(' ').filter(Boolean);
      return { user: refreshTokens.get(form.get('refresh_token') ?? ''), scopes, grant: form.get('grant_type') ?? '', offline: false };
    }
    const [name, password] = Buffer.from(request.headers.authorization?.replace('Basic ', '') ?? '', 'base64').toString().split(':');
    const scopes = url.searchParams.getAll('scope').flatMap((scope) => scope.split(' '));
    return { user: name === user.name && password === user.password ? name : undefined, scopes, grant: 'password', offline: url.searchParams.get('offline_token') === 'true' };
  };
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', `http://${registry}`);
    void who(request, url).then(({ user: name, scopes, grant, offline }) => {
      asked.push({ method: request.method ?? '', scopes, user: name, grant });
      response.setHeader('content-type', 'application/json');
      if (name === undefined) {
        response.statusCode = 401;
        response.end(JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: 'incorrect username or password' }] }));
        return;
      }
      const refresh = createHash('sha256').update(`refresh ${name}`).digest('hex');
      if (offline) refreshTokens.set(refresh, name);
      response.end(JSON.stringify({ token: sign(name, scopes), expires_in: 300, ...(offline ? { refresh_token: refresh } : {}) }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { realm: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`, asked, close: () => void server.close() };
}

/** Uploads an image under `name:1`, past every client of ours. */
export async function publish(host: string, name: string, image: MadeImage): Promise<string> {
  const put = async (bytes: Buffer, digest: string): Promise<void> => {
    const begun = await fetch(`http://${host}/v2/${name}/blobs/uploads/`, { method: 'POST' });
    const url = new URL(begun.headers.get('location') ?? '', `http://${host}`);
    url.searchParams.set('digest', digest);
    const { status } = await fetch(url, { method: 'PUT', body: new Uint8Array(bytes), headers: { 'content-type': 'application/octet-stream' } });
    assert.equal(status, 201);
  };
  for (const { bytes, digest } of image.layers) await put(bytes, digest);
  await put(image.config, sha256(image.config));
  const { status } = await fetch(`http://${host}/v2/${name}/manifests/1`, { method: 'PUT', body: new Uint8Array(image.manifest), headers: { 'content-type': image.mediaType } });
  assert.equal(status, 201);
  return `${host}/${name}:1`;
}
