/** HTTP as registries need it: connections kept per host, TLS per host, proxies, redirects without secrets, nothing endless. */
import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import { isIP } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { connect as tlsConnect } from 'node:tls';
import { machineRoots, readHostCertificates } from './certificates.ts';
import { bareHost } from './addresses.ts';
import { noAnswer, registryError, Stalled } from './fault.ts';
import { proxyFor, type ProxySettings } from './proxy.ts';

export interface WireRequest {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  url: URL;
  headers?: Readonly<Record<string, string>>;
  /** Bytes, or a stream of known length that can be opened again for another try. */
  body?: Uint8Array | { size: number; open: () => AsyncIterable<Uint8Array> };
  /** False: whoever answers may show any certificate. */
  verify?: boolean;
  /** Connect to one of these, whatever the name server says by now. */
  addresses?: readonly string[];
  /** How many redirects to follow; 0 by default. */
  redirects?: number;
  signal: AbortSignal;
}

export interface WireResponse {
  status: number;
  headers: IncomingHttpHeaders;
  /** Must be read to its end or destroyed. */
  body: IncomingMessage;
  /** Where the answer came from in the end. */
  url: URL;
}

export interface Wire {
  /** Resolves with any status. Fails with an EngineError whose fault says whether another try may help. */
  send(request: WireRequest): Promise<WireResponse>;
  close(): void;
}

export interface WireOptions {
  proxy: ProxySettings;
  /** Folders in Docker's `certs.d` layout, first one first. */
  certificateFolders: readonly string[];
  userAgent: string;
  /** Milliseconds without a byte before a connection counts as dead. */
  stall?: number;
}

export function createWire(options: WireOptions): Wire {
  const stall = options.stall ?? 60_000;
  const agents = new Map<string, HttpAgent | HttpsAgent>();

  const agentFor = (url: URL, verify: boolean, proxy: URL | undefined): HttpAgent | HttpsAgent => {
    const key = `${url.protocol}//${url.host} ${verify} ${proxy?.href ?? ''}`;
    const known = agents.get(key);
    if (known !== undefined) return known;
    const common = { keepAlive: true, keepAliveMsecs: 30_000, maxFreeSockets: 8, timeout: stall, scheduling: 'lifo' as const };
    let agent: HttpAgent | HttpsAgent;
    if (url.protocol === 'http:') agent = new HttpAgent(common);
    else {
      const { ca, cert, key: secret } = readHostCertificates(options.certificateFolders, url.host);
      const tls = { ca: ca ?? machineRoots(), rejectUnauthorized: verify, minVersion: 'TLSv1.2' as const, ...(cert === undefined ? {} : { cert, key: secret }) };
      agent = new HttpsAgent({ ...common, ...tls });
      if (proxy !== undefined) tunnel(agent as HttpsAgent, proxy, url, tls, stall);
    }
    if (agents.size > 200) {
      for (const old of agents.values()) old.destroy();
      agents.clear();
    }
    agents.set(key, agent);
    return agent;
  };

  const once = async (given: WireRequest): Promise<WireResponse> => {
    const { url, signal, verify = true } = given;
    signal.throwIfAborted();
    const proxy = proxyFor(options.proxy, url);
    let request: ClientRequest;
    try {
      const agent = agentFor(url, verify, proxy);
      const headers: Record<string, string> = { 'user-agent': options.userAgent, 'accept-encoding': 'identity', ...given.headers };
      const body = given.body;
      if (body !== undefined) headers['content-length'] = String(body instanceof Uint8Array ? body.length : body.size);
      const plainProxy = proxy !== undefined && url.protocol === 'http:' ? proxy : undefined;
      if (plainProxy !== undefined && plainProxy.username !== '') headers['proxy-authorization'] = basic(plainProxy);
      if (plainProxy !== undefined) headers['host'] = url.host;
      const target = plainProxy ?? url;
      request = (url.protocol === 'https:' ? httpsRequest : httpRequest)({
        method: given.method,
        host: bareHost(target),
        port: target.port === '' ? undefined : Number(target.port),
        path: plainProxy === undefined ? `${url.pathname}${url.search}` : url.href,
        headers,
        agent,
        timeout: stall,
        signal,
        ...(given.addresses === undefined || plainProxy !== undefined ? {} : { lookup: pinned(given.addresses) }),
      });
    } catch (error) {
      throw noAnswer(error, given.method, url);
    }
    const { promise, resolve, reject } = Promise.withResolvers<WireResponse>();
    let answer: IncomingMessage | undefined;
    request.on('timeout', () => {
      const stalled = new Stalled(`nothing came from ${url.host} for ${stall / 1000} s (Client.Timeout exceeded)`);
      // Whoever reads the body is to hear why it ends.
      answer?.destroy(stalled);
      request.destroy(stalled);
    });
    request.on('error', reject);
    request.on('response', (body) => {
      answer = body;
      resolve({ status: body.statusCode ?? 0, headers: body.headers, body, url });
    });
    if (given.body === undefined) request.end();
    else if (given.body instanceof Uint8Array) request.end(given.body);
    else void pipeline(Readable.from(given.body.open(), { objectMode: false, highWaterMark: 1 << 20 }), request).catch((error: unknown) => request.destroy(error as Error));
    try {
      return await promise;
    } catch (error) {
      signal.throwIfAborted();
      throw noAnswer(error, given.method, url);
    }
  };

  return {
    async send(given) {
      let request = given;
      for (let left = given.redirects ?? 0; ; left--) {
        const response = await once(request);
        const location = response.headers.location;
        if (given.redirects === undefined || location === undefined || ![301, 302, 303, 307, 308].includes(response.status)) return response;
        response.body.resume();
        if (left <= 0) throw registryError('internal', `registry ${given.url.host}: more than ${given.redirects} redirects for ${given.url.pathname}`, {});
        const next = URL.parse(location, request.url);
        if (next === null || (next.protocol !== 'https:' && next.protocol !== 'http:')) {
          throw registryError('internal', `registry ${given.url.host}: a redirect for ${given.url.pathname} leads to no HTTP address`, {});
        }
        request = { ...request, url: next, headers: next.origin === request.url.origin ? request.headers ?? {} : withoutSecrets(request.headers) };
        if (next.origin !== given.url.origin) delete request.verify;
      }
    },
    close() {
      for (const agent of agents.values()) agent.destroy();
      agents.clear();
    },
  };
}

/** What another host may see of a request's headers. */
function withoutSecrets(headers: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !/^(?:authorization|cookie|proxy-authorization)$/i.test(name)));
}

const basic = (url: URL): string => `Basic ${Buffer.from(`${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`).toString('base64')}`;

function pinned(addresses: readonly string[]): LookupFunction {
  const list = addresses.map((address) => ({ address, family: isIP(address) }));
  return (_name, options, callback) => {
    if (options.all === true) callback(null, list);
    else callback(null, list[0]?.address ?? '', list[0]?.family ?? 4);
  };
}

/** TLS through a proxy: CONNECT, then the handshake with the host behind it. */
function tunnel(agent: HttpsAgent, proxy: URL, url: URL, tls: object, stall: number): void {
  const authority = `${url.hostname}:${url.port === '' ? '443' : url.port}`;
  agent.createConnection = (_options, callback) => {
    const headers: Record<string, string> = { host: authority, ...(proxy.username === '' ? {} : { 'proxy-authorization': basic(proxy) }) };
    const ask = (proxy.protocol === 'https:' ? httpsRequest : httpRequest)({
      method: 'CONNECT',
      host: bareHost(proxy),
      port: proxy.port === '' ? undefined : Number(proxy.port),
      path: authority,
      headers,
      agent: false,
      timeout: stall,
    });
    ask.on('timeout', () => ask.destroy(new Stalled(`the proxy ${proxy.host} does not answer (Client.Timeout exceeded)`)));
    ask.on('error', (error) => callback?.(error, undefined as never));
    ask.on('connect', (response, socket) => {
      if (response.statusCode === 200) {
        const secure = tlsConnect({ ...tls, socket, ...(isIP(bareHost(url)) === 0 ? { servername: url.hostname } : { host: bareHost(url) }) });
        secure.once('secureConnect', () => callback?.(null, secure));
        secure.once('error', (error) => callback?.(error, undefined as never));
        return;
      }
      socket.destroy();
      callback?.(registryError('internal', `the proxy ${proxy.host} refuses to connect to ${authority}: HTTP ${response.statusCode}`, {}), undefined as never);
    });
    ask.end();
    return undefined;
  };
}

/** The whole body, refused when it is larger than `limit`. */
export async function readBody(response: WireResponse, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > limit) throw registryError('internal', `registry ${response.url.host}: the answer for ${response.url.pathname} has more than ${limit} bytes`, {});
      chunks.push(chunk);
    }
  } catch (error) {
    throw noAnswer(error, 'GET', response.url);
  }
  return Buffer.concat(chunks);
}

