import type { Database, Migration } from '#host/database.ts';

export const stepMigrations: readonly Migration[] = [
  { id: 'step-1', sql: "CREATE TABLE step (id TEXT PRIMARY KEY, kind TEXT NOT NULL) STRICT, WITHOUT ROWID" },
];

/** What steps of builds hold outside the data root: recorded before it is made, forgotten when it is gone. */
export interface StepLedger {
  add(id: string, kind: 'step' | 'network' | 'cgroup'): void;
  remove(id: string): void;
  list(): { id: string; kind: 'step' | 'network' | 'cgroup' }[];
}

export function createStepLedger(db: Database): StepLedger {
  const insert = db.handle.prepare('INSERT OR REPLACE INTO step VALUES (?, ?)');
  const remove = db.handle.prepare('DELETE FROM step WHERE id = ?');
  const all = db.handle.prepare('SELECT id, kind FROM step');
  return {
    add: (id, kind) => void insert.run(id, kind),
    remove: (id) => void remove.run(id),
    list: () => all.all().map((row) => ({ id: row['id'] as string, kind: row['kind'] as 'step' })),
  };
}
