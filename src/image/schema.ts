import type { Migration } from '#host/database.ts';

/**
 *   image_document  every configuration and manifest, byte for byte, by digest
 *   image_layer     unpacked layers by chain id; a row exists only while its folder and blob are complete
 *   image           by configuration digest (Docker's image id)
 *    ├ image_stack  its layers, lowest first
 *    ├ image_name   `docker.io/library/busybox:latest`, or `...@sha256:...` for names that came with a digest; `target` is
 *    │              the index or manifest that the name stands for
 *    └ image_hold   containers that need the layers; a hidden image lives only for these
 *   image_manifest  manifests whose content is here: of images, of what belongs to them (attestations, artifacts), indexes
 *    ├ image_member the targets that each belongs to; an index has those of its children that are here
 *    └ image_blob   blobs that only the manifest needs, because they are not unpacked as layers
 *   image_unsettled layers that the disk may not have yet, by the machine's boot
 *   image_lease     blobs and layers that someone (a build's cache, say) keeps, by owner
 *
 * `image.target` is what an image came as; it keeps a dangling image's other platforms. `image.member` is 1 for an image that
 * is here only as a platform of a target: lists show the target once, by the image that suits this machine.
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
  {
    id: 'image-2',
    sql: `
      ALTER TABLE image ADD COLUMN target TEXT REFERENCES image_document (digest);
      ALTER TABLE image ADD COLUMN member INTEGER NOT NULL DEFAULT 0;
      ALTER TABLE image_name ADD COLUMN target TEXT REFERENCES image_document (digest);
      CREATE TABLE image_manifest (
        digest TEXT PRIMARY KEY REFERENCES image_document (digest),
        kind TEXT NOT NULL CHECK (kind IN ('image', 'index', 'other')),
        config TEXT REFERENCES image_document (digest)
      ) STRICT;
      CREATE INDEX image_manifest_config ON image_manifest (config);
      CREATE TABLE image_member (
        target TEXT NOT NULL REFERENCES image_document (digest),
        manifest TEXT NOT NULL REFERENCES image_manifest (digest),
        PRIMARY KEY (target, manifest)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX image_member_manifest ON image_member (manifest);
      CREATE TABLE image_blob (
        manifest TEXT NOT NULL REFERENCES image_manifest (digest) ON DELETE CASCADE,
        digest TEXT NOT NULL,
        size INTEGER NOT NULL,
        PRIMARY KEY (manifest, digest)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX image_blob_digest ON image_blob (digest);
      CREATE TABLE image_lease (
        owner TEXT NOT NULL,
        digest TEXT NOT NULL,
        PRIMARY KEY (owner, digest)
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX image_lease_digest ON image_lease (digest);
      INSERT OR IGNORE INTO image_manifest SELECT manifest, 'image', id FROM image WHERE manifest IS NOT NULL;
      INSERT INTO image_member SELECT digest, digest FROM image_manifest;
      UPDATE image SET target = manifest;
      UPDATE image_name SET target = (SELECT manifest FROM image WHERE image.id = image_name.image);
    `,
  },
  // Where a layer lies that is not in the store's own folder, relative to the data root.
  { id: 'image-lent-folders', sql: 'ALTER TABLE image_layer ADD COLUMN folder TEXT; CREATE INDEX image_layer_folder ON image_layer (folder)' },
  // What a layer's tree takes on the disk; measured when somebody asks.
  { id: 'image-layer-disk', sql: 'ALTER TABLE image_layer ADD COLUMN disk INTEGER' },
  { id: 'image-unsettled', sql: 'CREATE TABLE image_unsettled (chain_id TEXT PRIMARY KEY, boot TEXT NOT NULL) STRICT, WITHOUT ROWID' },
];
