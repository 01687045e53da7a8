import type { Duplex } from 'node:stream';
import { ByteQueue } from './byte-queue.ts';
import { type BodyReader, ChunkedReader, HeadCollector, LengthReader, parseHead, type ResponseHead, UntilCloseReader } from './response-parser.ts';

export interface Exchange {
  head: ResponseHead;
  body: ByteQueue;
}

export interface ExchangeRequest {
  method: string;
  /** Request line and headers up to and with the blank line, with `Transfer-Encoding: chunked` when `stream` is set. */
  head: string;
  content?: Buffer | undefined;
  stream?: AsyncIterable<Uint8Array> | undefined;
  /** The answer's bytes are a pipe, not a body. */
  hijack: boolean;
}

/** One HTTP/1.1 connection: one request at a time; the next one after `onIdle`. */
export class HttpConnection {
  readonly #wire: Duplex;
  readonly #onIdle: (connection: HttpConnection) => void;
  readonly #heads = new HeadCollector();
  #method = '';
  #hijack = false;
  #answer: { resolve: (exchange: Exchange) => void; reject: (error: Error) => void } | undefined;
  #body: { queue: ByteQueue; reader: BodyReader; keepAlive: boolean } | undefined;
  #sent = true;
  #closed: Error | undefined;

  constructor(wire: Duplex, onIdle: (connection: HttpConnection) => void) {
    this.#wire = wire;
    this.#onIdle = onIdle;
    wire.on('data', (bytes: Buffer) => this.#receive(bytes));
    wire.on('end', () => this.#finish(undefined));
    wire.on('error', (error) => this.#finish(error));
    wire.on('close', () => this.#finish(undefined));
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  get wire(): Duplex {
    return this.#wire;
  }

  /** Resolves when the answer's head is there. Rejects with `unanswered: true` when the connection closed before any of it. */
  exchange(request: ExchangeRequest): Promise<Exchange> {
    this.#method = request.method;
    this.#hijack = request.hijack;
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(this.#closed);
        return;
      }
      this.#answer = { resolve, reject };
      if (request.stream === undefined) {
        this.#wire.write(request.content === undefined ? request.head : Buffer.concat([Buffer.from(request.head, 'latin1'), request.content]));
        return;
      }
      this.#sent = false;
      this.#wire.write(request.head);
      this.#sendStream(request.stream).then(
        () => {
          this.#sent = true;
          if (this.#body === undefined && this.#answer === undefined) this.#idle();
        },
        (error: Error) => this.destroy(error),
      );
    });
  }

  write(data: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#wire.write(data, (error) => (error ? reject(error) : resolve()));
    });
  }

  end(): void {
    if (!this.#wire.writableEnded) this.#wire.end();
  }

  destroy(error?: Error): void {
    this.#finish(error ?? new Error('the connection was closed'));
    this.#wire.destroy();
  }

  async #sendStream(stream: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const data of stream) {
      // An answer before the end of the body is a refusal: the rest is not wanted.
      if (this.#closed || this.#answer === undefined) return;
      if (data.length === 0) continue;
      this.#wire.cork();
      this.#wire.write(`${data.length.toString(16)}\r\n`);
      this.#wire.write(data);
      const flowing = this.#wire.write('\r\n');
      this.#wire.uncork();
      if (!flowing) await new Promise<void>((resolve) => {
        const go = (): void => {
          this.#wire.off('drain', go);
          this.#wire.off('close', go);
          resolve();
        };
        this.#wire.on('drain', go);
        this.#wire.on('close', go);
      });
    }
    if (!this.#closed) this.#wire.write('0\r\n\r\n');
  }

  #receive(bytes: Buffer): void {
    try {
      let rest = bytes;
      while (rest.length > 0) {
        if (this.#body !== undefined) {
          const { queue, reader, keepAlive } = this.#body;
          const behind = reader.push(rest, (data) => queue.push(data));
          if (behind === undefined) return;
          this.#endBody(keepAlive);
          rest = behind;
        } else {
          if (this.#answer === undefined) throw new Error('the engine answered without being asked');
          const whole = this.#heads.push(rest);
          if (whole === undefined) return;
          rest = whole.rest;
          this.#begin(parseHead(whole.head));
        }
      }
    } catch (error) {
      this.destroy(error as Error);
    }
  }

  #begin(head: ResponseHead): void {
    if (head.status >= 100 && head.status < 200 && head.status !== 101) return;
    const queue = new ByteQueue({
      hold: () => this.#wire.pause(),
      resume: () => this.#wire.resume(),
      abandon: () => this.destroy(),
    });
    const raw = head.status === 101 || (this.#hijack && head.status < 300);
    const reader = raw ? new UntilCloseReader() : this.#readerFor(head);
    this.#body = { queue, reader: reader ?? new UntilCloseReader(), keepAlive: head.keepAlive };
    const answer = this.#answer;
    this.#answer = undefined;
    if (reader === undefined) this.#endBody(head.keepAlive);
    answer?.resolve({ head, body: queue });
  }

  #readerFor(head: ResponseHead): BodyReader | undefined {
    if (this.#method === 'HEAD' || head.status === 204 || head.status === 304) return undefined;
    if (head.headers.get('transfer-encoding')?.toLowerCase().includes('chunked')) return new ChunkedReader();
    const length = head.headers.get('content-length');
    if (length === undefined) return new UntilCloseReader();
    return length === '0' ? undefined : new LengthReader(Number(length));
  }

  #endBody(keepAlive: boolean): void {
    this.#body?.queue.end();
    this.#body = undefined;
    if (!keepAlive || !this.#sent) this.destroy();
    else this.#idle();
  }

  #idle(): void {
    if (!this.#closed) this.#onIdle(this);
  }

  #finish(error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = error ?? new Error('the engine closed the connection');
    const body = this.#body;
    this.#body = undefined;
    if (body) {
      if (error === undefined && body.reader instanceof UntilCloseReader) body.queue.end();
      else body.queue.fail(error ?? new Error('the engine closed the connection before the end of its answer'));
    }
    const answer = this.#answer;
    this.#answer = undefined;
    answer?.reject(Object.assign(this.#closed, { unanswered: true }));
    // What was written to a session still goes out; an answer needs nothing more from us.
    if (body && this.#hijack && error === undefined) this.end();
    else this.#wire.destroy();
  }
}

