import type { Digest } from '#spec/digest.ts';
import type { Platform } from '#spec/oci-image.ts';
import type { Database } from '#host/database.ts';
import { hostPlatform, bestPlatform } from './platform.ts';

/** Bytes that are small enough for the database, under their digest. */
export interface Document {
  bytes: Uint8Array;
  mediaType: string;
  digest: Digest;
}

/** A manifest of a target, whose content is here. */
export interface Member {
  digest: Digest;
  kind: 'image' | 'index' | 'other';
  /** Of images: the configuration, which is the image's id when it is unpacked. */
  config: Digest | undefined;
  /** Its layers are unpacked, so that an image record exists. */
  unpacked: boolean;
}

export interface NewMember {
  document: Document;
  kind: Member['kind'];
  config: Document | undefined;
  /** Sum of its layers' sizes when they are unpacked. */
  unpackedSize: number | undefined;
  /** Chain ids of the unpacked layers, lowest first. */
  chains: readonly Digest[];
  /** Blobs that only this manifest keeps. */
  blobs: readonly { digest: Digest; size: number }[];
}

/** What names stand for: indexes and manifests with those of their parts that are here. Calls belong in a transaction. */
export interface TargetStore {
  /** Records or completes a target. Returns the image that suits this machine best; undefined when none is unpacked. */
  record(target: Document, members: readonly NewMember[]): Digest | undefined;
  /** Chooses anew which of its images a target is shown by, after some went; `recent` before others that do not suit this machine. */
  elect(target: Digest, recent?: Digest): Digest | undefined;
  members(target: Digest): Member[];
  /** Targets that a manifest belongs to and that something still stands for. */
  targetsOf(manifest: Digest): Digest[];
  /** Targets that have the image as one of their platforms. */
  withImage(image: Digest): Digest[];
  /** True while a live target has the image as one of its platforms. */
  hasImage(image: Digest): boolean;
  blobsOf(manifest: Digest): { digest: Digest; size: number }[];
  /** Forgets one part of a target; what only it needed goes with the next sweep. */
  dropMember(target: Digest, manifest: Digest): void;
  /** Forgets targets that nothing stands for, their parts and documents. Returns the images that belonged only to these. */
  sweep(): Digest[];
  /** Deletes documents that no record needs. */
  sweepDocuments(): void;
}

const live = 'SELECT target FROM image_name WHERE target IS NOT NULL UNION SELECT target FROM image WHERE target IS NOT NULL AND hidden = 0';

export function createTargetStore(db: Database, options: { platformOf: (image: Digest) => Platform; now: () => number }): TargetStore {
  const prepare = (sql: string) => db.handle.prepare(sql);
  const sql = {
    document: prepare('INSERT OR IGNORE INTO image_document VALUES (?, ?, ?)'),
    manifest: prepare('INSERT INTO image_manifest VALUES (?, ?, ?) ON CONFLICT (digest) DO UPDATE SET kind = excluded.kind, config = excluded.config'),
    member: prepare('INSERT OR IGNORE INTO image_member VALUES (?, ?)'),
    noBlobs: prepare('DELETE FROM image_blob WHERE manifest = ?'),
    blob: prepare('INSERT OR IGNORE INTO image_blob VALUES (?, ?, ?)'),
    blobs: prepare('SELECT digest, size FROM image_blob WHERE manifest = ? ORDER BY digest'),
    image: prepare('SELECT hidden FROM image WHERE id = ?'),
    addImage: prepare('INSERT INTO image (id, manifest, size, added_at, member) VALUES (?, ?, ?, ?, 1)'),
    stack: prepare('INSERT INTO image_stack VALUES (?, ?, ?)'),
    setManifest: prepare('UPDATE image SET manifest = ?, member = CASE hidden WHEN 1 THEN 1 ELSE member END, hidden = 0 WHERE id = ?'),
    members: prepare(`
      SELECT m.digest, m.kind, m.config, image.id FROM image_member AS mm JOIN image_manifest AS m ON m.digest = mm.manifest
      LEFT JOIN image ON image.id = m.config AND image.hidden = 0 WHERE mm.target = ? ORDER BY m.digest`),
    demote: prepare('UPDATE image SET target = NULL, member = CASE WHEN id IN (SELECT image FROM image_name WHERE target IS NOT ?1) THEN member ELSE 1 END WHERE target = ?1 AND id <> ?2'),
    promote: prepare('UPDATE image SET target = ?, member = 0 WHERE id = ?'),
    repoint: prepare('UPDATE image_name SET image = ? WHERE target = ?'),
    targetsOf: prepare(`SELECT target FROM image_member WHERE manifest = ? AND target IN (${live})`),
    withImage: prepare('SELECT DISTINCT mm.target FROM image_manifest AS m JOIN image_member AS mm ON mm.manifest = m.digest WHERE m.config = ?'),
    hasImage: prepare(`SELECT 1 FROM image_manifest AS m JOIN image_member AS mm ON mm.manifest = m.digest WHERE m.config = ? AND mm.target IN (${live}) LIMIT 1`),
    dropMember: prepare('DELETE FROM image_member WHERE target = ? AND manifest = ?'),
    dropDead: prepare(`DELETE FROM image_member WHERE target NOT IN (${live})`),
    orphans: prepare(`
      SELECT id FROM image WHERE member = 1 AND hidden = 0 AND id NOT IN (SELECT image FROM image_name)
      AND NOT EXISTS (SELECT 1 FROM image_manifest AS m JOIN image_member AS mm ON mm.manifest = m.digest WHERE m.config = image.id)`),
    dropManifests: prepare('DELETE FROM image_manifest WHERE digest NOT IN (SELECT manifest FROM image_member)'),
    dropDocuments: prepare(`
      DELETE FROM image_document WHERE digest NOT IN (
        SELECT id FROM image UNION SELECT manifest FROM image WHERE manifest IS NOT NULL UNION SELECT target FROM image WHERE target IS NOT NULL
        UNION SELECT target FROM image_name WHERE target IS NOT NULL UNION SELECT digest FROM image_manifest
        UNION SELECT config FROM image_manifest WHERE config IS NOT NULL UNION SELECT target FROM image_member)`),
  };
  const addDocument = ({ digest, mediaType, bytes }: Document): void => void sql.document.run(digest, mediaType, bytes);

  const members: TargetStore['members'] = (target) =>
    sql.members.all(target).map((row) => ({
      digest: row['digest'] as Digest,
      kind: row['kind'] as Member['kind'],
      config: (row['config'] as Digest | null) ?? undefined,
      unpacked: row['id'] !== null,
    }));

  const elect = (target: Digest, recent?: Digest): Digest | undefined => {
    const images = members(target).flatMap(({ unpacked, config }) => (unpacked && config !== undefined ? [config] : []));
    const head = bestPlatform(images, options.platformOf, hostPlatform()) ?? recent ?? images[0];
    if (head === undefined) return undefined;
    sql.demote.run(target, head);
    sql.promote.run(target, head);
    sql.repoint.run(head, target);
    return head;
  };

  return {
    record(target, given) {
      addDocument(target);
      for (const { document, kind, config, unpackedSize, chains, blobs } of given) {
        addDocument(document);
        if (config !== undefined) addDocument(config);
        sql.manifest.run(document.digest, kind, config?.digest ?? null);
        sql.member.run(target.digest, document.digest);
        sql.noBlobs.run(document.digest);
        for (const { digest, size } of blobs) sql.blob.run(document.digest, digest, size);
        if (config === undefined || unpackedSize === undefined) continue;
        if (sql.image.get(config.digest) !== undefined) sql.setManifest.run(document.digest, config.digest);
        else {
          sql.addImage.run(config.digest, document.digest, unpackedSize, options.now());
          chains.forEach((chain, position) => sql.stack.run(config.digest, position, chain));
        }
      }
      const recent = given.findLast(({ unpackedSize }) => unpackedSize !== undefined)?.config?.digest;
      return elect(target.digest, recent);
    },
    elect,
    members,
    targetsOf: (manifest) => sql.targetsOf.all(manifest).map((row) => row['target'] as Digest),
    withImage: (image) => sql.withImage.all(image).map((row) => row['target'] as Digest),
    hasImage: (image) => sql.hasImage.get(image) !== undefined,
    blobsOf: (manifest) => sql.blobs.all(manifest).map((row) => ({ digest: row['digest'] as Digest, size: row['size'] as number })),
    dropMember: (target, manifest) => void sql.dropMember.run(target, manifest),
    sweep() {
      sql.dropDead.run();
      const orphans = sql.orphans.all().map((row) => row['id'] as Digest);
      sql.dropManifests.run();
      return orphans;
    },
    sweepDocuments: () => void sql.dropDocuments.run(),
  };
}
