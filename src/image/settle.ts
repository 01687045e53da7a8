import { readFileSync } from 'node:fs';
import type { Log } from '#base/log.ts';
import type { Digest } from '#spec/digest.ts';
import type { Database } from '#host/database.ts';

/**
 * Layers count as soon as they are complete; that the disk has them is seen to afterwards, for all new ones at once. What a
 * machine lost that went down in between is known at its next start: these layers are to be verified then.
 */
export interface Settling {
  /** The layer was just placed. In the transaction that records it. */
  mark(chain: Digest): void;
  /** True when the machine went down before the disk had everything. */
  doubtful(): boolean;
  /** Doubts are dealt with: the store was verified. */
  trust(): void;
  /** Brings what is marked to the disk. */
  settle(): Promise<void>;
  close(): void;
}

/** Milliseconds after the last layer. */
const CALM = 1000;

export function createSettling(options: { db: Database; log: Log; sync: () => Promise<void>; boot?: string }): Settling {
  const { db, log, sync } = options;
  const boot = options.boot ?? bootId();
  const insert = db.handle.prepare('INSERT OR REPLACE INTO image_unsettled VALUES (?, ?)');
  const mine = db.handle.prepare('SELECT chain_id FROM image_unsettled WHERE boot = ?');
  const remove = db.handle.prepare('DELETE FROM image_unsettled WHERE chain_id = ? AND boot = ?');
  const others = db.handle.prepare('SELECT 1 FROM image_unsettled WHERE boot <> ? LIMIT 1');
  const forget = db.handle.prepare('DELETE FROM image_unsettled WHERE boot <> ?');
  let timer: NodeJS.Timeout | undefined;
  const settle = async (): Promise<void> => {
    const chains = mine.all(boot).map((row) => row['chain_id'] as string);
    if (chains.length === 0) return;
    await sync();
    db.transaction(() => {
      for (const chain of chains) remove.run(chain, boot);
    });
  };
  const later = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      settle().catch((error: unknown) => log.error('new layers could not be brought to the disk', { error }));
    }, CALM).unref();
  };
  if (mine.get(boot) !== undefined) later();
  return {
    mark(chain) {
      insert.run(chain, boot);
      later();
    },
    doubtful: () => others.get(boot) !== undefined,
    trust: () => void forget.run(boot),
    settle,
    close: () => clearTimeout(timer),
  };
}

/** Changes whenever the machine starts. */
function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
