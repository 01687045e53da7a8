/** Streams between the engine and the API; plain shapes, no sockets. */

export type StdStream = 'stdin' | 'stdout' | 'stderr';

/** One read of a container's output. */
export interface OutputChunk {
  stream: 'stdout' | 'stderr';
  data: Uint8Array;
}

/**
 * A live connection to a process's stdio. `output` ends when the process closed its output or the session was closed;
 * it must be consumed (back-pressure reaches the monitor, never the container's siblings).
 */
export interface StdioSession {
  /** With a tty the bytes go out raw, otherwise multiplexed by stream. */
  readonly tty: boolean;
  readonly output: AsyncIterable<OutputChunk>;
  /** Writes to stdin; resolves when accepted. A session without stdin drops the bytes. */
  write(data: Uint8Array): Promise<void>;
  /** Half-close: the process reads EOF (only with StdinOnce semantics for attach; always for exec). */
  endInput(): void;
  /** Lets go without disturbing the process. Idempotent. */
  close(): void;
  /** Keys that detach, as raw bytes; the API watches for them in tty sessions. */
  readonly detachKeys: Uint8Array;
  /** The client typed them; `close` follows. For the event that tells of it. */
  detached?(): void;
}

export interface AttachOptions {
  /** Replay what was logged so far first. */
  logs: boolean;
  /** Follow live. */
  stream: boolean;
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  detachKeys: string | undefined;
}

export interface LogOptions {
  stdout: boolean;
  stderr: boolean;
  follow: boolean;
  /** Nanoseconds since the epoch. */
  since: bigint | undefined;
  until: bigint | undefined;
  timestamps: boolean;
  details: boolean;
  /** Last n lines, undefined for all. */
  tail: number | undefined;
}

/** Consecutive log entries, in order; already rendered with time and details when asked for. */
export type LogBatch = OutputChunk[];

/** Docker's X-Docker-Container-Path-Stat. `mode` is Go's os.FileMode bits. */
export interface ArchiveStat {
  name: string;
  size: number;
  mode: number;
  /** RFC 3339. */
  mtime: string;
  linkTarget: string;
}
