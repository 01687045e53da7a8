import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { EngineError, invalid } from '#base/errors.ts';
import { versionBelow } from '../version.ts';
import type { Decoder } from './decode/decoder.ts';
import { QueryValues } from './query-values.ts';
import { describeSyntaxError } from './json-syntax.ts';

const LARGEST_JSON = 4 * 1024 * 1024;
const JSON_DEADLINE = 30_000;

/** One request behind the version prefix, with its route's parameters decoded. */
export class ApiRequest {
  readonly method: string;
  /** The API version that the client speaks, e.g. `1.45`. */
  readonly version: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: QueryValues;
  readonly #message: IncomingMessage;
  readonly #onGone: (callback: () => void) => void;
  #signal: AbortSignal | undefined;

  constructor(options: {
    message: IncomingMessage;
    version: string;
    params: Readonly<Record<string, string>>;
    query: string;
    /** Registers what to do when the client goes away before its answer is complete. */
    onGone: (callback: () => void) => void;
  }) {
    this.method = options.message.method ?? 'GET';
    this.version = options.version;
    this.params = options.params;
    this.query = new QueryValues(options.query);
    this.#message = options.message;
    this.#onGone = options.onGone;
  }

  get headers(): IncomingHttpHeaders {
    return this.#message.headers;
  }

  /** Aborted when the client goes away. */
  get signal(): AbortSignal {
    if (this.#signal === undefined) {
      const controller = new AbortController();
      this.#signal = controller.signal;
      this.#onGone(() => controller.abort(new EngineError('internal', 'the client closed the connection')));
    }
    return this.#signal;
  }

  /** The body as it arrives; reading slowly slows the client down. A reader that leaves early can still be answered. */
  get body(): AsyncIterable<Uint8Array> {
    return this.#message.iterator({ destroyOnReturn: false });
  }

  /** The client's version is older than this one. */
  before(version: string): boolean {
    return versionBelow(this.version, version);
  }

  param(name: string): string {
    const value = this.params[name];
    if (value === undefined) throw new Error(`the route has no parameter ${name}`);
    return value;
  }

  /** Reads and checks a JSON body. An empty body is refused, or gives `absent` when that is given. */
  async json<T>(decoder: Decoder<T>, absent?: T): Promise<T> {
    const { headers } = this.#message;
    const hasNoBody = headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0';
    const type = headers['content-type'];
    if (hasNoBody && absent !== undefined) return absent;
    if (!(type === undefined && hasNoBody) && type?.split(';')[0]?.trim().toLowerCase() !== 'application/json') {
      throw invalid(
        type === undefined
          ? "unsupported Content-Type header (): must be 'application/json'"
          : `unsupported Content-Type header (${type.slice(0, 200)}): must be 'application/json'`,
      );
    }
    const text = await this.#text();
    if (text.trim() === '') {
      if (absent !== undefined) return absent;
      throw invalid('invalid JSON: got EOF while reading request body');
    }
    return decoder.read(parseJson(text), '');
  }

  async #text(): Promise<string> {
    const message = this.#message;
    const tooLarge = (): EngineError => invalid(`the request body is larger than ${LARGEST_JSON / 1024 / 1024} MiB`);
    if (Number(message.headers['content-length'] ?? 0) > LARGEST_JSON) throw tooLarge();
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => reject(new EngineError('invalid_argument', 'the request body did not arrive in time', { details: { status: 408 } })),
      JSON_DEADLINE,
    );
    const read = async (): Promise<string> => {
      const chunks: Buffer[] = [];
      let size = 0;
      for await (const chunk of this.body as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > LARGEST_JSON) throw tooLarge();
        chunks.push(chunk);
      }
      return chunks.length === 1 ? chunks[0]!.toString() : Buffer.concat(chunks).toString();
    };
    const reading = read();
    // After the deadline nobody waits for it any more.
    reading.catch(() => {});
    try {
      return await Promise.race([reading, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    const fault = describeSyntaxError(text);
    throw invalid(fault === undefined ? 'unexpected content after JSON' : `invalid JSON: ${fault}`, { cause: error });
  }
}
