/** Incremental reader of HTTP/1.1 responses: heads, then bodies by length, by chunks, or until the connection closes. */
export interface ResponseHead {
  status: number;
  headers: Map<string, string>;
  /** Whether the connection may carry another request afterwards. */
  keepAlive: boolean;
}

const LARGEST_HEAD = 64 * 1024;
const LARGEST_CHUNK_LINE = 1024;

export function parseHead(text: string): ResponseHead {
  const lines = text.split('\r\n');
  const status = /^HTTP\/1\.([01]) (\d{3})(?: |$)/.exec(lines[0] ?? '');
  if (!status) throw new Error(`not an HTTP answer: ${JSON.stringify((lines[0] ?? '').slice(0, 80))}`);
  const headers = new Map<string, string>();
  for (const line of lines.slice(1)) {
    const cut = line.indexOf(':');
    if (cut <= 0) continue;
    const name = line.slice(0, cut).toLowerCase();
    const value = line.slice(cut + 1).trim();
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  const connection = headers.get('connection')?.toLowerCase() ?? '';
  return { status: Number(status[2]), headers, keepAlive: status[1] === '1' ? !connection.includes('close') : connection.includes('keep-alive') };
}

/** Collects bytes until the blank line. */
export class HeadCollector {
  #buffer: Buffer | undefined;

  /** The head and the bytes behind it, or undefined while it is not whole. */
  push(bytes: Buffer): { head: string; rest: Buffer } | undefined {
    const all = this.#buffer === undefined ? bytes : Buffer.concat([this.#buffer, bytes]);
    const end = all.indexOf('\r\n\r\n');
    if (end < 0) {
      if (all.length > LARGEST_HEAD) throw new Error('the answer has more than 64 KiB of headers');
      this.#buffer = all;
      return undefined;
    }
    this.#buffer = undefined;
    return { head: all.toString('latin1', 0, end), rest: all.subarray(end + 4) };
  }
}

/** A body reader gives back the bytes behind the body once it is whole. */
export interface BodyReader {
  push(bytes: Buffer, emit: (data: Buffer) => void): Buffer | undefined;
}

export class LengthReader implements BodyReader {
  #left: number;

  constructor(length: number) {
    this.#left = length;
  }

  push(bytes: Buffer, emit: (data: Buffer) => void): Buffer | undefined {
    const taken = Math.min(this.#left, bytes.length);
    if (taken > 0) emit(bytes.subarray(0, taken));
    this.#left -= taken;
    return this.#left === 0 ? bytes.subarray(taken) : undefined;
  }
}

export class ChunkedReader implements BodyReader {
  #state: 'size' | 'data' | 'data-end' | 'trailer' = 'size';
  #line = '';
  #left = 0;

  push(bytes: Buffer, emit: (data: Buffer) => void): Buffer | undefined {
    let at = 0;
    while (at < bytes.length) {
      if (this.#state === 'data') {
        const taken = Math.min(this.#left, bytes.length - at);
        emit(bytes.subarray(at, at + taken));
        at += taken;
        this.#left -= taken;
        if (this.#left === 0) this.#state = 'data-end';
        continue;
      }
      const end = bytes.indexOf(10, at);
      this.#line += bytes.toString('latin1', at, end < 0 ? bytes.length : end);
      if (this.#line.length > LARGEST_CHUNK_LINE) throw new Error('the answer is not correctly chunked: a line is too long');
      if (end < 0) return undefined;
      at = end + 1;
      const line = this.#line.trimEnd();
      this.#line = '';
      if (this.#state === 'size') {
        const size = /^[0-9a-fA-F]{1,12}/.exec(line);
        if (!size) throw new Error('the answer is not correctly chunked: a chunk has no size');
        this.#left = Number.parseInt(size[0], 16);
        this.#state = this.#left === 0 ? 'trailer' : 'data';
      } else if (this.#state === 'data-end') {
        if (line !== '') throw new Error('the answer is not correctly chunked: a chunk is longer than its size');
        this.#state = 'size';
      } else if (line === '') {
        return bytes.subarray(at);
      }
    }
    return undefined;
  }
}

/** Everything until the connection closes. */
export class UntilCloseReader implements BodyReader {
  push(bytes: Buffer, emit: (data: Buffer) => void): Buffer | undefined {
    emit(bytes);
    return undefined;
  }
}
