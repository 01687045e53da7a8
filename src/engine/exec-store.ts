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
  readonly #insert;
  readonly #remove;

  constructor(database: Database) {
    this.#insert = database.handle.prepare('INSERT OR REPLACE INTO exec VALUES (?, ?, ?)');
    this.#remove = database.handle.prepare('DELETE FROM exec WHERE id = ?');
    for (const row of database.handle.prepare('SELECT body FROM exec').all()) {
      const record = JSON.parse(String(row['body'])) as ExecRecord;
      this.#records.set(record.id, { ...record, exitCode: record.exitCode });
    }
  }

  get(id: ExecId): ExecRecord | undefined {
    return this.#records.get(id);
  }

  all(): ExecRecord[] {
    return [...this.#records.values()];
  }

  ofContainer(container: ContainerId): ExecRecord[] {
    return this.all().filter((record) => record.container === container);
  }

  insert(record: ExecRecord): void {
    this.save(record);
  }

  save(record: ExecRecord): void {
    this.#insert.run(record.id, record.container, JSON.stringify(record));
    this.#records.set(record.id, record);
  }

  remove(id: ExecId): void {
    this.#remove.run(id);
    this.#records.delete(id);
  }
}
