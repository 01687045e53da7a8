import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { isErrno } from '#base/errors.ts';
import type { Log } from '#base/log.ts';
import { openSyslogSink, openUnixSink, type LineSink } from './line-sink.ts';
import { holdCurrent, type LogSource } from './log-files.ts';
import { openLogs } from './open-logs.ts';
import { journalEntry, parseFacility, parseSyslogAddress, parseSyslogFormat, syslogMessage, type LoggedContainer, type LogLine } from './system-log.ts';

/** A container whose lines also go to the system's log. */
export interface ForwardedLog {
  id: string;
  dir: string;
  running: boolean;
  driver: 'journald' | 'syslog';
  /** The driver's log options. */
  options: Readonly<Record<string, string>>;
  container: LoggedContainer;
}

export interface LogForwarderOptions {
  /** Every container with such a driver, whether it runs or not. */
  logs: () => Iterable<ForwardedLog>;
  log: Log;
  /** Where journald listens. */
  journal?: string;
  /** Milliseconds between looks for containers that came or went. */
  interval?: number;
}

const JOURNAL = '/run/systemd/journal/socket';
const [INTERVAL, RETRY] = [500, 5000];
/** In the log's folder: the time of the last line that was sent. */
const SENT = 'sent';

/**
 * Sends the lines of containers' logs on to journald or syslog. The files stay, so `docker logs` works for these drivers
 * too, and what a dead engine or an absent receiver missed is sent later; after a crash the last second may come twice.
 */
export class LogForwarder implements Disposable {
  readonly #options: LogForwarderOptions;
  readonly #active = new Map<string, AbortController>();
  /** Ended containers whose lines are all sent. */
  readonly #done = new Set<string>();
  readonly #running = new Set<string>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: LogForwarderOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#look(), options.interval ?? INTERVAL).unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    for (const controller of this.#active.values()) controller.abort();
  }

  #look(): void {
    const seen = new Set<string>();
    this.#running.clear();
    for (const entry of this.#options.logs()) {
      seen.add(entry.id);
      this.consider(entry, false);
    }
    for (const id of this.#done) if (!seen.has(id)) this.#done.delete(id);
  }

  /** Takes a container up; one that starts just now may be gone at the next look. */
  consider(entry: ForwardedLog, starts: boolean): void {
    if (entry.running) {
      this.#running.add(entry.id);
      this.#done.delete(entry.id);
    }
    if (!this.#active.has(entry.id) && !this.#done.has(entry.id)) void this.#forward(entry, starts ? holdCurrent(entry.dir) : undefined);
  }

  async #forward(entry: ForwardedLog, from: LogSource | undefined): Promise<void> {
    const controller = new AbortController();
    this.#active.set(entry.id, controller);
    try {
      const { send, close } = await openReceiver(entry, this.#options.journal ?? JOURNAL);
      try {
        await this.#sendAll(entry, from, send, controller.signal);
      } finally {
        close();
      }
      if (!controller.signal.aborted) this.#done.add(entry.id);
    } catch (error) {
      this.#options.log.warn('a container’s log could not be sent on', { container: entry.id, driver: entry.driver, error });
      // Until then it counts as busy.
      await new Promise((resolve) => setTimeout(resolve, RETRY).unref());
    } finally {
      this.#active.delete(entry.id);
    }
  }

  async #sendAll(entry: ForwardedLog, from: LogSource | undefined, send: (line: LogLine) => Promise<void>, signal: AbortSignal): Promise<void> {
    const path = join(entry.dir, SENT);
    const since = readSent(path);
    let [sent, saved] = ['', Date.now()];
    const save = (): void => {
      if (sent === '' || !existsSync(entry.dir)) return;
      writeFileSync(`${path}.tmp`, sent, { mode: 0o600 });
      renameSync(`${path}.tmp`, path);
      saved = Date.now();
    };
    const options = { stdout: true, stderr: true, follow: true, since, until: undefined, timestamps: true, details: false, tail: undefined };
    try {
      for await (const batch of openLogs({ dir: entry.dir, from, options, running: () => this.#running.has(entry.id), signal })) {
        for (const { stream, data } of batch) {
          const line = parseLine(stream, Buffer.from(data.buffer, data.byteOffset, data.byteLength));
          await send(line);
          sent = line.time;
        }
        if (Date.now() - saved > 1000) save();
      }
    } finally {
      save();
    }
  }
}

/** A rendered line begins with its time and a blank. */
function parseLine(stream: LogLine['stream'], data: Buffer): LogLine {
  const blank = data.indexOf(0x20);
  const end = data.at(-1) === 0x0a ? data.length - 1 : data.length;
  return { stream, time: data.toString('latin1', 0, blank), text: data.subarray(blank + 1, end) };
}

/** One nanosecond after the last line that was sent; undefined when none was. */
function readSent(path: string): bigint | undefined {
  try {
    const time = readFileSync(path, 'latin1');
    return BigInt(Date.parse(`${time.slice(0, 19)}Z`)) * 1_000_000n + BigInt(time.slice(20, 29)) + 1n;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

async function openReceiver(entry: ForwardedLog, journal: string): Promise<{ send: (line: LogLine) => Promise<void>; close: () => void }> {
  const { container, options } = entry;
  const over = (sink: LineSink, render: (line: LogLine) => Buffer): { send: (line: LogLine) => Promise<void>; close: () => void } => ({
    send: (line) => sink.send(render(line)),
    close: () => sink[Symbol.dispose](),
  });
  if (entry.driver === 'journald') return over(openUnixSink(journal), (line) => journalEntry(container, line));
  const settings = {
    format: parseSyslogFormat(options['syslog-format'] ?? ''),
    facility: parseFacility(options['syslog-facility'] ?? ''),
    origin: { host: hostname(), pid: process.pid },
  };
  const sink = await openSyslogSink(parseSyslogAddress(options['syslog-address'] ?? ''));
  return over(sink, (line) => syslogMessage(container, line, settings));
}
