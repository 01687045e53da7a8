import type { AttachConnection, Monitor } from '#host/runtime.ts';
import type { ContainerId } from '#spec/ids.ts';
import type { AttachOptions, LogBatch, OutputChunk, StdioSession } from '#spec/streams.ts';
import { parseDetachKeys } from './detach-keys.ts';

export interface AttachRequest {
  id: ContainerId;
  bundle: string;
  tty: boolean;
  /** The container has a stdin at all. */
  openStdin: boolean;
  /** It has a monitor now; otherwise the session waits for the start. */
  running: boolean;
  options: AttachOptions;
  /** What was logged so far. */
  logs: AsyncIterable<LogBatch> | undefined;
  /** The client typed its detach keys. */
  detached?: () => void;
}

/**
 * Clients attached to containers. One may attach before the container starts: the start connects it when the monitor
 * listens and before the first program runs, so that no byte is missed.
 */
export class Attachments {
  readonly #monitor: Pick<Monitor, 'attach'>;
  readonly #waiting = new Map<ContainerId, Set<Attachment>>();

  constructor(monitor: Pick<Monitor, 'attach'>) {
    this.#monitor = monitor;
  }

  async open(request: AttachRequest): Promise<StdioSession> {
    const attachment = new Attachment(request, (gone) => this.#waiting.get(request.id)?.delete(gone));
    if (!request.options.stream) attachment.end();
    else if (request.running) attachment.connect(await this.#monitor.attach(request.bundle, { input: attachment.takesInput }));
    else this.#waiting.set(request.id, (this.#waiting.get(request.id) ?? new Set()).add(attachment));
    return attachment;
  }

  /** The container's monitor listens: connects who waits. A client that cannot be connected sees the end. */
  async connect(id: ContainerId, bundle: string): Promise<void> {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    for (const attachment of waiting ?? []) {
      try {
        attachment.connect(await this.#monitor.attach(bundle, { input: attachment.takesInput }));
      } catch {
        // The monitor is gone already: a program that ended at once, or a failure that the start itself reports.
        attachment.end();
      }
    }
  }

  /** The container will not start: those who wait see the end. */
  release(id: ContainerId): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    for (const attachment of waiting ?? []) attachment.end();
  }
}

class Attachment implements StdioSession {
  readonly tty: boolean;
  readonly detachKeys: Uint8Array;
  readonly takesInput: boolean;
  readonly output: AsyncIterable<OutputChunk>;
  readonly #request: AttachRequest;
  readonly #connected = Promise.withResolvers<AttachConnection | undefined>();
  readonly #gone: (attachment: Attachment) => void;
  #connection: AttachConnection | undefined;
  #closed = false;

  constructor(request: AttachRequest, gone: (attachment: Attachment) => void) {
    this.#request = request;
    this.#gone = gone;
    this.tty = request.tty;
    this.detachKeys = parseDetachKeys(request.options.detachKeys);
    this.takesInput = request.options.stdin && request.openStdin;
    this.output = { [Symbol.asyncIterator]: () => this.#chunks() };
  }

  connect(connection: AttachConnection): void {
    if (this.#closed) {
      connection.close();
      return;
    }
    this.#connection = connection;
    this.#connected.resolve(connection);
  }

  end(): void {
    this.#connected.resolve(undefined);
  }

  detached(): void {
    this.#request.detached?.();
  }

  async write(data: Uint8Array): Promise<void> {
    if (!this.takesInput) return;
    const connection = this.#connection ?? (await this.#connected.promise);
    await connection?.write(data);
  }

  endInput(): void {
    if (!this.takesInput) return;
    if (this.#connection) this.#connection.endInput();
    else void this.#connected.promise.then((connection) => connection?.endInput());
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#gone(this);
    this.#connection?.close();
    this.end();
  }

  async *#chunks(): AsyncGenerator<OutputChunk> {
    const { options, logs } = this.#request;
    const wanted = ({ stream }: OutputChunk): boolean => (stream === 'stdout' ? options.stdout : options.stderr);
    if (logs) for await (const batch of logs) for (const chunk of batch) if (wanted(chunk)) yield chunk;
    const connection = await this.#connected.promise;
    if (connection === undefined) return;
    for await (const chunk of connection.output) if (wanted(chunk)) yield chunk;
  }
}
