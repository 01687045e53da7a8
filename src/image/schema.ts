import type { Migration } from '#host/database.ts';

/**
 *   image_document  every configuration and manifest, byte for byte, by digest
 *   image_layer     unpacked layers by chain id; a row exists only while its folder and blob are complete
 *   image           by configuration digest (Docker's image id)
 *    ├ image_stack  its layers, lowest first
 *    ├ image_name   `docker.io/library/busybox:latest`, or `...@sha256:...` for names that came with a digest
 *    └ image_hold   containers that need the layers; a hidden image lives only for these
 */
export const imageMigrations: readonly Migration[] = [
  {
    id: 'image-1',
    sql: `
      CREATE TABLE image_document (
        digest TEXT PRIMARY KEY,
        media_type TEXT NOT NULL,
        bytes BLOB NOT NULL
      ) STRICT;
      CREATE TABLE image_layer (
        chain_id TEXT PRIMARY KEY,
        diff_id TEXT NOT NULL,
        size INTEGER NOT NULL,
        blob TEXT NOT NULL,
        blob_size INTEGER NOT NULL,
        compression TEXT NOT NULL
      ) STRICT;
      CREATE INDEX image_layer_blob ON image_layer (blob);
      CREATE TABLE image (
        id TEXT PRIMARY KEY REFERENCES image_document (digest),
        manifest TEXT REFERENCES image_document (digest),
        parent TEXT,
        size INTEGER NOT NULL,
        added_at INTEGER NOT NULL,
        tagged_at INTEGER,
        hidden INTEGER NOT NULL DEFAULT 0
      ) STRICT;
      CREATE TABLE image_stack (
        image TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        chain_id TEXT NOT NULL REFERENCES image_layer (chain_id),
        PRIMARY KEY (image, position)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX image_stack_layer ON image_stack (chain_id);
      CREATE TABLE image_name (
        name TEXT PRIMARY KEY,
        image TEXT NOT NULL REFERENCES image (id)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX image_name_image ON image_name (image);
      CREATE TABLE image_hold (
        owner TEXT PRIMARY KEY,
        image TEXT NOT NULL REFERENCES image (id)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX image_hold_image ON image_hold (image);
    `,
  },
];
