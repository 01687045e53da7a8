import { watch, type FSWatcher } from 'node:fs';
import type { LogBatch, LogOptions } from '#spec/streams.ts';
import { openSources, successor, type LogSource } from './log-files.ts';
import { compareTime, readRecord, recordEnd, timeKey, type RecordStream } from './record.ts';
import { Rendering, renderDetails } from './rendering.ts';
import { findTail, type TailStarts } from './tail.ts';

export interface OpenLogsOptions {
  /** The folder that holds `log` and its rotated predecessors. */
  dir: string;
  options: LogOptions;
  /** Following ends once this is false and everything was read. */
  running: () => boolean;
  /** Ends the iteration without an error. */
  signal: AbortSignal;
  /** Begins with this file instead of the oldest; closed at the end. */
  from?: LogSource | undefined;
  /** Every file of the log, opened before the reader began: removing the container no longer matters. Closed at the end. */
  held?: LogSource[] | undefined;
  /** What `--details` shows. */
  attributes?: Readonly<Record<string, string>>;
}

const CHUNK = 512 * 1024;
/** How often a follower looks whether the container still runs when nothing is written. */
const IDLE = 100;

/** Reads a container's log from its files; follows it across rotations without losing or repeating a line. */
export async function* openLogs(request: OpenLogsOptions): AsyncGenerator<LogBatch> {
  const reader = new Reader(request);
  yield* readFiles(request, reader);
  const rest = reader.rest();
  if (rest.length > 0 && !request.signal.aborted) yield rest;
}

async function* readFiles(request: OpenLogsOptions, reader: Reader): AsyncGenerator<LogBatch> {
  const { dir, options, signal } = request;
  await using stack = new AsyncDisposableStack();
  const alarm = options.follow ? stack.use(new ChangeAlarm(dir, signal)) : undefined;
  const sources = request.held ?? (request.from === undefined ? await openSources(dir) : [request.from]);
  stack.defer(async () => {
    for (const source of sources) await source[Symbol.asyncDispose]();
  });
  if (reader.selected.size === 0) return;
  if (options.tail !== undefined) reader.startAt(await findTail(sources, options.tail));

  for (let index = reader.firstSource(sources.length); index < sources.length; index++) {
    const source = sources[index];
    if (source === undefined) continue;
    const follows = alarm !== undefined && index === sources.length - 1;
    yield* reader.readSource(source, index);
    if (reader.finished || signal.aborted) return;
    if (!follows) continue;
    for (;;) {
      // In this order: what was written before the container ended is there when it has ended.
      const live = request.running();
      yield* reader.readMore(source);
      if (reader.finished || signal.aborted) return;
      const next = await successor(dir, source.inode);
      if (next !== undefined) {
        // Its successor exists, so conmon writes to this file no more.
        yield* reader.readMore(source);
        reader.endOfSource();
        if (next === 'gone') return yield* readLater(request, reader);
        sources.push(next);
        break;
      }
      if (!live || reader.pastUntil()) return;
      await alarm.wait(IDLE);
      if (signal.aborted) return;
    }
  }
  // Not even a file yet: the container did not write, or logs nowhere.
  if (alarm !== undefined && sources.length === 0) {
    while (request.running() && !signal.aborted) {
      await alarm.wait(IDLE);
      if ((await openedAny(dir)) || signal.aborted) break;
    }
    if (!signal.aborted && (await openedAny(dir))) yield* readFiles({ ...request, held: undefined }, reader);
  }
}

/** The file being read was rotated out of the way entirely: goes on with what is later than the last record read. */
async function* readLater(request: OpenLogsOptions, reader: Reader): AsyncGenerator<LogBatch> {
  reader.startAfterLast();
  yield* readFiles({ ...request, from: undefined, held: undefined, options: { ...request.options, tail: undefined } }, reader);
}

async function openedAny(dir: string): Promise<boolean> {
  const sources = await openSources(dir);
  for (const source of sources) await source[Symbol.asyncDispose]();
  return sources.length > 0;
}

/** Selects and renders records; keeps the position in the file that is read. */
class Reader {
  readonly #rendering: Rendering;
  readonly selected: ReadonlySet<RecordStream>;
  #tail: TailStarts | undefined;
  readonly #until: Buffer | undefined;
  readonly #untilNanos: bigint | undefined;
  #since: Buffer | undefined;
  #position = 0;
  #index = 0;
  #lastTime: string | undefined;
  /** A record after `until` was met. */
  finished = false;

  constructor(request: OpenLogsOptions) {
    const { options, attributes } = request;
    this.selected = new Set([...(options.stdout ? ['stdout' as const] : []), ...(options.stderr ? ['stderr' as const] : [])]);
    this.#since = options.since === undefined || options.since <= 0n ? undefined : timeKey(options.since);
    this.#untilNanos = options.until === undefined || options.until <= 0n ? undefined : options.until;
    this.#until = this.#untilNanos === undefined ? undefined : timeKey(this.#untilNanos);
    this.#rendering = new Rendering({
      timestamps: options.timestamps,
      details: options.details ? renderDetails(attributes ?? {}) : undefined,
      join: !options.follow,
    });
  }

  firstSource(count: number): number {
    if (this.#tail === undefined) return 0;
    return Math.max(0, Math.min(count - 1, ...[...this.selected].map((stream) => this.#tail?.[stream].source ?? 0)));
  }

  async *readSource(source: LogSource, index: number): AsyncGenerator<LogBatch> {
    this.#index = index;
    const starts = this.#tail === undefined ? [] : [...this.selected].map((stream) => this.#tail?.[stream]).filter((start) => start?.source === index);
    const everyStreamStartsHere = this.#tail !== undefined && starts.length > 0 && [...this.selected].every((stream) => (this.#tail?.[stream].source ?? 0) >= index);
    this.#position = everyStreamStartsHere ? Math.min(...starts.map((start) => start?.position ?? 0)) : 0;
    yield* this.readMore(source);
  }

  /** Reads from where the last call stopped to the last complete record. */
  async *readMore(source: LogSource): AsyncGenerator<LogBatch> {
    for (let length = CHUNK; !this.finished; ) {
      const buffer = await source.read(this.#position, length);
      if (buffer.length === 0) return;
      const consumed = this.#records(buffer);
      if (consumed === 0) {
        if (buffer.length < length) return;
        length *= 2;
        continue;
      }
      this.#position += consumed;
      const batch = this.#rendering.take();
      if (batch.length > 0) yield batch;
      if (buffer.length < length) return;
    }
  }

  endOfSource(): void {
    this.#position = 0;
  }

  #records(buffer: Buffer): number {
    let start = 0;
    for (let end = recordEnd(buffer, 0); end >= 0; start = end + 1, end = recordEnd(buffer, start)) {
      const record = readRecord(buffer, start, end);
      if (record === undefined || !this.selected.has(record.stream)) continue;
      if (this.#tail !== undefined && this.#beforeTail(record.stream, this.#position + start)) continue;
      if (this.#since !== undefined && compareTime(buffer, start, this.#since) < 0) continue;
      if (this.#until !== undefined && compareTime(buffer, start, this.#until) > 0) {
        this.finished = true;
        break;
      }
      this.#rendering.add(buffer, start, record);
    }
    if (start > 0) this.#remember(buffer, start);
    return start;
  }

  #remember(buffer: Buffer, end: number): void {
    const start = buffer.lastIndexOf(0x0a, end - 2) + 1;
    if (readRecord(buffer, start, end - 1) !== undefined) this.#lastTime = buffer.toString('latin1', start, start + 29);
  }

  #beforeTail(stream: RecordStream, position: number): boolean {
    const start = this.#tail?.[stream];
    return start !== undefined && (this.#index < start.source || (this.#index === start.source && position < start.position));
  }

  pastUntil(): boolean {
    return this.#untilNanos !== undefined && BigInt(Date.now()) * 1_000_000n > this.#untilNanos;
  }

  /** Skips what the tail leaves out. */
  startAt(tail: TailStarts): void {
    this.#tail = tail;
  }

  /** Skips records up to the time of the last one that was read. */
  startAfterLast(): void {
    this.#tail = undefined;
    if (this.#lastTime === undefined) return;
    const last = BigInt(Date.parse(`${this.#lastTime.slice(0, 19)}Z`)) * 1_000_000n + BigInt(this.#lastTime.slice(20));
    this.#since = timeKey(last + 1n);
  }

  rest(): LogBatch {
    return this.#rendering.take(true);
  }
}

/** Tells that something in a folder changed since the last wait. */
class ChangeAlarm implements Disposable {
  readonly #watcher: FSWatcher | undefined;
  readonly #signal: AbortSignal;
  readonly #ring = (): void => {
    this.#changed = true;
    this.#wake?.();
  };
  #changed = false;
  #wake: (() => void) | undefined;

  constructor(dir: string, signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', this.#ring);
    try {
      this.#watcher = watch(dir, { persistent: false }, this.#ring);
      this.#watcher.on('error', () => {});
    } catch {
      // Out of inotify watches: the idle look serves.
      this.#watcher = undefined;
    }
  }

  async wait(most: number): Promise<void> {
    if (!this.#changed) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, most);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = undefined;
    }
    this.#changed = false;
  }

  [Symbol.dispose](): void {
    this.#signal.removeEventListener('abort', this.#ring);
    this.#watcher?.close();
  }
}
