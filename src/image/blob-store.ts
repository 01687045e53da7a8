import { mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { notFound, isErrno } from '#base/errors.ts';
import { digestHex, sha256Digest, isDigest, type Digest } from '#spec/digest.ts';
import type { Layout } from '#host/layout.ts';

/**
 * Files named by their sha256. A blob exists only whole and verified: bytes are written to a temporary file, synced,
 * checked, and renamed into place. A crash leaves at most a temporary file, which the next start removes.
 */
export interface BlobStore {
  /** Of a blob that is kept as a file. */
  path(digest: Digest): string;
  has(digest: Digest): boolean;
  /** Bytes. not_found when there is no such blob. */
  size(digest: Digest): number;
  read(digest: Digest): AsyncIterable<Uint8Array>;
  /** A name for a new temporary file or folder on the same file system. */
  temporary(): string;
  /**
   * Takes over a complete file whose digest the caller computed while writing it; syncs it first. Lease the digest before:
   * what neither a record nor a lease needs is collected at any time.
   */
  adopt(file: string, digest: Digest): Promise<void>;
  /** The same without waiting for the disk, for what is settled later (see settle.ts). */
  take(file: string, digest: Digest): void;
  remove(digest: Digest): void;
  /** Where blobs come from that are not kept as files; `has`, `size` and `read` know them then. */
  regenerate(find: (digest: Digest) => Regenerated | undefined): void;
  list(): Promise<Digest[]>;
}

export interface Regenerated {
  size: number;
  read(): AsyncIterable<Uint8Array>;
}

export function createBlobStore(layout: Pick<Layout, 'blobs' | 'tmp'>): BlobStore {
  mkdirSync(layout.blobs, { recursive: true, mode: 0o700 });
  mkdirSync(layout.tmp, { recursive: true, mode: 0o700 });
  const path = (digest: Digest): string => join(layout.blobs, digestHex(digest));
  const stats = (digest: Digest): ReturnType<typeof statSync> => statSync(path(digest), { throwIfNoEntry: false });
  let regenerated: (digest: Digest) => Regenerated | undefined = () => undefined;
  return {
    path,
    regenerate: (find) => void (regenerated = find),
    has: (digest) => stats(digest) !== undefined || regenerated(digest) !== undefined,
    size(digest) {
      const found = stats(digest) ?? regenerated(digest);
      if (found === undefined) throw notFound(`blob ${digest} is missing from the store`);
      return Number(found.size);
    },
    read: (digest) => (stats(digest) === undefined ? regenerated(digest)?.read() : undefined) ?? createReadStream(path(digest), { highWaterMark: 1 << 18 }),
    temporary: () => join(layout.tmp, `image-${randomUUID()}`),
    take(file, digest) {
      if (stats(digest) === undefined) renameSync(file, path(digest));
      else rmSync(file, { force: true });
    },
    async adopt(file, digest) {
      if (stats(digest) !== undefined) {
        rmSync(file, { force: true });
        return;
      }
      await sync(file);
      renameSync(file, path(digest));
      await sync(layout.blobs);
    },
    remove: (digest) => rmSync(path(digest), { force: true }),
    async list() {
      try {
        return (await readdir(layout.blobs)).map((name) => `sha256:${name}`).filter(isDigest).map((text) => sha256Digest(digestHex(text)));
      } catch (error) {
        if (isErrno(error, 'ENOENT')) return [];
        throw error;
      }
    },
  };
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
