import type { LogBatch, OutputChunk } from '#spec/streams.ts';
import { TIME_LENGTH, type LogRecord, type RecordStream } from './record.ts';

/** Bytes that one chunk of a joined batch holds at most. */
const JOINED = 32 * 1024 - 8;
/** Bytes of an unfinished line that wait for the rest. */
const HELD = 16 * 1024;

export interface RenderOptions {
  timestamps: boolean;
  /** What stands before each line instead of nothing: `key=value,key=value `. */
  details: Buffer | undefined;
  /**
   * Whether lines of one stream that follow each other share a chunk. Otherwise a line is a chunk, as clients that stream
   * expect: a line without its newline yet waits for it up to 16 KiB, as in Docker.
   */
  join: boolean;
}

/** Turns records into what a client gets: text, with a time and details at the start of every line when asked for. */
export class Rendering {
  readonly #options: RenderOptions;
  readonly #prefixed: boolean;
  /** Whether the stream's last record was partial, so that the next one does not start a line. */
  readonly #midLine: Record<RecordStream, boolean> = { stdout: false, stderr: false };
  readonly #held: Record<RecordStream, Buffer[]> = { stdout: [], stderr: [] };
  #batch: OutputChunk[] = [];
  #space = Buffer.alloc(0);
  #used = 0;
  #chunkStart = 0;
  #chunkStream: RecordStream = 'stdout';

  constructor(options: RenderOptions) {
    this.#options = options;
    this.#prefixed = options.timestamps || options.details !== undefined;
  }

  /** Adds the record that starts at `start` of `buffer`. The buffer must not change afterwards. */
  add(buffer: Buffer, start: number, record: LogRecord): void {
    const { stream, textStart, textEnd } = record;
    const starts = !this.#midLine[stream];
    this.#midLine[stream] = record.partial;
    if (!this.#options.join && !this.#prefixed) {
      this.#addPiece(stream, buffer.subarray(textStart, textEnd), record.partial);
      return;
    }
    const details = starts ? this.#options.details : undefined;
    const prefix = starts ? (this.#options.timestamps ? TIME_LENGTH + 2 : 0) + (details?.length ?? 0) : 0;
    this.#reserve(stream, prefix + textEnd - textStart);
    if (starts && this.#options.timestamps) {
      buffer.copy(this.#space, this.#used, start, start + TIME_LENGTH);
      this.#space[this.#used + TIME_LENGTH] = 0x5a;
      this.#space[this.#used + TIME_LENGTH + 1] = 0x20;
      this.#used += TIME_LENGTH + 2;
    }
    if (details !== undefined) this.#used += details.copy(this.#space, this.#used);
    this.#used += buffer.copy(this.#space, this.#used, textStart, textEnd);
    if (this.#options.join) return;
    const piece = this.#space.subarray(this.#chunkStart, this.#used);
    this.#chunkStart = this.#used;
    this.#addPiece(stream, piece, record.partial);
  }

  #addPiece(stream: RecordStream, piece: Buffer, partial: boolean): void {
    const held = this.#held[stream];
    if (!partial && held.length === 0) {
      this.#batch.push({ stream, data: piece });
      return;
    }
    held.push(piece);
    if (!partial || held.reduce((sum, { length }) => sum + length, 0) >= HELD) this.#release(stream);
  }

  #release(stream: RecordStream): void {
    const held = this.#held[stream];
    if (held.length > 0) this.#batch.push({ stream, data: held.length === 1 ? (held[0] ?? Buffer.alloc(0)) : Buffer.concat(held) });
    held.length = 0;
  }

  #reserve(stream: RecordStream, length: number): void {
    if (stream !== this.#chunkStream || this.#used - this.#chunkStart + length > JOINED) {
      this.#finishChunk();
      this.#chunkStream = stream;
    }
    if (this.#used + length > this.#space.length) {
      this.#finishChunk();
      this.#space = Buffer.allocUnsafeSlow(Math.max(256 * 1024, length));
      this.#used = 0;
      this.#chunkStart = 0;
    }
  }

  #finishChunk(): void {
    if (this.#used > this.#chunkStart) {
      this.#batch.push({ stream: this.#chunkStream, data: this.#space.subarray(this.#chunkStart, this.#used) });
    }
    this.#chunkStart = this.#used;
  }

  /** What was added since the last call; `last` includes lines that nothing will finish. */
  take(last = false): LogBatch {
    if (last) {
      this.#release('stdout');
      this.#release('stderr');
    }
    this.#finishChunk();
    const batch = this.#batch;
    this.#batch = [];
    return batch;
  }
}

/** The details of `docker logs --details`: as a URL query with commas, sorted. Docker leaves a space before the text. */
export function renderDetails(attributes: Readonly<Record<string, string>>): Buffer {
  const pairs = Object.keys(attributes).sort().map((key) => `${encode(key)}=${encode(attributes[key] ?? '')}`);
  return Buffer.from(`${pairs.join(',')} `);
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`).replaceAll('%20', '+');
}
