import type { Digest } from '#spec/digest.ts';
import type { Database } from '#host/database.ts';

/** What keeps blobs (by digest) and layers (by chain id) from the collector while no image needs them yet. */
export interface Leases {
  /** For one piece of work; ends with it, or with the process. */
  open(digests?: readonly Digest[]): Lease;
  /** By an owner's name, recorded: outlives the process until released. */
  keep(owner: string, digests: readonly Digest[]): void;
  /** Ends what the owner keeps, all of it or only these. */
  release(owner: string, digests?: readonly Digest[]): void;
  has(digest: Digest): boolean;
}

export interface Lease extends Disposable {
  add(...digests: readonly Digest[]): void;
}

export function createLeases(db: Database): Leases {
  const insert = db.handle.prepare('INSERT OR IGNORE INTO image_lease VALUES (?, ?)');
  const remove = db.handle.prepare('DELETE FROM image_lease WHERE owner = ? AND digest = ?');
  const removeAll = db.handle.prepare('DELETE FROM image_lease WHERE owner = ?');
  const kept = db.handle.prepare('SELECT 1 FROM image_lease WHERE digest = ? LIMIT 1');
  const counts = new Map<Digest, number>();
  return {
    open(first = []) {
      const mine: Digest[] = [];
      const lease: Lease = {
        add(...digests) {
          for (const digest of digests) {
            mine.push(digest);
            counts.set(digest, (counts.get(digest) ?? 0) + 1);
          }
        },
        [Symbol.dispose]() {
          for (const digest of mine.splice(0)) {
            const count = (counts.get(digest) ?? 1) - 1;
            if (count > 0) counts.set(digest, count);
            else counts.delete(digest);
          }
        },
      };
      lease.add(...first);
      return lease;
    },
    keep: (owner, digests) =>
      db.transaction(() => {
        for (const digest of digests) insert.run(owner, digest);
      }),
    release: (owner, digests) =>
      db.transaction(() => {
        if (digests === undefined) removeAll.run(owner);
        else for (const digest of digests) remove.run(owner, digest);
      }),
    has: (digest) => counts.has(digest) || kept.get(digest) !== undefined,
  };
}
