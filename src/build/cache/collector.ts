import { statfsSync } from 'node:fs';
import { rfc3339Nano, type Clock } from '#base/clock.ts';
import { invalid } from '#base/errors.ts';
import type { Log } from '#base/log.ts';
import type { Database } from '#host/database.ts';
import type { BuildCacheRecord, BuildPruneRequest, BuildPruneResponse } from '#spec/wire/build.ts';
import { isImageLayer, type BuildLayerId } from '../tree.ts';
import type { KeptContexts } from '../context/kept-contexts.ts';
import type { BuildLayers } from './layers.ts';
import type { CacheMounts } from './mounts.ts';
import type { CacheRecords } from './records.ts';

/** A piece of the cache that goes as a whole. */
interface Piece {
  view: BuildCacheRecord;
  /** Layers it needs. */
  layers: readonly BuildLayerId[];
  usedAt: number;
  /** Of what is no layer. */
  ownSize: number;
  remove(): Promise<boolean> | boolean;
}

export interface CollectorOptions {
  db: Database;
  clock: Clock;
  log: Log;
  layers: BuildLayers;
  records: CacheRecords;
  mounts: CacheMounts;
  contexts: KeptContexts;
  /** Where the cache lies. */
  folder: string;
  lends: (folder: string) => boolean;
}

/** How much the cache may take: a fifth of the disk, yet this much anyway; and what has to stay free. */
const LEAST = 2 * 2 ** 30;
const SHARE = 0.2;
const FREE_SHARE = 0.05;
const INTERVAL = 60_000;

/**
 * Keeps the cache below a hard cap and makes room when the disk runs full: the least recently used goes first, whatever was
 * built upon it, since every result stands by itself.
 */
export class CacheCollector {
  readonly #options: CollectorOptions;
  #last = 0;
  #running: Promise<unknown> = Promise.resolve();

  constructor(options: CollectorOptions) {
    this.#options = options;
  }

  /** What is there; sizes add up to what the disk gives. */
  async usage(): Promise<BuildCacheRecord[]> {
    return (await this.#pieces()).map(({ view }) => view);
  }

  async prune(request: BuildPruneRequest): Promise<BuildPruneResponse> {
    const pieces = await this.#pieces();
    const filter = pieceFilter(request.filters, this.#options.clock.now());
    const wanted = pieces.filter((piece) => !piece.view.InUse && filter(piece) && (request.all || !piece.view.Shared || request.filters.size > 0));
    const total = pieces.reduce((sum, { view }) => sum + view.Size, 0);
    let target = 0;
    if (request.reservedSpace > 0) target = request.reservedSpace;
    if (request.maxUsedSpace > 0) target = request.reservedSpace > 0 ? Math.min(target, request.maxUsedSpace) : request.maxUsedSpace;
    const missing = request.minFreeSpace > 0 ? request.minFreeSpace - freeSpace(this.#options.folder) : 0;
    const bounded = request.reservedSpace > 0 || request.maxUsedSpace > 0 || request.minFreeSpace > 0;
    const enough = bounded ? Math.max(total - target > 0 && (request.reservedSpace > 0 || request.maxUsedSpace > 0) ? total - target : 0, missing) : Infinity;
    return this.#remove(wanted, enough);
  }

  /** After builds; looks no more often than once a minute. */
  tidy(): void {
    const { clock, log } = this.#options;
    if (clock.now() - this.#last < INTERVAL) return;
    this.#last = clock.now();
    this.#running = this.#running.then(() => this.#shrink()).catch((error: unknown) => log.error('the build cache could not be collected', { error }));
  }

  async #shrink(): Promise<void> {
    const { folder, log } = this.#options;
    const { blocks, bsize } = statfsSync(folder);
    const disk = blocks * bsize;
    const cap = Math.max(LEAST, disk * SHARE);
    const pieces = await this.#pieces();
    const total = pieces.reduce((sum, { view }) => sum + view.Size, 0);
    const enough = Math.max(total - cap, Math.min(LEAST, disk * FREE_SHARE) - freeSpace(folder));
    if (enough <= 0) return;
    const { SpaceReclaimed, CachesDeleted } = await this.#remove(pieces.filter(({ view }) => !view.InUse), enough);
    log.info('the build cache was collected', { freed: SpaceReclaimed, entries: CachesDeleted?.length ?? 0 });
  }

  /** Least recently used first, until this much is free. */
  async #remove(pieces: readonly Piece[], enough: number): Promise<BuildPruneResponse> {
    const { layers } = this.#options;
    const users = new Map<BuildLayerId, number>();
    for (const piece of await this.#pieces()) for (const layer of piece.layers) users.set(layer, (users.get(layer) ?? 0) + 1);
    const deleted: string[] = [];
    let expected = 0;
    let own = 0;
    for (const piece of pieces.toSorted((a, b) => a.usedAt - b.usedAt)) {
      if (expected >= enough) break;
      if (!(await piece.remove())) continue;
      deleted.push(piece.view.ID);
      own += piece.ownSize;
      expected += piece.ownSize;
      for (const layer of piece.layers) {
        const left = (users.get(layer) ?? 1) - 1;
        users.set(layer, left);
        if (left === 0) expected += await layers.size(layer);
      }
    }
    return { CachesDeleted: deleted.length === 0 ? null : deleted, SpaceReclaimed: own + (await layers.collect()) };
  }

  async #pieces(): Promise<Piece[]> {
    return [...(await this.#recordPieces()), ...(await this.#mountPieces()), ...(await this.#contextPieces())];
  }

  async #recordPieces(): Promise<Piece[]> {
    const { records, layers, lends } = this.#options;
    const counted = new Set<BuildLayerId>();
    const pieces: Piece[] = [];
    for (const record of records.list().toSorted((a, b) => a.createdAt - b.createdAt)) {
      const own = [...new Set(record.trees.flat())].filter((ref) => !isImageLayer(ref));
      let size = 0;
      for (const layer of own) {
        if (counted.has(layer)) continue;
        counted.add(layer);
        size += await layers.size(layer);
      }
      pieces.push({
        layers: own,
        usedAt: record.usedAt,
        ownSize: 0,
        view: {
          ID: record.id, Parents: [...record.parents], Type: record.kind, Description: record.description, InUse: own.some((layer) => layers.isInUse(layer)),
          Shared: own.some((layer) => lends(layers.folder(layer))), Size: size, CreatedAt: timeText(record.createdAt), LastUsedAt: timeText(record.usedAt), UsageCount: record.uses,
        },
        remove: () => {
          records.remove(record.key);
          return true;
        },
      });
    }
    return pieces;
  }

  async #mountPieces(): Promise<Piece[]> {
    const { mounts } = this.#options;
    return Promise.all(mounts.list().map(async (mount): Promise<Piece> => {
      const size = await mounts.size(mount.folder);
      return {
        layers: [],
        usedAt: mount.usedAt,
        ownSize: size,
        view: {
          ID: mount.folder.slice(0, 25), Type: 'exec.cachemount', Description: mount.description, InUse: mount.inUse, Shared: false, Size: size,
          CreatedAt: timeText(mount.createdAt), LastUsedAt: timeText(mount.usedAt), UsageCount: mount.uses,
        },
        remove: () => mounts.remove(mount.folder),
      };
    }));
  }

  async #contextPieces(): Promise<Piece[]> {
    const { db, layers, contexts } = this.#options;
    const rows = db.handle.prepare('SELECT * FROM build_context').all();
    return Promise.all(rows.map(async (row): Promise<Piece> => {
      const layer = row['layer'] as BuildLayerId;
      return {
        layers: [layer],
        usedAt: row['used_at'] as number,
        ownSize: 0,
        view: {
          ID: layer.slice(0, 25), Type: 'source.local', Description: `local source for ${row['shared_key'] as string}`, InUse: layers.isInUse(layer), Shared: false,
          Size: await layers.size(layer), CreatedAt: timeText(row['created_at'] as number), LastUsedAt: timeText(row['used_at'] as number), UsageCount: row['uses'] as number,
        },
        remove: () => contexts.forget(layer),
      };
    }));
  }
}

const timeText = (milliseconds: number): string => rfc3339Nano(BigInt(milliseconds) * 1_000_000n);

function freeSpace(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

const known = ['until', 'id', 'parent', 'type', 'description', 'inuse', 'shared', 'private', 'unused-for'];
const units: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

function pieceFilter(filters: BuildPruneRequest['filters'], now: number): (piece: Piece) => boolean {
  for (const name of filters.keys()) if (!known.includes(name.replace(/[!~]$/, ''))) throw invalid(`invalid filter '${name}'`);
  return ({ view, usedAt }) =>
    [...filters].every(([name, values]) =>
      values.some((value) => {
        switch (name) {
          case 'until':
          case 'unused-for':
            return usedAt <= now - durationOf(value, now);
          case 'id':
            return view.ID.startsWith(value);
          case 'parent':
            return view.Parents?.includes(value) === true;
          case 'type':
            return view.Type === value;
          case 'description':
            return view.Description.includes(value);
          case 'inuse':
            return view.InUse === (value === '' || value === '1' || value === 'true');
          case 'shared':
            return view.Shared === (value === '' || value === '1' || value === 'true');
          default:
            return view.Shared !== (value === '' || value === '1' || value === 'true');
        }
      }));
}

/** Milliseconds of `24h`, or since a time. */
function durationOf(text: string, now: number): number {
  if (/^(?:\d+(?:\.\d+)?(?:h|ms|m|s))+$/.test(text)) {
    let total = 0;
    for (const [, count = '', unit = ''] of text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s)/g)) total += Number(count) * (units[unit] ?? 0);
    return total;
  }
  const seconds = Number(text);
  const time = /^\d+(?:\.\d+)?$/.test(text) ? seconds * 1000 : Date.parse(text);
  if (Number.isNaN(time)) throw invalid(`invalid filter 'until=${text}'`);
  return now - time;
}
