import { mkdirSync, readdirSync, renameSync, statSync, truncateSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { digestHex, type Digest } from '#spec/digest.ts';

/**
 * Beginnings of blobs, by digest. `<hex>.part` is a correct beginning, as far as the registry told the truth, and is written
 * from its start to its end. `<hex>.work` is written in pieces, some of which may be missing in its last `window` bytes: that
 * is what a crash costs.
 */
export interface Partials {
  /** Where the blob's file is while it is written. */
  path(digest: Digest, inPieces: boolean): string;
  /** Takes the file for writing. Returns how many bytes of it are there. */
  open(digest: Digest, inPieces: boolean): number;
  /** Keeps the first `size` bytes for the next try. */
  keep(digest: Digest, size: number): void;
  drop(digest: Digest): Promise<void>;
  /** Once at the start: what a crash left becomes a beginning; what nobody came back for goes. */
  sweep(): Promise<void>;
}

const DAY = 86_400_000;

export function createPartials(folder: string, options: { window: number; now?: () => number }): Partials {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const now = options.now ?? Date.now;
  const work = (digest: Digest): string => join(folder, `${digestHex(digest)}.work`);
  const part = (digest: Digest): string => join(folder, `${digestHex(digest)}.part`);
  const sizeOf = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.size;
  return {
    path: (digest, inPieces) => (inPieces ? work(digest) : part(digest)),
    open(digest, inPieces) {
      const size = sizeOf(part(digest));
      if (size !== undefined && inPieces) renameSync(part(digest), work(digest));
      return size ?? 0;
    },
    keep(digest, size) {
      const path = [work(digest), part(digest)].find((name) => sizeOf(name) !== undefined);
      if (path === undefined) return;
      truncateSync(path, size);
      if (path !== part(digest)) renameSync(path, part(digest));
    },
    drop: async (digest) => {
      await Promise.all([rm(work(digest), { force: true }), rm(part(digest), { force: true })]);
    },
    async sweep() {
      for (const name of readdirSync(folder)) {
        const path = join(folder, name);
        const found = statSync(path, { throwIfNoEntry: false });
        if (found === undefined) continue;
        const match = /^([0-9a-f]{64})\.(work|part)$/.exec(name);
        const sure = match?.[2] === 'work' ? found.size - options.window : found.size;
        if (match === null || sure <= 0 || now() - found.mtimeMs > DAY) await rm(path, { recursive: true, force: true });
        else if (match[2] === 'work') {
          truncateSync(path, sure);
          renameSync(path, join(folder, `${match[1]}.part`));
        }
      }
    },
  };
}
