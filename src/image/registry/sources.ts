import type { Digest } from '#spec/digest.ts';
import type { Reference } from '#spec/reference.ts';
import type { Database } from '#host/database.ts';

type Place = Pick<Reference, 'domain' | 'path'>;

/** Where blobs were seen, and what layers were compressed to. Hints only: registries forget, and nothing depends on it. */
export interface Sources {
  /** The blobs are in the repository. */
  seen(place: Place, digests: readonly Digest[]): void;
  /** The registry says that they are not. */
  missed(place: Place, digest: Digest): void;
  /** Other repositories of the same registry that had the blob, latest first. */
  of(digest: Digest, place: Place): string[];
  packed(diffId: Digest): { digest: Digest; size: number } | undefined;
  setPacked(diffId: Digest, packed: { digest: Digest; size: number }): void;
}

/** Places remembered a blob. */
const MOST = 20;

export function createSources(db: Database, now: () => number): Sources {
  const add = db.handle.prepare('INSERT INTO registry_source VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET seen = excluded.seen');
  const trim = db.handle.prepare('DELETE FROM registry_source WHERE digest = ?1 AND seen < (SELECT seen FROM registry_source WHERE digest = ?1 ORDER BY seen DESC LIMIT 1 OFFSET ?2)');
  const remove = db.handle.prepare('DELETE FROM registry_source WHERE digest = ? AND domain = ? AND path = ?');
  const list = db.handle.prepare('SELECT path FROM registry_source WHERE digest = ? AND domain = ? AND path <> ? ORDER BY seen DESC LIMIT 8');
  const packed = db.handle.prepare('SELECT digest, size FROM registry_packed WHERE diff_id = ?');
  const setPacked = db.handle.prepare('INSERT OR REPLACE INTO registry_packed VALUES (?, ?, ?)');
  return {
    seen: ({ domain, path }, digests) =>
      db.transaction(() => {
        for (const digest of digests) {
          add.run(digest, domain, path, now());
          trim.run(digest, MOST);
        }
      }),
    missed: ({ domain, path }, digest) => void remove.run(digest, domain, path),
    of: (digest, { domain, path }) => list.all(digest, domain, path).map((row) => row['path'] as string),
    packed(diffId) {
      const row = packed.get(diffId);
      return row === undefined ? undefined : { digest: row['digest'] as Digest, size: row['size'] as number };
    },
    setPacked: (diffId, { digest, size }) => void setPacked.run(diffId, digest, size),
  };
}
