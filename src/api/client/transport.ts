import type { Query } from '../query.ts';

export interface OutgoingRequest {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  /** Below the version prefix, already percent-encoded, e.g. `/containers/json`. */
  path: string;
  query?: Query;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent chunked with back-pressure, as `application/x-tar` unless headers say otherwise. */
  stream?: AsyncIterable<Uint8Array>;
  headers?: Readonly<Record<string, string>>;
  /** Aborting closes the connection; the pending call rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Without the `/v1.NN` prefix (ping). */
  unversioned?: boolean;
}

export interface IncomingResponse {
  status: number;
  /** Lower-case names; repeated ones joined by a comma. */
  headers: ReadonlyMap<string, string>;
  /** The body as it arrives. Leaving the loop early closes the connection. */
  body: AsyncIterable<Uint8Array>;
  text(): Promise<string>;
  json<T>(): Promise<T>;
}

/** A connection that became a pipe: bytes both ways, each direction closed on its own. */
export interface RawStream {
  headers: ReadonlyMap<string, string>;
  input: AsyncIterable<Uint8Array>;
  write(data: Uint8Array): Promise<void>;
  /** Half-close: the engine reads EOF. */
  end(): void;
  /** Closes both directions at once. Idempotent. */
  destroy(): void;
}

/**
 * Carries requests to an engine over kept-alive HTTP/1.1 connections. An answer of 400 and above is thrown as an EngineError
 * with the engine's own message and `details.status`; an engine that cannot be reached is `unavailable`.
 */
export interface Transport {
  send(request: OutgoingRequest): Promise<IncomingResponse>;
  /** Asks for `Upgrade: tcp` and hands over the connection. */
  hijack(request: OutgoingRequest): Promise<RawStream>;
  /** The version that requests carry, `1.55`: given, or negotiated by one ping. */
  version(): Promise<string>;
}

/** Sends and throws the body away; an answer of 304 counts as done. */
export async function perform(transport: Transport, request: OutgoingRequest): Promise<void> {
  await (await transport.send(request)).text();
}

export async function fetchJson<T>(transport: Transport, request: OutgoingRequest): Promise<T> {
  return (await transport.send(request)).json<T>();
}
