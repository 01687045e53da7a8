import type { Database, Migration } from '#host/database.ts';
import type { ContainerId } from '#spec/ids.ts';

/**
 * volume       one row a volume; `state`: ready, staged (a fill is whole but not yet moved in), removing
 * volume_use   which containers mount it, which of them have it mounted (`active`), and for which the image's content was
 *              offered already (`filled`)
 */
export const volumeMigrations: readonly Migration[] = [
  {
    id: 'volume-1',
    sql: `
      CREATE TABLE volume (
        name TEXT PRIMARY KEY, driver TEXT NOT NULL, created_at TEXT NOT NULL, labels TEXT NOT NULL, options TEXT NOT NULL,
        anonymous INTEGER NOT NULL, state TEXT NOT NULL
      ) STRICT;
      CREATE TABLE volume_use (
        volume TEXT NOT NULL REFERENCES volume(name), container TEXT NOT NULL, active INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (volume, container)
      ) STRICT;
      CREATE INDEX volume_use_by_container ON volume_use(container);`,
  },
  { id: 'volume-2', sql: 'ALTER TABLE volume_use ADD COLUMN filled INTEGER NOT NULL DEFAULT 0' },
];

export type VolumeState = 'ready' | 'staged' | 'removing';

export interface VolumeRecord {
  name: string;
  driver: string;
  /** RFC 3339. */
  createdAt: string;
  /** Null as it was given: clients see the difference to none. */
  labels: Record<string, string> | null;
  options: Record<string, string> | null;
  anonymous: boolean;
  state: VolumeState;
}

/** The rows behind volumes. Every method is one statement; callers group them in transactions. */
export class VolumeStore {
  readonly #database: Database;
  readonly #statements;

  constructor(database: Database) {
    this.#database = database;
    const prepare = (sql: string) => database.handle.prepare(sql);
    this.#statements = {
      insert: prepare('INSERT INTO volume VALUES (?, ?, ?, ?, ?, ?, ?)'),
      get: prepare('SELECT * FROM volume WHERE name = ?'),
      all: prepare('SELECT * FROM volume ORDER BY name'),
      setState: prepare('UPDATE volume SET state = ? WHERE name = ?'),
      remove: prepare('DELETE FROM volume WHERE name = ?'),
      use: prepare('INSERT OR IGNORE INTO volume_use (volume, container) VALUES (?, ?)'),
      setActive: prepare('UPDATE volume_use SET active = ? WHERE container = ?'),
      deactivate: prepare('UPDATE volume_use SET active = 0 WHERE volume = ? AND container = ?'),
      fill: prepare('UPDATE volume_use SET filled = 1 WHERE volume = ? AND container = ?'),
      filled: prepare('SELECT filled FROM volume_use WHERE volume = ? AND container = ?'),
      release: prepare('DELETE FROM volume_use WHERE container = ?'),
      users: prepare('SELECT container FROM volume_use WHERE volume = ? ORDER BY container'),
      used: prepare('SELECT volume, count(*) AS users FROM volume_use GROUP BY volume'),
      active: prepare('SELECT count(*) AS users FROM volume_use WHERE volume = ? AND active = 1'),
      ofContainer: prepare('SELECT volume FROM volume_use WHERE container = ? ORDER BY volume'),
      activeOf: prepare('SELECT volume FROM volume_use WHERE container = ? AND active = 1 ORDER BY volume'),
      containers: prepare('SELECT DISTINCT container FROM volume_use'),
    };
  }

  transaction<T>(task: () => T): T {
    return this.#database.transaction(task);
  }

  insert(record: VolumeRecord): void {
    const { name, driver, createdAt, labels, options, anonymous, state } = record;
    this.#statements.insert.run(name, driver, createdAt, JSON.stringify(labels), JSON.stringify(options), anonymous ? 1 : 0, state);
  }

  get(name: string): VolumeRecord | undefined {
    const row = this.#statements.get.get(name);
    return row === undefined ? undefined : fromRow(row);
  }

  all(): VolumeRecord[] {
    return this.#statements.all.all().map(fromRow);
  }

  setState(name: string, state: VolumeState): void {
    this.#statements.setState.run(state, name);
  }

  remove(name: string): void {
    this.#statements.remove.run(name);
  }

  /** Keeps the volume from being removed while the container exists. */
  use(volume: string, container: ContainerId): void {
    this.#statements.use.run(volume, container);
  }

  /** All of the container's volumes. */
  setActive(container: ContainerId, active: boolean): void {
    this.#statements.setActive.run(active ? 1 : 0, container);
  }

  deactivate(volume: string, container: ContainerId): void {
    this.#statements.deactivate.run(volume, container);
  }

  /** The volumes that are, or may be, mounted for the container. */
  activeOf(container: ContainerId): string[] {
    return this.#statements.activeOf.all(container).map((row) => String(row['volume']));
  }

  /** Notes that the container's image has had its chance to fill the volume. */
  setFilled(volume: string, container: ContainerId): void {
    this.#statements.fill.run(volume, container);
  }

  isFilled(volume: string, container: ContainerId): boolean {
    return this.#statements.filled.get(volume, container)?.['filled'] === 1;
  }

  release(container: ContainerId): void {
    this.#statements.release.run(container);
  }

  users(volume: string): string[] {
    return this.#statements.users.all(volume).map((row) => String(row['container']));
  }

  userCounts(): Map<string, number> {
    return new Map(this.#statements.used.all().map((row) => [String(row['volume']), Number(row['users'])]));
  }

  activeUsers(volume: string): number {
    return Number(this.#statements.active.get(volume)?.['users'] ?? 0);
  }

  ofContainer(container: ContainerId): string[] {
    return this.#statements.ofContainer.all(container).map((row) => String(row['volume']));
  }

  containers(): ContainerId[] {
    return this.#statements.containers.all().map((row) => String(row['container']) as ContainerId);
  }
}

function fromRow(row: Record<string, unknown>): VolumeRecord {
  return {
    name: String(row['name']),
    driver: String(row['driver']),
    createdAt: String(row['created_at']),
    labels: JSON.parse(String(row['labels'])) as VolumeRecord['labels'],
    options: JSON.parse(String(row['options'])) as VolumeRecord['options'],
    anonymous: row['anonymous'] === 1,
    state: row['state'] as VolumeState,
  };
}
