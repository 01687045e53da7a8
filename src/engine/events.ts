import type { Clock } from '#base/clock.ts';
import type { Database, Migration } from '#host/database.ts';
import type { EngineEvent } from '#spec/event.ts';
import type { Filters } from '#spec/filters.ts';
import type { EventMessage } from '#spec/wire/system.ts';
import { eventFilter } from './event-filter.ts';

/** event   `at` in nanoseconds since the epoch, growing with `seq`; `body` is the event as JSON */
export const eventMigrations: readonly Migration[] = [
  { id: 'event-1', sql: 'CREATE TABLE event (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, body TEXT NOT NULL) STRICT; CREATE INDEX event_by_time ON event(at);' },
];

/** What is kept for `since`; Docker keeps 256. */
const KEPT = 10_000;
const TRIM_EVERY = 500;
/** A subscriber that reads this far behind is let go. */
const LONGEST_QUEUE = 20_000;

export interface StampedEvent extends EngineEvent {
  /** Nanoseconds since the epoch; no two events have the same. */
  at: bigint;
}

/** Every event: stamped, stored and handed to those who listen. */
export class Events {
  readonly #clock: Clock;
  readonly #insert;
  readonly #select;
  readonly #trim;
  readonly #listeners = new Set<(event: StampedEvent) => void>();
  #last: bigint;
  #untilTrim = TRIM_EVERY;

  constructor(database: Database, clock: Clock) {
    this.#clock = clock;
    this.#insert = database.handle.prepare('INSERT INTO event (at, body) VALUES (?, ?)');
    this.#select = database.handle.prepare('SELECT at, body FROM event WHERE at >= ? AND at <= ? ORDER BY at');
    this.#select.setReadBigInts(true);
    this.#trim = database.handle.prepare('DELETE FROM event WHERE seq <= (SELECT max(seq) FROM event) - ?');
    const newest = database.handle.prepare('SELECT max(at) AS at FROM event');
    newest.setReadBigInts(true);
    this.#last = (newest.get()?.['at'] as bigint | null) ?? 0n;
  }

  /** Stores the event (in the caller's transaction when there is one) and tells the listeners. */
  readonly emit = (event: EngineEvent): void => {
    const now = this.#clock.nowNanos();
    const at = now > this.#last ? now : this.#last + 1n;
    this.#last = at;
    this.#insert.run(at, JSON.stringify(event));
    if (--this.#untilTrim <= 0) {
      this.#untilTrim = TRIM_EVERY;
      this.#trim.run(KEPT);
    }
    const stamped: StampedEvent = { ...event, at };
    for (const listener of this.#listeners) listener(stamped);
  };

  get listeners(): number {
    return this.#listeners.size;
  }

  /** Past events from `since` on, then live ones until `until` or abort. Without `since`, live ones alone. */
  async *stream(options: { since: bigint | undefined; until: bigint | undefined; filters: Filters }, signal: AbortSignal): AsyncGenerator<EventMessage> {
    const matches = eventFilter(options.filters);
    const { since, until } = options;
    const queue: StampedEvent[] = [];
    let wake = Promise.withResolvers<void>();
    let ended = signal.aborted;
    const end = (): void => {
      ended = true;
      wake.resolve();
    };
    const listen = (event: StampedEvent): void => {
      if (queue.push(event) > LONGEST_QUEUE) end();
      wake.resolve();
    };
    const timer = until === undefined ? undefined : this.#at(until, end);
    this.#listeners.add(listen);
    signal.addEventListener('abort', end, { once: true });
    try {
      if (since !== undefined || (until !== undefined && until <= this.#clock.nowNanos())) {
        for (const event of this.#past(since ?? 0n, until ?? this.#last)) if (matches(event)) yield render(event);
      }
      for (;;) {
        for (let event = queue.shift(); event !== undefined; event = queue.shift()) {
          if (until !== undefined && event.at > until) return;
          if (matches(event)) yield render(event);
        }
        if (ended) return;
        await wake.promise;
        wake = Promise.withResolvers();
      }
    } finally {
      clearTimeout(timer);
      this.#listeners.delete(listen);
      signal.removeEventListener('abort', end);
    }
  }

  /** Rows up to now; those that come later reach the queue. */
  #past(since: bigint, until: bigint): StampedEvent[] {
    const last = until < this.#last ? until : this.#last;
    return this.#select.all(since, last).map((row) => ({ ...(JSON.parse(String(row['body'])) as EngineEvent), at: row['at'] as bigint }));
  }

  #at(until: bigint, task: () => void): NodeJS.Timeout {
    const delay = Number((until - this.#clock.nowNanos()) / 1_000_000n) + 1;
    // Beyond what a timer can wait, it wakes early and looks again.
    const longest = 2 ** 31 - 1;
    return setTimeout(() => (delay > longest ? this.#at(until, task) : task()), Math.max(0, Math.min(delay, longest)));
  }
}

/** As the Engine API shows it. */
function render({ type, action, id, attributes, at }: StampedEvent): EventMessage {
  return {
    Type: type,
    Action: action,
    Actor: { ID: id, Attributes: attributes },
    scope: 'local',
    time: Number(at / 1_000_000_000n),
    timeNano: at,
  };
}
