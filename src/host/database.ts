import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { EngineError } from '#base/errors.ts';

/** One step of a room's schema. Steps are never edited after a release, only followed by more. */
export interface Migration {
  /** `container-1`, `container-2`, ...: the order within the list is the order of application. */
  id: string;
  sql: string;
}

export interface Database {
  readonly handle: DatabaseSync;
  /** Runs `task` in one write transaction; throws roll it back. Nested calls join the outer one. */
  transaction<T>(task: () => T): T;
  close(): void;
}

/**
 * Opens (or makes) the state database in WAL mode. A process kill loses nothing that was committed;
 * a power cut may lose the last moments but never consistency (synchronous=NORMAL).
 */
export function openDatabase(path: string, migrations: readonly Migration[]): Database {
  const handle = new DatabaseSync(path);
  handle.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON; PRAGMA busy_timeout=5000;');
  let depth = 0;
  const transaction = <T>(task: () => T): T => {
    if (depth > 0) return task();
    handle.exec('BEGIN IMMEDIATE');
    depth++;
    try {
      const result = task();
      handle.exec('COMMIT');
      return result;
    } catch (error) {
      // A full disk makes SQLite roll back by itself.
      if (handle.isTransaction) handle.exec('ROLLBACK');
      throw explain(error);
    } finally {
      depth--;
    }
  };
  migrate(handle, transaction, migrations);
  reserve(handle, path);
  return { handle, transaction, close: () => handle.close() };
}

/** Bytes of the write-ahead log and of free pages that are there before the disk is full: some thousand changes. */
const RESERVE = 3_500_000;

/**
 * Makes the write-ahead log grow once to the size at which SQLite begins to write over it, so that containers can still be
 * stopped and removed, and their ends noted, when the disk is full. The log survives a kill; a close takes it away.
 */
function reserve(handle: DatabaseSync, path: string): void {
  if ((statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) >= RESERVE) return;
  try {
    handle.exec(`
      CREATE TABLE IF NOT EXISTS reserve (data BLOB) STRICT;
      INSERT INTO reserve VALUES (zeroblob(${RESERVE}));
      DELETE FROM reserve;
      PRAGMA wal_checkpoint(RESTART);
    `);
  } catch (error) {
    // Too late: the disk is full already.
    if (!(error instanceof Error && 'errcode' in error && error.errcode === 13)) throw error;
  }
}

/** SQLITE_FULL in the words of the file system. */
function explain(error: unknown): unknown {
  return error instanceof Error && 'errcode' in error && error.errcode === 13
    ? new EngineError('internal', 'the state database cannot be written: no space left on device', { cause: error })
    : error;
}

function migrate(handle: DatabaseSync, transaction: <T>(task: () => T) => T, migrations: readonly Migration[]): void {
  handle.exec('CREATE TABLE IF NOT EXISTS migration (id TEXT PRIMARY KEY, applied_at TEXT NOT NULL) STRICT');
  const applied = new Set(handle.prepare('SELECT id FROM migration').all().map((row) => row['id']));
  const known = new Set(migrations.map((migration) => migration.id));
  for (const id of applied) {
    if (!known.has(id as string)) {
      throw new EngineError('unavailable', `the state database was written by a newer Gantry (migration ${String(id)}); upgrade, or use another --data-root`);
    }
  }
  const insert = handle.prepare('INSERT INTO migration VALUES (?, ?)');
  for (const migration of migrations) {
    if (applied.has(migration.id)) continue;
    transaction(() => {
      handle.exec(migration.sql);
      insert.run(migration.id, new Date().toISOString());
    });
  }
}
