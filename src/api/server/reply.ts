import type { StdioSession } from '#spec/streams.ts';

export type Headers = Readonly<Record<string, string>>;

/** What a route answers; the server turns it into bytes. */
export type Reply =
  | { kind: 'json'; status: number; value: unknown; headers?: Headers }
  | { kind: 'text'; status: number; text: string; headers?: Headers }
  | { kind: 'empty'; status: number; headers?: Headers }
  | StreamReply
  | SessionReply
  | { kind: 'websocket'; session: StdioSession; binary: boolean };

/**
 * Takes the connection over. The head goes out before `open` is called, so that what a process says at once never arrives
 * together with it (python3-docker loses what does). A failure to open goes in band.
 */
export interface SessionReply {
  kind: 'session';
  tty: boolean;
  /** The content type says that the stream is multiplexed (API 1.42 and newer). */
  multiplexed: boolean;
  open: () => Promise<StdioSession>;
  /** Called instead of `open` when the client is gone already. */
  abandon: () => void;
}

/**
 * The head goes out at once, then the body as it comes. `renderError` puts a failure that comes after the head in band;
 * without it the connection is cut, so that a client sees the stream as broken.
 */
export interface StreamReply {
  kind: 'stream';
  status: number;
  contentType: string;
  headers?: Headers;
  body: AsyncIterable<Uint8Array | string>;
  renderError?: (error: unknown) => Uint8Array | string;
}

export const json = (value: unknown, status = 200): Reply => ({ kind: 'json', status, value });
export const noContent: Reply = { kind: 'empty', status: 204 };
export const empty = (status: number, headers?: Headers): Reply =>
  headers === undefined ? { kind: 'empty', status } : { kind: 'empty', status, headers };
