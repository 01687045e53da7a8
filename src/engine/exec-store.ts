import type { Database, Migration } from '#host/database.ts';
import type { ContainerId, ExecId } from '#spec/ids.ts';
import type { ExecCreateRequest } from '#spec/wire/container.ts';

/** exec   one row each; `body` is versioned JSON (ExecRecord) */
export const execMigrations: readonly Migration[] = [
  { id: 'exec-1', sql: 'CREATE TABLE exec (id TEXT PRIMARY KEY, container TEXT NOT NULL, body TEXT NOT NULL) STRICT' },
];

export interface ExecRecord {
  version: 1;
  id: ExecId;
  container: ContainerId;
  request: ExecCreateRequest;
  /** Milliseconds since the epoch. */
  created: number;
  /** Set before its monitor is spawned. */
  started: boolean;
  /** 0 until known. */
  pid: number;
  startTime: number;
  /** Undefined until it ended. */
  exitCode: number | undefined;
  endedAt: number;
}

/** The records of execs: read from memory, written through. */
export class ExecStore {
  readonly #records = new Map<ExecId, ExecRecord>();
  readonly #byContainer = new Map<ContainerId, Set<ExecId>>();
  readonly #insert;
  readonly #remove;

  constructor(database: Database) {
    this.#insert = database.handle.prepare('INSERT OR REPLACE INTO exec VALUES (?, ?, ?)');
    this.#remove = database.handle.prepare('DELETE FROM exec WHERE id = ?');
    for (const row of database.handle.prepare('SELECT body FROM exec').all()) {
      const record = JSON.parse(String(row['body'])) as ExecRecord;
      this.#put({ ...record, exitCode: record.exitCode });
    }
  }

  #put(record: ExecRecord): void {
    this.#records.set(record.id, record);
    const siblings = this.#byContainer.get(record.container) ?? new Set();
    this.#byContainer.set(record.container, siblings.add(record.id));
  }

  get(id: ExecId): ExecRecord | undefined {
    return this.#records.get(id);
  }

  /** In order of creation. */
  all(): ExecRecord[] {
    return [...this.#records.values()];
  }

  /** Forgets those that ended before `time` (milliseconds since the epoch), oldest first; cheap when there are none. */
  forgetEndedBefore(time: number): void {
    for (const record of this.#records.values()) {
      if (record.exitCode === undefined) continue;
      if (record.endedAt >= time) return;
      this.remove(record.id);
    }
  }

  ofContainer(container: ContainerId): ExecRecord[] {
    return [...(this.#byContainer.get(container) ?? [])].flatMap((id) => this.#records.get(id) ?? []);
  }

  insert(record: ExecRecord): void {
    this.save(record);
  }

  save(record: ExecRecord): void {
    this.#insert.run(record.id, record.container, JSON.stringify(record));
    this.#put(record);
  }

  /** As `save`; what would not survive the engine anyway (`durable` false) is kept in memory alone. */
  note(record: ExecRecord, durable: boolean): void {
    if (durable) this.save(record);
    else this.#put(record);
  }

  remove(id: ExecId): void {
    this.#remove.run(id);
    const container = this.#records.get(id)?.container;
    this.#records.delete(id);
    if (container === undefined) return;
    const siblings = this.#byContainer.get(container);
    siblings?.delete(id);
    if (siblings?.size === 0) this.#byContainer.delete(container);
  }
}
