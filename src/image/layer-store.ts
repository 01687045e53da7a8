import { existsSync, linkSync, mkdirSync, renameSync, statfsSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { EngineError, invalid, isErrno } from '#base/errors.ts';
import { KeyedLock } from '#base/keyed-lock.ts';
import { digestHex, type Digest } from '#spec/digest.ts';
import type { Database } from '#host/database.ts';
import type { Jail, UnpackResult } from '#host/jail.ts';
import type { Layout } from '#host/layout.ts';
import type { BlobStore } from './blob-store.ts';
import { chainIds } from './documents.ts';
import type { Leases } from './leases.ts';
import type { Settling } from './settle.ts';

export interface Layer {
  chainId: Digest;
  diffId: Digest;
  /** Sum of the sizes of its files, as Docker counts. */
  size: number;
  /** The bytes it came as. */
  blob: Digest;
  blobSize: number;
  compression: 'none' | 'gzip' | 'zstd';
}

/** An archive that was unpacked but is not named yet. Nobody else knows its folder. */
export interface PendingLayer {
  folder: string;
  /** The bytes as they came. */
  blobFile: string;
  unpacked: UnpackResult;
}

/**
 * Where a layer's bytes come from. A file is one that we wrote ourselves (on the store's file system), with the digest and
 * size found meanwhile; it is linked into the store.
 */
export type LayerSource =
  | { kind: 'file'; path: string; digest: Digest; size: number }
  | { kind: 'stream'; chunks: AsyncIterable<Uint8Array> }
  | { kind: 'pending'; pending: PendingLayer }
  | GrowingSource;

/**
 * A file that is still being written, from its start on: a download. `growth` tells how many bytes are there, and fails when
 * no more will come. The file becomes the layer's blob when the layer is placed; until then it is its writer's.
 */
export interface GrowingSource {
  kind: 'growing';
  path: string;
  growth: AsyncIterable<number>;
  /** Hears how many bytes were unpacked. */
  onPosition?: ((position: number) => void) | undefined;
  /** What the layer may inflate to. */
  inflated: number;
}

/**
 * Unpacked layers: `layers/<chain id>/diff`, overlayfs lower folders, shared by all images that begin alike. A layer is
 * unpacked beside, completed, renamed into place and recorded last: what has no record is garbage of a crash.
 */
export interface LayerStore {
  get(chainId: Digest): Layer | undefined;
  /** There with its blob: nothing of it need be fetched. */
  isWhole(chainId: Digest): boolean;
  folder(chainId: Digest): string;
  /** The bytes it came as. */
  blob(layer: Layer): AsyncIterable<Uint8Array>;
  unpack(source: LayerSource): Promise<PendingLayer>;
  /** Something will be unpacked soon. */
  warm(): void;
  /** Puts one pending layer on top of `below` (chain ids, lowest first). Returns what is stored under that name. */
  place(pending: PendingLayer, below: readonly Digest[]): Promise<Layer>;
  /** Makes sure that all layers of a stack exist; missing ones unpack side by side. Lowest first. */
  ensure(diffIds: readonly Digest[], sources: readonly LayerSource[]): Promise<Layer[]>;
  discard(pending: PendingLayer): Promise<void>;
  /** Gives folders that the pending layer implies what the layers below say of them; `place` does so anyway. */
  complete(pending: PendingLayer, below: readonly Digest[]): Promise<void>;
  /** What a layer can be unpacked from again; undefined when its blob is not here as a file. */
  source(layer: Layer): LayerSource | undefined;
  /** True for a layer that lies in a lent folder. */
  isLent(layer: Layer): boolean;
  /** True when a layer came as these bytes. */
  knows(blob: Digest): boolean;
  /** Puts a pending layer in the place of a damaged one's tree. */
  replace(chainId: Digest, pending: PendingLayer): Promise<void>;
  /** Folders in the store that no record names. */
  strays(): string[];
  removeStray(name: string): Promise<void>;
  /**
   * Names a folder that lies elsewhere (a build's) as a layer on top of `below`, without copying or unpacking it. Its bytes
   * are packed anew when somebody reads its blob. The folder is lent: its owner keeps it as long as `lends` says so.
   */
  adopt(folder: string, tally: { diffId: Digest; tarSize: number; contentSize: number }, below: readonly Digest[]): Layer;
  /** From now on the layer's bytes are those of this blob, which holds the same tar compressed and lies in the blob store. */
  setBlob(chainId: Digest, blob: { digest: Digest; size: number; compression: 'gzip' | 'zstd' }): void;
  /** True while a layer lies in that folder. */
  lends(folder: string): boolean;
  /** A lease on layers by chain id: the collector spares them until disposed. */
  protect(chains: readonly Digest[]): Disposable;
  /**
   * Removes layers that no image stacks and blobs that nothing needs, except what is leased; may run at any time. Returns
   * the size of the layers removed.
   */
  collect(): Promise<{ freed: number; layers: Digest[] }>;
  /** The folder that a layer's own folder lies in; a lent one's itself. */
  home(chainId: Digest): string;
  /** Once, before anything else: removes what a crash left behind. */
  sweep(): Promise<void>;
}

/** A layer may inflate to this much, and never into the file system's last reserve. */
const MAX_INFLATED = 256 * 2 ** 30;
const RESERVE = 64 * 2 ** 20;

/** Naming and collecting take turns, so that a blob is not removed while a new layer counts on it. */
const STORE = 'store';

export function createLayerStore(options: { layout: Layout; db: Database; jail: Jail; blobs: BlobStore; leases: Leases; settling: Settling; rootless: boolean }): LayerStore {
  const { layout, db, jail, blobs, leases, settling } = options;
  mkdirSync(layout.layers, { recursive: true, mode: 0o700 });
  const lock = new KeyedLock();
  const select = db.handle.prepare('SELECT * FROM image_layer WHERE chain_id = ?');
  const insert = db.handle.prepare('INSERT INTO image_layer (chain_id, diff_id, size, blob, blob_size, compression, folder) VALUES (?, ?, ?, ?, ?, ?, ?)');
  const setBlob = db.handle.prepare('UPDATE image_layer SET blob = ?, blob_size = ?, compression = ? WHERE chain_id = ?');
  const lent = db.handle.prepare('SELECT 1 FROM image_layer WHERE folder = ? LIMIT 1');
  const home = (chainId: Digest): string => join(layout.layers, digestHex(chainId));
  const folder = (chainId: Digest): string => {
    const elsewhere = select.get(chainId)?.['folder'] as string | null | undefined;
    return elsewhere ? join(layout.root, elsewhere) : join(home(chainId), 'diff');
  };
  const whiteouts = options.rootless ? 'userxattr' : 'overlay';

  const burials = new Set<Promise<void>>();
  /** A tree of a hundred thousand files is no work for the main thread. */
  const removeAll = async (...paths: string[]): Promise<void> => {
    if (paths.length > 0) await jail.run<'remove'>({ kind: 'remove', paths });
  };
  const get = (chainId: Digest): Layer | undefined => {
    const row = select.get(chainId);
    return row === undefined ? undefined : toLayer(row);
  };

  const unpack = async (source: LayerSource): Promise<PendingLayer> => {
    if (source.kind === 'pending') return source.pending;
    const target = blobs.temporary();
    const blobFile = source.kind === 'growing' ? source.path : `${target}.blob`;
    const most = source.kind === 'growing' ? source.inflated : MAX_INFLATED;
    try {
      mkdirSync(join(target, 'diff'), { recursive: true, mode: 0o755 });
      const room = freeSpace(layout.layers);
      if (source.kind === 'file') linkSync(source.path, blobFile);
      const unpacked = await jail.run<'unpack'>(
        {
          kind: 'unpack',
          root: { kind: 'folder', path: join(target, 'diff') },
          folder: '/',
          source:
            source.kind === 'file'
              ? { kind: 'file', path: source.path, known: { digest: source.digest, size: source.size } }
              : source.kind === 'growing'
                ? { kind: 'growing', path: source.path }
                : { kind: 'stream' },
          whiteouts,
          noOverwriteDirNonDir: false,
          owner: undefined,
          keep: source.kind === 'stream' ? blobFile : undefined,
          limits: { inflated: Math.min(most, room), byDisk: room < most, entries: 5_000_000 },
        },
        source.kind === 'stream' ? source.chunks : source.kind === 'growing' ? { growth: source.growth } : undefined,
        source.kind === 'growing' ? { position: source.onPosition } : undefined,
      );
      return { folder: target, blobFile, unpacked };
    } catch (error) {
      await removeAll(target, ...(source.kind === 'growing' ? [] : [blobFile]));
      throw error;
    }
  };

  const discard = (pending: PendingLayer): Promise<void> => removeAll(pending.folder, pending.blobFile);

  const complete = async ({ folder: made, unpacked }: PendingLayer, below: readonly Digest[]): Promise<void> => {
    if (unpacked.implied.length === 0 || below.length === 0) return;
    await jail.run<'adopt'>({ kind: 'adopt', layer: join(made, 'diff'), lower: below.toReversed().map(folder), folders: unpacked.implied });
  };

  const place = async (pending: PendingLayer, below: readonly Digest[]): Promise<Layer> => {
    const { unpacked } = pending;
    const diffIds = below.length === 0 ? [] : below.map((chain) => requireLayer(chain).diffId);
    const chainId = chainIds([...diffIds, unpacked.inflatedDigest]).at(-1) as Digest;
    return lock.run(STORE, async () => {
      const there = get(chainId);
      if (there !== undefined) {
        // What a repair took away comes back.
        if (!blobs.has(there.blob)) {
          blobs.take(pending.blobFile, unpacked.digest);
          settling.mark(chainId);
          setBlob.run(unpacked.digest, unpacked.size, unpacked.compression, chainId);
        }
        await discard(pending);
        return get(chainId) ?? there;
      }
      await complete(pending, below);
      blobs.take(pending.blobFile, unpacked.digest);
      // A folder without a record is what a crash left between the two steps below.
      if (existsSync(home(chainId))) await removeAll(home(chainId));
      renameSync(pending.folder, home(chainId));
      const layer: Layer = {
        chainId,
        diffId: unpacked.inflatedDigest,
        size: unpacked.contentSize,
        blob: unpacked.digest,
        blobSize: unpacked.size,
        compression: unpacked.compression,
      };
      db.transaction(() => {
        insert.run(chainId, layer.diffId, layer.size, layer.blob, layer.blobSize, layer.compression, null);
        settling.mark(chainId);
      });
      return layer;
    });
  };

  const requireLayer = (chainId: Digest): Layer => {
    const layer = get(chainId);
    if (layer === undefined) throw new EngineError('internal', `layer ${chainId} is missing from the store`);
    return layer;
  };

  const needed = db.handle.prepare('SELECT 1 FROM image_layer WHERE blob = ?1 UNION ALL SELECT 1 FROM image_blob WHERE digest = ?1 LIMIT 1');
  /** What is leased meanwhile is seen: nothing comes between the look and the removal. */
  const removeBlobs = async (): Promise<void> => {
    for (const digest of await blobs.list()) if (needed.get(digest) === undefined && !leases.has(digest)) blobs.remove(digest);
  };
  // Blobs of lent folders are not kept: the same tree always packs to the same bytes.
  const byAnyBlob = db.handle.prepare('SELECT 1 FROM image_layer WHERE blob = ? LIMIT 1');
  const byBlob = db.handle.prepare('SELECT folder, blob_size FROM image_layer WHERE blob = ? AND folder IS NOT NULL LIMIT 1');
  blobs.regenerate((digest) => {
    const row = byBlob.get(digest);
    if (row === undefined) return undefined;
    const root = { kind: 'folder', path: join(layout.root, row['folder'] as string) } as const;
    return { size: row['blob_size'] as number, read: () => jail.pack({ kind: 'pack', root, path: '/', name: '', whiteouts, include: undefined, into: undefined }) };
  });

  const isWhole = (chainId: Digest): boolean => {
    const layer = get(chainId);
    return layer !== undefined && blobs.has(layer.blob);
  };
  const strays = (): string[] => {
    const known = new Set(db.handle.prepare('SELECT chain_id FROM image_layer').all().map((row) => row['chain_id']));
    return readdirSync(layout.layers).filter((name) => !known.has(`sha256:${name}`));
  };

  return {
    get,
    folder,
    isWhole,
    complete,
    source(layer) {
      const path = blobs.path(layer.blob);
      return existsSync(path) ? { kind: 'file', path, digest: layer.blob, size: layer.blobSize } : undefined;
    },
    knows: (blob) => byAnyBlob.get(blob) !== undefined,
    isLent: (layer) => Boolean(select.get(layer.chainId)?.['folder']),
    replace: (chainId, pending) =>
      lock.run(STORE, async () => {
        const grave = blobs.temporary();
        if (existsSync(home(chainId))) renameSync(home(chainId), grave);
        renameSync(pending.folder, home(chainId));
        await removeAll(grave);
      }),
    strays,
    removeStray: (name) => lock.run(STORE, () => (strays().includes(name) ? removeAll(join(layout.layers, name)) : undefined)),
    blob: (layer) => blobs.read(layer.blob),
    unpack,
    warm: () => jail.warm(),
    discard,
    place,
    adopt(path, { diffId, tarSize, contentSize }, below) {
      const chainId = chainIds([...below.map((chain) => requireLayer(chain).diffId), diffId]).at(-1) as Digest;
      const there = get(chainId);
      if (there !== undefined) return there;
      const layer: Layer = { chainId, diffId, size: contentSize, blob: diffId, blobSize: tarSize, compression: 'none' };
      insert.run(chainId, diffId, contentSize, diffId, tarSize, 'none', relative(layout.root, path));
      return layer;
    },
    setBlob: (chainId, { digest, size, compression }) => void setBlob.run(digest, size, compression, chainId),
    lends: (path) => lent.get(relative(layout.root, path)) !== undefined,
    async ensure(diffIds, sources) {
      const chains = chainIds(diffIds);
      const missing = chains.map((chain) => !isWhole(chain));
      const unpacking = sources.map(async (source, index) => {
        if (missing[index] === true) return unpack(source);
        if (source.kind === 'pending') await discard(source.pending);
        return undefined;
      });
      const settled = await Promise.allSettled(unpacking);
      const left = new Set(settled.flatMap((item) => (item.status === 'fulfilled' && item.value ? [item.value] : [])));
      try {
        const layers: Layer[] = [];
        for (const [index, chain] of chains.entries()) {
          const item = settled[index];
          if (item?.status === 'rejected') throw item.reason;
          const pending = item?.value;
          if (pending === undefined) {
            layers.push(requireLayer(chain));
            continue;
          }
          if (pending.unpacked.inflatedDigest !== diffIds[index]) {
            throw invalid(`invalid diffID for layer ${index}: expected ${JSON.stringify(diffIds[index])}, got ${JSON.stringify(pending.unpacked.inflatedDigest)}`);
          }
          left.delete(pending);
          layers.push(await place(pending, chains.slice(0, index)));
        }
        return layers;
      } finally {
        await Promise.all([...left].map(discard));
      }
    },
    protect: (chains) => leases.open(chains),
    async collect() {
      const { rows, doomed, freed } = await lock.run(STORE, async () => {
        const rows = db.handle
          .prepare('SELECT * FROM image_layer WHERE NOT EXISTS (SELECT 1 FROM image_stack WHERE image_stack.chain_id = image_layer.chain_id)')
          .all()
          .map(toLayer)
          .filter((layer) => !leases.has(layer.chainId));
        const doomed: string[] = [];
        const drop = db.handle.prepare('DELETE FROM image_layer WHERE chain_id = ?');
        let freed = 0;
        db.transaction(() => {
          for (const layer of rows) {
            drop.run(layer.chainId);
            freed += layer.size;
          }
        });
        for (const layer of rows) {
          // A lent folder is its owner's to remove.
          const grave = blobs.temporary();
          try {
            renameSync(home(layer.chainId), grave);
            doomed.push(grave);
          } catch (error) {
            if (!isErrno(error, 'ENOENT')) throw error;
          }
        }
        await removeBlobs();
        return { rows, doomed, freed };
      });
      // Nobody knows these any more: work on the store need not wait, but whoever collects does, for others' too.
      const burial = removeAll(...doomed).finally(() => burials.delete(burial));
      burials.add(burial);
      await Promise.all(burials);
      return { freed, layers: rows.map((layer) => layer.chainId) };
    },
    home: (chainId) => (select.get(chainId)?.['folder'] ? folder(chainId) : home(chainId)),
    async sweep() {
      const temporary = readdirSync(layout.tmp).filter((name) => name.startsWith('image-')).map((name) => join(layout.tmp, name));
      await Promise.all([removeAll(...strays().map((name) => join(layout.layers, name)), ...temporary), removeBlobs()]);
    },
  };
}

function toLayer(row: Record<string, unknown>): Layer {
  return {
    chainId: row['chain_id'] as Digest,
    diffId: row['diff_id'] as Digest,
    size: row['size'] as number,
    blob: row['blob'] as Digest,
    blobSize: row['blob_size'] as number,
    compression: row['compression'] as Layer['compression'],
  };
}

/** Bytes that may be written while some room stays for records and logs. */
function freeSpace(folder: string): number {
  const { bavail, bsize, blocks } = statfsSync(folder);
  return Math.max(0, bavail * bsize - Math.min(RESERVE, (blocks * bsize) / 20));
}
