import type { Migration } from '#host/database.ts';

/**
 *   build_layer         folders `cache/layers/<id>/diff`; `making` until complete. What is `making` at a start is garbage of a crash
 *   build_record        results by cache key: a list of trees, each a list of layers (JSON, lowest first)
 *    └ build_use        the build layers among them
 *   build_alias         what a vertex's definition alone leads to: definition key → cache key
 *   build_content       digests of what a path selects in a tree, by tree and selection
 *   build_mount         folders of cache mounts: `cache/mounts/<folder>`
 *   build_context       trees that clients sent, kept for the next build; each is a layer
 *   build_history       builds that ended, with their events
 */
export const buildMigrations: readonly Migration[] = [
  {
    id: 'build-1',
    sql: `
      CREATE TABLE build_layer (
        id TEXT PRIMARY KEY,
        state TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        size INTEGER,
        diff_id TEXT,
        tar_size INTEGER,
        content_size INTEGER
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE build_record (
        key TEXT PRIMARY KEY,
        id TEXT NOT NULL,
        trees TEXT NOT NULL,
        kind TEXT NOT NULL,
        description TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        used_at INTEGER NOT NULL,
        uses INTEGER NOT NULL DEFAULT 0,
        parents TEXT NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX build_record_used ON build_record (used_at);
      CREATE TABLE build_use (
        key TEXT NOT NULL REFERENCES build_record (key) ON DELETE CASCADE,
        layer TEXT NOT NULL REFERENCES build_layer (id),
        PRIMARY KEY (key, layer)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX build_use_layer ON build_use (layer);
      CREATE TABLE build_alias (
        definition TEXT PRIMARY KEY,
        key TEXT NOT NULL REFERENCES build_record (key) ON DELETE CASCADE
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX build_alias_key ON build_alias (key);
      CREATE TABLE build_content (
        selection TEXT PRIMARY KEY,
        digest TEXT NOT NULL,
        used_at INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE build_mount (
        folder TEXT PRIMARY KEY,
        cache_id TEXT NOT NULL,
        base TEXT NOT NULL,
        sharing TEXT NOT NULL,
        description TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        used_at INTEGER NOT NULL,
        uses INTEGER NOT NULL DEFAULT 0
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX build_mount_id ON build_mount (cache_id);
      CREATE TABLE build_context (
        layer TEXT PRIMARY KEY REFERENCES build_layer (id),
        shared_key TEXT NOT NULL,
        state TEXT NOT NULL,
        content TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        used_at INTEGER NOT NULL,
        uses INTEGER NOT NULL DEFAULT 0
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX build_context_key ON build_context (shared_key);
      CREATE TABLE build_history (
        ref TEXT PRIMARY KEY,
        record TEXT NOT NULL,
        events TEXT NOT NULL,
        created_at INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
    `,
  },
];
