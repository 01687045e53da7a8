import { notFound } from '#base/errors.ts';
import { isDigest, sha256Digest, type Digest } from '#spec/digest.ts';
import type { ImageConfigFile } from '#spec/oci-image.ts';
import { platformOf } from './platform.ts';
import { familiarName, familiarString, fullName, parseReference, withDefaultTag, type Reference } from '#spec/reference.ts';
import type { Database } from '#host/database.ts';
import { chainIds, parseConfig } from './documents.ts';
import { createTargetStore, type TargetStore } from './target-store.ts';

/** An image as the engine knows it. */
export interface ImageRecord {
  id: Digest;
  manifest: Digest | undefined;
  /** The index or manifest it came as; undefined for one that was made here, or that is only one platform of a target. */
  target: Digest | undefined;
  parent: Digest | undefined;
  /** Sum of its layers' sizes. */
  size: number;
  /** Milliseconds. */
  addedAt: number;
  taggedAt: number | undefined;
  config: ImageConfigFile;
  /** Lowest first. */
  chains: readonly Digest[];
}

/** One name of an image: `docker.io/library/busybox:latest`. */
export interface ImageName {
  name: string;
  image: Digest;
  target: Digest | undefined;
}

export interface NewImage {
  config: { bytes: Uint8Array; mediaType: string; digest: Digest };
  manifest?: { bytes: Uint8Array; mediaType: string; digest: Digest } | undefined;
  parent?: Digest | undefined;
  size: number;
}

export interface FoundImage {
  image: ImageRecord;
  /** Undefined when it was found by a digest. */
  reference: Reference | undefined;
  /** What the name stands for. */
  target: Digest | undefined;
}

/** Records of images and their names. All calls are synchronous; groups of writes belong in `db.transaction`. */
export interface ImageStore {
  readonly targets: TargetStore;
  get(id: Digest): ImageRecord | undefined;
  /** Also finds an image that is hidden because only containers still need it. */
  getKept(id: Digest): ImageRecord | undefined;
  /** All that are not hidden and not only one platform of a target among others; newest first. */
  list(): ImageRecord[];
  names(): ImageName[];
  namesOf(image: Digest): string[];
  /** What a person means by a name, name@digest, id, digest of a manifest or unique id prefix. Throws not_found in Docker's words. */
  find(given: string): FoundImage;
  /** Records an image whose layers exist; known already: shows it again and keeps its names. */
  add(image: NewImage): ImageRecord;
  /** Points the name at the image and what it stands for; returns the image that had it. A name given here, by a person, counts as the image's last one. */
  setName(name: string, image: Digest, target?: Digest, given?: boolean): Digest | undefined;
  /** Says what an image was made from; only for one that says nothing of it yet. */
  setParent(image: Digest, parent: Digest): void;
  dropName(name: string): void;
  /**
   * Forgets an image without names and the platforms that were here only with it; returns all of these. While containers
   * hold one, it is only hidden; a live target's platform stays one.
   */
  drop(image: Digest): Digest[];
  /** Forgets one part of a target; the image that it was goes too, unless something else needs it. Returns what went. */
  dropMember(target: Digest, manifest: Digest): Digest[];
  hold(image: Digest, owner: string): void;
  /** True when an image that was only kept for this owner went away: layers can be collected. */
  release(owner: string): boolean;
  document(digest: Digest): { bytes: Buffer; mediaType: string } | undefined;
  children(image: Digest): Digest[];
}

/** The complete name of a reference that has a tag or a digest. */
export function recordName(reference: Reference): string {
  return reference.digest === undefined ? `${fullName(reference)}:${reference.tag ?? 'latest'}` : `${fullName(reference)}@${reference.digest}`;
}

export function createImageStore(db: Database, now: () => number): ImageStore {
  const sql = {
    image: db.handle.prepare('SELECT * FROM image WHERE id = ?'),
    images: db.handle.prepare('SELECT * FROM image WHERE hidden = 0 AND member = 0 ORDER BY added_at DESC, id'),
    prefix: db.handle.prepare('SELECT id FROM image WHERE hidden = 0 AND id >= ? AND id < ? LIMIT 2'),
    document: db.handle.prepare('SELECT bytes, media_type FROM image_document WHERE digest = ?'),
    addDocument: db.handle.prepare('INSERT OR IGNORE INTO image_document VALUES (?, ?, ?)'),
    addImage: db.handle.prepare('INSERT INTO image (id, manifest, parent, size, added_at) VALUES (?, ?, ?, ?, ?)'),
    show: db.handle.prepare('UPDATE image SET hidden = 0, member = 0, manifest = COALESCE(?, manifest) WHERE id = ?'),
    hide: db.handle.prepare('UPDATE image SET hidden = 1, target = NULL WHERE id = ?'),
    demote: db.handle.prepare('UPDATE image SET member = 1, target = NULL WHERE id = ?'),
    byManifest: db.handle.prepare('SELECT image.id, image_member.target FROM image JOIN image_manifest ON image_manifest.config = image.id JOIN image_member ON image_member.manifest = image_manifest.digest WHERE image_manifest.digest = ? AND hidden = 0'),
    byTarget: db.handle.prepare('SELECT image AS id, target FROM image_name WHERE target = ?1 UNION SELECT id, target FROM image WHERE target = ?1 AND hidden = 0'),
    inRepository: db.handle.prepare('SELECT name, image, target FROM image_name WHERE target = ?'),
    stack: db.handle.prepare('INSERT INTO image_stack VALUES (?, ?, ?)'),
    name: db.handle.prepare('SELECT image, target FROM image_name WHERE name = ?'),
    names: db.handle.prepare('SELECT name, image, target FROM image_name ORDER BY name'),
    namesOf: db.handle.prepare('SELECT name FROM image_name WHERE image = ? ORDER BY name'),
    setName: db.handle.prepare('INSERT INTO image_name (name, image, target) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET image = excluded.image, target = excluded.target'),
    dropName: db.handle.prepare('DELETE FROM image_name WHERE name = ?'),
    tagged: db.handle.prepare('UPDATE image SET tagged_at = COALESCE(?, tagged_at), member = 0 WHERE id = ?'),
    setParent: db.handle.prepare('UPDATE image SET parent = ? WHERE id = ? AND parent IS NULL'),
    holds: db.handle.prepare('SELECT 1 FROM image_hold WHERE image = ?'),
    hold: db.handle.prepare('INSERT INTO image_hold VALUES (?, ?) ON CONFLICT (owner) DO UPDATE SET image = excluded.image'),
    held: db.handle.prepare('SELECT image FROM image_hold WHERE owner = ?'),
    release: db.handle.prepare('DELETE FROM image_hold WHERE owner = ?'),
    dropImage: db.handle.prepare('DELETE FROM image WHERE id = ?'),
    children: db.handle.prepare('SELECT id FROM image WHERE parent = ? AND hidden = 0'),
  };
  // A configuration never changes under its digest: parsed once.
  const parsed = new Map<Digest, { config: ImageConfigFile; chains: Digest[] }>();

  const document: ImageStore['document'] = (digest) => {
    const row = sql.document.get(digest);
    return row === undefined ? undefined : { bytes: Buffer.from(row['bytes'] as Uint8Array), mediaType: row['media_type'] as string };
  };
  const content = (id: Digest): { config: ImageConfigFile; chains: Digest[] } => {
    let known = parsed.get(id);
    if (known === undefined) {
      const config = parseConfig(document(id)?.bytes ?? Buffer.alloc(0));
      known = { config, chains: chainIds(config.rootfs.diff_ids) };
      if (parsed.size > 500) parsed.clear();
      parsed.set(id, known);
    }
    return known;
  };
  const toRecord = (row: Record<string, unknown>): ImageRecord => {
    const id = row['id'] as Digest;
    return {
      id,
      manifest: (row['manifest'] as Digest | null) ?? undefined,
      target: (row['target'] as Digest | null) ?? undefined,
      parent: (row['parent'] as Digest | null) ?? undefined,
      size: row['size'] as number,
      addedAt: row['added_at'] as number,
      taggedAt: (row['tagged_at'] as number | null) ?? undefined,
      ...content(id),
    };
  };
  const visible = (id: unknown): ImageRecord | undefined => {
    const row = typeof id === 'string' ? sql.image.get(id) : undefined;
    return row === undefined || row['hidden'] === 1 ? undefined : toRecord(row);
  };
  const byPrefix = (given: string): ImageRecord | undefined => {
    const hex = given.replace(/^sha256:/, '');
    if (!/^[0-9a-f]{1,64}$/.test(hex)) return undefined;
    const rows = sql.prefix.all(`sha256:${hex}`, `sha256:${hex}g`);
    return rows.length === 1 ? visible(rows[0]?.['id']) : undefined;
  };

  const byDigest = (digest: Digest): FoundImage | undefined => {
    const image = visible(digest);
    if (image !== undefined) return { image, reference: undefined, target: image.target };
    const row = sql.byTarget.get(digest) ?? sql.byManifest.get(digest);
    const named = visible(row?.['id']);
    return named && { image: named, reference: undefined, target: row?.['target'] as Digest };
  };
  /** `name@digest` for a name whose tags stand for this digest. */
  const inRepository = (reference: Reference): Record<string, unknown> | undefined =>
    reference.digest === undefined
      ? undefined
      : sql.inRepository.all(reference.digest).find(({ name }) => fullName(parseReference(name as string)) === fullName(reference));
  const forget = (image: Digest): void => {
    if (sql.holds.get(image) !== undefined) sql.hide.run(image);
    else {
      sql.dropImage.run(image);
      parsed.delete(image);
    }
  };
  /** After a change of what names and images stand for. */
  const sweep = (): Digest[] => {
    const orphans = targets.sweep();
    for (const orphan of orphans) forget(orphan);
    targets.sweepDocuments();
    return orphans;
  };
  const targets = createTargetStore(db, { platformOf: (image) => platformOf(content(image).config), now });

  const store: ImageStore = {
    targets,
    get: visible,
    getKept(id) {
      const row = sql.image.get(id);
      return row === undefined ? undefined : toRecord(row);
    },
    list: () => sql.images.all().map(toRecord),
    names: () => sql.names.all().map((row) => ({ name: row['name'] as string, image: row['image'] as Digest, target: (row['target'] as Digest | null) ?? undefined })),
    namesOf: (image) => sql.namesOf.all(image).map((row) => row['name'] as string),
    find(given) {
      if (isDigest(given) || /^[0-9a-f]{64}$/.test(given)) {
        const digest = isDigest(given) ? given : sha256Digest(given);
        const found = byDigest(digest);
        if (found === undefined) throw notFound(`No such image: ${digest}`);
        return found;
      }
      if (/^sha256:[0-9a-f]{1,63}$/.test(given)) {
        const image = byPrefix(given);
        if (image !== undefined) return { image, reference: undefined, target: image.target };
      }
      const reference = withDefaultTag(parseReference(given));
      const row = sql.name.get(recordName(reference)) ?? inRepository(reference);
      const named = visible(row?.['image']);
      if (named !== undefined) return { image: named, reference, target: (row?.['target'] as Digest | null) ?? undefined };
      const found = byPrefix(given);
      if (found !== undefined) return { image: found, reference: undefined, target: found.target };
      throw notFound(`No such image: ${familiarString(reference)}`);
    },
    add: ({ config, manifest, parent, size }) =>
      db.transaction(() => {
        sql.addDocument.run(config.digest, config.mediaType, config.bytes);
        if (manifest !== undefined) sql.addDocument.run(manifest.digest, manifest.mediaType, manifest.bytes);
        if (sql.image.get(config.digest) !== undefined) sql.show.run(manifest?.digest ?? null, config.digest);
        else {
          sql.addImage.run(config.digest, manifest?.digest ?? null, parent ?? null, size, now());
          content(config.digest).chains.forEach((chain, position) => sql.stack.run(config.digest, position, chain));
        }
        return visible(config.digest) as ImageRecord;
      }),
    setName: (name, image, target, given = true) =>
      db.transaction(() => {
        const row = sql.name.get(name);
        const before = row?.['image'] as Digest | undefined;
        sql.setName.run(name, image, target ?? null);
        sql.tagged.run(given ? now() : null, image);
        if (row !== undefined && row['target'] !== (target ?? null)) sweep();
        return before === image ? undefined : before;
      }),
    setParent: (image, parent) => void sql.setParent.run(parent, image),
    dropName: (name) =>
      db.transaction(() => {
        sql.dropName.run(name);
        sweep();
      }),
    drop: (image) =>
      db.transaction(() => {
        if (sql.image.get(image) === undefined) return [];
        sql.demote.run(image);
        const gone = targets.hasImage(image) ? [] : [image];
        for (const id of gone) forget(id);
        return [...gone, ...sweep()];
      }),
    dropMember: (target, manifest) =>
      db.transaction(() => {
        targets.dropMember(target, manifest);
        return sweep();
      }),
    hold: (image, owner) => {
      if (sql.image.get(image) === undefined) throw notFound(`No such image: ${image}`);
      sql.hold.run(owner, image);
    },
    release: (owner) =>
      db.transaction(() => {
        const image = sql.held.get(owner)?.['image'] as Digest | undefined;
        if (image === undefined) return false;
        sql.release.run(owner);
        if (sql.image.get(image)?.['hidden'] !== 1 || sql.holds.get(image) !== undefined) return false;
        sql.dropImage.run(image);
        parsed.delete(image);
        sweep();
        return true;
      }),
    document,
    children: (image) => sql.children.all(image).map((row) => row['id'] as Digest),
  };
  return store;
}

/** A recorded name as people write it: `busybox:latest`, `busybox@sha256:...`. */
export const familiar = (name: string): string => familiarString(parseReference(name));
/** The repository of a recorded name as people write it. */
export const familiarRepository = (name: string): string => familiarName(parseReference(name));
/** True for a name that came with a digest. */
export const isDigestName = (name: string): boolean => name.includes('@');
