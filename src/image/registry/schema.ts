import type { Migration } from '#host/database.ts';

/**
 *   registry_source  repositories where a blob was seen, so that a push can mount it from there
 *   registry_packed  what an uncompressed layer became when it was pushed, so that the next push names the same bytes
 */
export const registryMigrations: readonly Migration[] = [
  {
    id: 'registry-1',
    sql: `
      CREATE TABLE registry_source (
        digest TEXT NOT NULL,
        domain TEXT NOT NULL,
        path TEXT NOT NULL,
        seen INTEGER NOT NULL,
        PRIMARY KEY (digest, domain, path)
      ) STRICT, WITHOUT ROWID;
      CREATE TABLE registry_packed (
        diff_id TEXT PRIMARY KEY,
        digest TEXT NOT NULL,
        size INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;
    `,
  },
];
