import type { Clock } from '#base/clock.ts';
import { newId } from '#base/ids.ts';
import type { Database } from '#host/database.ts';
import { isImageLayer, type LayerRef, type Tree } from '../tree.ts';
import type { BuildLayers } from './layers.ts';

export type RecordKind = 'regular' | 'source.local' | 'source.git.checkout' | 'exec.cachemount' | 'frontend' | 'internal';

export interface CacheRecord {
  key: string;
  id: string;
  /** One an output. */
  trees: readonly Tree[];
  kind: RecordKind;
  description: string;
  createdAt: number;
  usedAt: number;
  uses: number;
  /** Ids of the records it was made from. */
  parents: readonly string[];
}

/** Results by cache key. A record is valid while all its layers are there. */
export class CacheRecords {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #layers: BuildLayers;

  constructor(options: { db: Database; clock: Clock; layers: BuildLayers }) {
    this.#db = options.db;
    this.#clock = options.clock;
    this.#layers = options.layers;
  }

  /** What a definition led to before. */
  byDefinition(definition: string): CacheRecord | undefined {
    const row = this.#db.handle.prepare('SELECT build_record.* FROM build_alias JOIN build_record USING (key) WHERE definition = ?').get(definition);
    return this.#valid(row);
  }

  get(key: string): CacheRecord | undefined {
    return this.#valid(this.#db.handle.prepare('SELECT * FROM build_record WHERE key = ?').get(key));
  }

  #valid(row: Record<string, unknown> | undefined): CacheRecord | undefined {
    if (row === undefined) return undefined;
    const record = toRecord(row);
    return record.trees.every((tree) => this.#layers.has(tree)) ? record : undefined;
  }

  /** Replaces what had the key. */
  put(record: { key: string; definition: string; trees: readonly Tree[]; kind: RecordKind; description: string; parents: readonly string[] }): CacheRecord {
    const now = this.#clock.now();
    const id = newId().slice(0, 25);
    this.#db.transaction(() => {
      this.#db.handle.prepare('DELETE FROM build_record WHERE key = ?').run(record.key);
      this.#db.handle
        .prepare('INSERT INTO build_record (key, id, trees, kind, description, created_at, used_at, uses, parents) VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?)')
        .run(record.key, id, JSON.stringify(record.trees), record.kind, record.description, now, now, JSON.stringify(record.parents));
      const use = this.#db.handle.prepare('INSERT OR IGNORE INTO build_use VALUES (?, ?)');
      for (const layer of new Set<LayerRef>(record.trees.flat())) if (!isImageLayer(layer)) use.run(record.key, layer);
      this.alias(record.definition, record.key);
    });
    return { ...record, id, createdAt: now, usedAt: now, uses: 1 };
  }

  alias(definition: string, key: string): void {
    this.#db.handle.prepare('INSERT INTO build_alias VALUES (?, ?) ON CONFLICT (definition) DO UPDATE SET key = excluded.key').run(definition, key);
  }

  used(record: CacheRecord): void {
    this.#db.handle.prepare('UPDATE build_record SET used_at = ?, uses = uses + 1 WHERE key = ?').run(this.#clock.now(), record.key);
  }

  /** Least recently used first. */
  list(): CacheRecord[] {
    return this.#db.handle.prepare('SELECT * FROM build_record ORDER BY used_at, key').all().map(toRecord);
  }

  remove(key: string): void {
    this.#db.handle.prepare('DELETE FROM build_record WHERE key = ?').run(key);
  }

  /** A digest found before of what `selection` (tree and paths) selects. */
  content(selection: string): string | undefined {
    return this.#db.handle.prepare('SELECT digest FROM build_content WHERE selection = ?').get(selection)?.['digest'] as string | undefined;
  }

  rememberContent(selection: string, digest: string): void {
    this.#db.handle.prepare('INSERT OR REPLACE INTO build_content VALUES (?, ?, ?)').run(selection, digest, this.#clock.now());
  }

  /** Forgets digests that were not asked for since. */
  forgetContent(before: number): void {
    this.#db.handle.prepare('DELETE FROM build_content WHERE used_at < ?').run(before);
  }
}

function toRecord(row: Record<string, unknown>): CacheRecord {
  return {
    key: row['key'] as string,
    id: row['id'] as string,
    trees: JSON.parse(row['trees'] as string) as Tree[],
    kind: row['kind'] as RecordKind,
    description: row['description'] as string,
    createdAt: row['created_at'] as number,
    usedAt: row['used_at'] as number,
    uses: row['uses'] as number,
    parents: JSON.parse(row['parents'] as string) as string[],
  };
}
