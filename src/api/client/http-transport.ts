import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { EngineError, type ErrorCode, isErrno } from '#base/errors.ts';
import { renderQuery } from '../query.ts';
import { API_VERSION, MIN_API_VERSION, versionBelow } from '../version.ts';
import { ByteQueue } from './byte-queue.ts';
import { cannotConnect, createDialer, type TlsFiles } from './dial.ts';
import { type Exchange, HttpConnection } from './http-connection.ts';
import type { IncomingResponse, OutgoingRequest, RawStream, Transport } from './transport.ts';

const LARGEST_ERROR = 1024 * 1024;

export function createHttpTransport(options: {
  host: string;
  tls?: TlsFiles | undefined;
  version?: string | undefined;
  headers?: Readonly<Record<string, string>> | undefined;
  whenDown?: (() => Promise<void>) | undefined;
}): Transport & { ping(): Promise<IncomingResponse>; close(): void } {
  const dialer = createDialer(options.host, options.tls);
  const idle: HttpConnection[] = [];
  const all = new Set<HttpConnection>();
  let negotiated: Promise<string> | undefined = options.version === undefined ? undefined : Promise.resolve(options.version);
  let common = `Host: ${dialer.authority}\r\nUser-Agent: gantry-client\r\n`;
  for (const [name, value] of Object.entries(options.headers ?? {})) common += header(name, value);

  const rest = (connection: HttpConnection): void => {
    // An idle connection must not keep the process alive.
    if (connection.wire instanceof Socket) connection.wire.unref();
    idle.push(connection);
  };

  const dial = async (): Promise<Duplex> => {
    try {
      return await dialer.dial();
    } catch (error) {
      const down = error instanceof EngineError && (error.details['errno'] === 'ENOENT' || error.details['errno'] === 'ECONNREFUSED');
      if (!down || !options.whenDown) throw error;
      await options.whenDown();
      return dialer.dial();
    }
  };

  const open = async (): Promise<HttpConnection> => {
    const connection = new HttpConnection(await dial(), rest);
    all.add(connection);
    connection.wire.once('close', () => {
      all.delete(connection);
      const at = idle.indexOf(connection);
      if (at >= 0) idle.splice(at, 1);
    });
    return connection;
  };

  const reuse = (): HttpConnection | undefined => {
    for (let connection = idle.pop(); connection; connection = idle.pop()) {
      if (connection.closed) continue;
      if (connection.wire instanceof Socket) connection.wire.ref();
      return connection;
    }
    return undefined;
  };

  const exchange = async (request: OutgoingRequest, hijack: boolean): Promise<{ connection: HttpConnection; answer: Exchange }> => {
    const { signal } = request;
    // Until the engine's version is known the newest is tried: an engine that is older refuses it without having done anything.
    if (request.stream !== undefined && !request.unversioned) await version();
    const guessed = negotiated === undefined && !request.unversioned;
    const prefix = request.unversioned ? '' : `/v${await (negotiated ?? API_VERSION)}`;
    signal?.throwIfAborted();
    const content = request.json === undefined ? undefined : Buffer.from(JSON.stringify(request.json));
    let head = `${request.method} ${prefix}${request.path}${renderQuery(request.query)} HTTP/1.1\r\n${common}`;
    if (hijack) head += 'Connection: Upgrade\r\nUpgrade: tcp\r\n';
    for (const [name, value] of Object.entries(request.headers ?? {})) head += header(name, value);
    if (content) head += `Content-Type: application/json\r\nContent-Length: ${content.length}\r\n`;
    else if (request.stream) head += `${request.headers?.['Content-Type'] ? '' : 'Content-Type: application/x-tar\r\n'}Transfer-Encoding: chunked\r\n`;
    else if (request.method === 'POST' || request.method === 'PUT') head += 'Content-Length: 0\r\n';
    head += '\r\n';

    let connection = reuse();
    for (;;) {
      const reused = connection !== undefined;
      connection ??= await open();
      const current = connection;
      const abort = (): void => current.destroy(asError(signal?.reason));
      signal?.addEventListener('abort', abort, { once: true });
      if (signal !== undefined) current.wire.once('close', () => signal.removeEventListener('abort', abort));
      try {
        const answer = await current.exchange({ method: request.method, head, content, stream: request.stream, hijack });
        if (guessed && (await settle(answer))) return await exchange(request, hijack);
        return { connection: current, answer };
      } catch (error) {
        signal?.throwIfAborted();
        // A kept-alive connection may have been closed while the request was on its way; reading again is harmless.
        if (reused && (request.method === 'GET' || request.method === 'HEAD') && isUnanswered(error)) {
          connection = undefined;
          continue;
        }
        if (error instanceof EngineError) throw error;
        if (isErrno(error)) throw cannotConnect(options.host, error);
        throw new EngineError('unavailable', `error during connect to ${options.host}: ${asError(error).message}`, { cause: error });
      }
    }
  };

  /** Learns the engine's version from its first answer; true when the request must be sent again in that version. */
  const settle = async (answer: Exchange): Promise<boolean> => {
    if (answer.head.status !== 400) {
      const theirs = answer.head.headers.get('api-version');
      if (theirs !== undefined) negotiated ??= Promise.resolve(versionBelow(theirs, API_VERSION) ? theirs : API_VERSION);
      return false;
    }
    const bytes = Buffer.concat(await Array.fromAsync(answer.body));
    // An answer to HEAD has no body to say so.
    const theirs = bytes.length === 0 ? answer.head.headers.get('api-version') : undefined;
    const most = theirs !== undefined && versionBelow(theirs, API_VERSION) ? theirs : /too new\. Maximum supported API version is (\d+\.\d+)/.exec(bytes.toString())?.[1];
    if (most === undefined) {
      answer.body = new ByteQueue({ hold: () => {}, resume: () => {}, abandon: () => {} });
      answer.body.push(bytes);
      answer.body.end();
      return false;
    }
    negotiated ??= Promise.resolve(most);
    return true;
  };

  const send = async (request: OutgoingRequest): Promise<IncomingResponse> => {
    const { answer } = await exchange(request, false);
    if (answer.head.status >= 400) throw await refusal(answer, request);
    return toResponse(answer);
  };

  const ping = (): Promise<IncomingResponse> => send({ method: 'HEAD', path: '/_ping', unversioned: true });

  const version = (): Promise<string> => {
    negotiated ??= ping().then(
      ({ headers }) => {
        const theirs = headers.get('api-version') ?? MIN_API_VERSION;
        return versionBelow(theirs, API_VERSION) ? theirs : API_VERSION;
      },
      (error: unknown) => {
        negotiated = undefined;
        throw error;
      },
    );
    return negotiated;
  };

  return {
    send,
    ping,
    version,
    hijack: async (request) => {
      const { connection, answer } = await exchange(request, true);
      if (answer.head.status >= 300) throw await refusal(answer, request);
      return toRawStream(connection, answer);
    },
    close: () => {
      for (const connection of all) connection.destroy();
    },
  };
}

function toResponse({ head, body }: Exchange): IncomingResponse {
  const text = async (): Promise<string> => Buffer.concat(await Array.fromAsync(body)).toString();
  return { status: head.status, headers: head.headers, body, text, json: async <T>() => JSON.parse(await text()) as T };
}

function toRawStream(connection: HttpConnection, { head, body }: Exchange): RawStream {
  return {
    headers: head.headers,
    input: body,
    write: (data) => connection.write(data),
    end: () => connection.end(),
    destroy: () => {
      body.end();
      connection.destroy();
    },
  };
}

const codeByStatus: Readonly<Record<number, ErrorCode>> = {
  304: 'not_modified',
  400: 'invalid_argument',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  409: 'conflict',
  501: 'not_implemented',
  503: 'unavailable',
};

async function refusal({ head, body }: Exchange, request: OutgoingRequest): Promise<EngineError> {
  const { status } = head;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > LARGEST_ERROR) break;
  }
  const text = Buffer.concat(chunks).toString().trim();
  let message = text;
  try {
    const parsed = JSON.parse(text) as { message?: unknown };
    if (typeof parsed.message === 'string') message = parsed.message;
  } catch {
    // A proxy's page, or an answer to HEAD: the text is all there is.
  }
  if (message === '') message = `${request.method} ${request.path} was answered with status ${status}`;
  return new EngineError(codeByStatus[status] ?? 'internal', message, { details: { status } });
}

const isUnanswered = (error: unknown): boolean => error instanceof Error && 'unanswered' in error;
const asError = (reason: unknown): Error => (reason instanceof Error ? reason : new Error(String(reason)));

function header(name: string, value: string): string {
  if (/[\r\n]/.test(name + value)) throw new EngineError('invalid_argument', `the header ${JSON.stringify(name)} contains a line break`);
  return `${name}: ${value}\r\n`;
}
