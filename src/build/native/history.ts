import type { Clock } from '#base/clock.ts';
import { notFound } from '#base/errors.ts';
import type { Database } from '#host/database.ts';
import type { NativeBuildEvent, NativeHistoryEntry } from '#spec/wire/native-build.ts';

const KEPT = 100;
/** Bytes of events that are kept of a build. */
const LIMIT = 2 << 20;

/** Builds that ended, the newest hundred, with what they told. Secrets are in none of it. */
export class BuildHistory {
  readonly #db: Database;
  readonly #clock: Clock;

  constructor(options: { db: Database; clock: Clock }) {
    this.#db = options.db;
    this.#clock = options.clock;
  }

  add(entry: NativeHistoryEntry, events: readonly string[]): void {
    let size = 0;
    const kept = events.filter((line) => (size += line.length) <= LIMIT);
    this.#db.transaction(() => {
      this.#db.handle.prepare('INSERT OR REPLACE INTO build_history VALUES (?, ?, ?, ?)').run(entry.ref, JSON.stringify(entry), kept.join('\n'), this.#clock.now());
      this.#db.handle.prepare('DELETE FROM build_history WHERE ref NOT IN (SELECT ref FROM build_history ORDER BY created_at DESC LIMIT ?)').run(KEPT);
    });
  }

  /** Newest first. */
  list(): NativeHistoryEntry[] {
    return this.#db.handle.prepare('SELECT record FROM build_history ORDER BY created_at DESC').all().map((row) => JSON.parse(row['record'] as string) as NativeHistoryEntry);
  }

  get(ref: string): { entry: NativeHistoryEntry; events: NativeBuildEvent[] } {
    const row = this.#find(ref);
    const text = row['events'] as string;
    return { entry: JSON.parse(row['record'] as string) as NativeHistoryEntry, events: text === '' ? [] : text.split('\n').map((line) => JSON.parse(line) as NativeBuildEvent) };
  }

  remove(ref: string): void {
    this.#db.handle.prepare('DELETE FROM build_history WHERE ref = ?').run(this.#find(ref)['ref'] as string);
  }

  clear(): void {
    this.#db.handle.exec('DELETE FROM build_history');
  }

  /** By ref, a unique beginning of one, or `^0` for the newest. */
  #find(given: string): Record<string, unknown> {
    const nth = /^\^(\d+)?$/.exec(given);
    const rows = nth
      ? this.#db.handle.prepare('SELECT * FROM build_history ORDER BY created_at DESC LIMIT 1 OFFSET ?').all(Number(nth[1] ?? 0))
      : this.#db.handle.prepare('SELECT * FROM build_history WHERE substr(ref, 1, length(?1)) = ?1 LIMIT 2').all(given);
    const [row] = rows;
    if (row === undefined || rows.length > 1) throw notFound(`no record found for ${JSON.stringify(given)}`);
    return row;
  }
}
