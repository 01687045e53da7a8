import { notFound } from '#base/errors.ts';
import { isDigest, type Digest } from '#spec/digest.ts';
import type { ImageConfigFile } from '#spec/oci-image.ts';
import { familiarName, familiarString, fullName, parseReference, withDefaultTag, type Reference } from '#spec/reference.ts';
import type { Database } from '#host/database.ts';
import { chainIds, parseConfig } from './documents.ts';

/** An image as the engine knows it. */
export interface ImageRecord {
  id: Digest;
  manifest: Digest | undefined;
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
}

export interface NewImage {
  config: { bytes: Uint8Array; mediaType: string; digest: Digest };
  manifest?: { bytes: Uint8Array; mediaType: string; digest: Digest } | undefined;
  parent?: Digest | undefined;
  size: number;
}

/** Records of images and their names. All calls are synchronous; groups of writes belong in `db.transaction`. */
export interface ImageStore {
  get(id: Digest): ImageRecord | undefined;
  /** Also finds an image that is hidden because only containers still need it. */
  getKept(id: Digest): ImageRecord | undefined;
  /** All that are not hidden, newest first. */
  list(): ImageRecord[];
  names(): ImageName[];
  namesOf(image: Digest): string[];
  /** What a person means by a name, name@digest, id or unique id prefix. Throws not_found in Docker's words. */
  find(given: string): { image: ImageRecord; reference: Reference | undefined };
  /** Records an image whose layers exist; known already: shows it again and keeps its names. */
  add(image: NewImage): ImageRecord;
  /** Points the name at the image; returns the image that had it. */
  setName(name: string, image: Digest): Digest | undefined;
  dropName(name: string): void;
  /** Forgets an image without names; while containers hold it, it is only hidden. */
  drop(image: Digest): void;
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
    images: db.handle.prepare('SELECT * FROM image WHERE hidden = 0 ORDER BY added_at DESC, id'),
    prefix: db.handle.prepare('SELECT id FROM image WHERE hidden = 0 AND id >= ? AND id < ? LIMIT 2'),
    document: db.handle.prepare('SELECT bytes, media_type FROM image_document WHERE digest = ?'),
    addDocument: db.handle.prepare('INSERT OR IGNORE INTO image_document VALUES (?, ?, ?)'),
    addImage: db.handle.prepare('INSERT INTO image (id, manifest, parent, size, added_at) VALUES (?, ?, ?, ?, ?)'),
    show: db.handle.prepare('UPDATE image SET hidden = 0, manifest = COALESCE(?, manifest) WHERE id = ?'),
    hide: db.handle.prepare('UPDATE image SET hidden = 1 WHERE id = ?'),
    stack: db.handle.prepare('INSERT INTO image_stack VALUES (?, ?, ?)'),
    name: db.handle.prepare('SELECT image FROM image_name WHERE name = ?'),
    names: db.handle.prepare('SELECT name, image FROM image_name ORDER BY name'),
    namesOf: db.handle.prepare('SELECT name FROM image_name WHERE image = ? ORDER BY name'),
    setName: db.handle.prepare('INSERT INTO image_name VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET image = excluded.image'),
    dropName: db.handle.prepare('DELETE FROM image_name WHERE name = ?'),
    tagged: db.handle.prepare('UPDATE image SET tagged_at = ? WHERE id = ?'),
    holds: db.handle.prepare('SELECT 1 FROM image_hold WHERE image = ?'),
    hold: db.handle.prepare('INSERT INTO image_hold VALUES (?, ?) ON CONFLICT (owner) DO UPDATE SET image = excluded.image'),
    held: db.handle.prepare('SELECT image FROM image_hold WHERE owner = ?'),
    release: db.handle.prepare('DELETE FROM image_hold WHERE owner = ?'),
    dropImage: db.handle.prepare('DELETE FROM image WHERE id = ?'),
    dropDocuments: db.handle.prepare('DELETE FROM image_document WHERE digest IN (?, ?) AND digest NOT IN (SELECT id FROM image UNION SELECT manifest FROM image WHERE manifest IS NOT NULL)'),
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

  const store: ImageStore = {
    get: visible,
    getKept(id) {
      const row = sql.image.get(id);
      return row === undefined ? undefined : toRecord(row);
    },
    list: () => sql.images.all().map(toRecord),
    names: () => sql.names.all().map((row) => ({ name: row['name'] as string, image: row['image'] as Digest })),
    namesOf: (image) => sql.namesOf.all(image).map((row) => row['name'] as string),
    find(given) {
      if (isDigest(given) || /^[0-9a-f]{64}$/.test(given)) {
        const image = visible(isDigest(given) ? given : `sha256:${given}`);
        if (image === undefined) throw notFound(`No such image: ${isDigest(given) ? given : `sha256:${given}`}`);
        return { image, reference: undefined };
      }
      if (/^sha256:[0-9a-f]{1,63}$/.test(given)) {
        const image = byPrefix(given);
        if (image !== undefined) return { image, reference: undefined };
      }
      const reference = withDefaultTag(parseReference(given));
      const named = visible(sql.name.get(recordName(reference))?.['image']);
      if (named !== undefined) return { image: named, reference };
      const found = byPrefix(given);
      if (found !== undefined) return { image: found, reference: undefined };
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
    setName: (name, image) =>
      db.transaction(() => {
        const before = sql.name.get(name)?.['image'] as Digest | undefined;
        sql.setName.run(name, image);
        sql.tagged.run(now(), image);
        return before === image ? undefined : before;
      }),
    dropName: (name) => void sql.dropName.run(name),
    drop: (image) =>
      db.transaction(() => {
        const row = sql.image.get(image);
        if (row === undefined) return;
        if (sql.holds.get(image) !== undefined) {
          sql.hide.run(image);
          return;
        }
        sql.dropImage.run(image);
        sql.dropDocuments.run(image, (row['manifest'] as string | null) ?? '');
        parsed.delete(image);
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
        store.drop(image);
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
