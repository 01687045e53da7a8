import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import { EngineError, invalid, notFound } from '#base/errors.ts';
import { newId } from '#base/ids.ts';
import type { Database } from '#host/database.ts';
import type { FileStep, Jail } from '#host/jail.ts';
import type { Layout } from '#host/layout.ts';
import type { OfferedFile } from '#spec/wire/native-build.ts';
import type { BuildLayers } from '../cache/layers.ts';
import type { BuildLayerId } from '../tree.ts';
import type { SentContext } from './contexts.ts';

const MAX_FILES = 5_000_000;
const MAX_INFLATED = 64 * 2 ** 30;
/** How long a context waits for the build that it was sent for, in milliseconds. */
const PATIENCE = 120_000;

interface Offered {
  layer: BuildLayerId;
  files: readonly OfferedFile[];
  content: string;
  /** Paths that the next build does not have, or has as something else. */
  gone: string[];
  ready: boolean;
  held: Disposable;
  timer: NodeJS.Timeout;
}

/**
 * Contexts that clients send piece by piece: the engine keeps what it was sent for the next build of the same folder, and
 * asks only for what changed. One build at a time changes a kept tree; another one meanwhile gets a tree of its own.
 */
export class KeptContexts {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #jail: Jail;
  readonly #layers: BuildLayers;
  readonly #points: string;
  readonly #lists: string;
  readonly #offers = new Map<string, Offered>();
  readonly #busy = new Set<BuildLayerId>();

  constructor(options: { db: Database; clock: Clock; jail: Jail; layers: BuildLayers; layout: Layout; points: string }) {
    this.#db = options.db;
    this.#clock = options.clock;
    this.#jail = options.jail;
    this.#layers = options.layers;
    this.#points = options.points;
    this.#lists = join(options.layout.root, 'cache', 'contexts');
    mkdirSync(this.#lists, { recursive: true, mode: 0o700 });
  }

  /** What the client has; answers which files it is to send. */
  async offer(sharedKey: string, files: readonly OfferedFile[]): Promise<{ id: string; need: number[] }> {
    if (files.length > MAX_FILES) throw invalid(`a context has more than ${MAX_FILES} files`);
    for (const [path] of files) checkPath(path);
    const kept = this.#free(sharedKey);
    const before = kept === undefined ? undefined : this.#readList(kept);
    const layer = before === undefined || kept === undefined ? await this.#create(sharedKey) : kept;
    const id = newId();
    const { need, gone } = compare(before ?? [], files);
    const content = digestOf(files);
    this.#busy.add(layer);
    const offer: Offered = {
      layer, files, gone, content, ready: false, held: this.#layers.protect([layer]),
      timer: setTimeout(() => this.#letGo(id), PATIENCE).unref(),
    };
    this.#offers.set(id, offer);
    if (need.length === 0) await this.#apply(offer, undefined);
    return { id, need };
  }

  /** The files that were asked for. */
  async fill(id: string, tar: AsyncIterable<Uint8Array>): Promise<void> {
    const offer = this.#offers.get(id);
    if (offer === undefined || offer.ready) throw notFound(`no context ${id} waits for files`);
    try {
      await this.#apply(offer, tar);
    } catch (error) {
      this.#letGo(id);
      throw error;
    }
  }

  /** For a build; it disposes it. */
  take(id: string): SentContext {
    const offer = this.#offers.get(id);
    if (offer === undefined) throw notFound(`no context ${id}: it was used, or waited too long`);
    if (!offer.ready) throw invalid(`context ${id} lacks files`);
    clearTimeout(offer.timer);
    this.#db.handle.prepare('UPDATE build_context SET used_at = ?, uses = uses + 1 WHERE layer = ?').run(this.#clock.now(), offer.layer);
    return {
      layer: offer.layer,
      folder: this.#layers.folder(offer.layer),
      content: offer.content,
      memo: this.#memo(offer.layer),
      [Symbol.dispose]: () => this.#letGo(id),
    };
  }

  #letGo(id: string): void {
    const offer = this.#offers.get(id);
    if (offer === undefined) return;
    this.#offers.delete(id);
    clearTimeout(offer.timer);
    offer.held[Symbol.dispose]();
    this.#busy.delete(offer.layer);
    // A tree that was left half changed serves nobody.
    if (!offer.ready) this.forget(offer.layer);
  }

  forget(layer: BuildLayerId): boolean {
    if (this.#busy.has(layer)) return false;
    this.#db.handle.prepare('DELETE FROM build_context WHERE layer = ?').run(layer);
    rmSync(this.#list(layer), { force: true });
    rmSync(this.#memo(layer), { force: true });
    return true;
  }

  #free(sharedKey: string): BuildLayerId | undefined {
    const rows = this.#db.handle.prepare("SELECT layer FROM build_context WHERE shared_key = ? AND state = 'ready' ORDER BY used_at DESC").all(sharedKey);
    return rows.map((row) => row['layer'] as BuildLayerId).find((layer) => !this.#busy.has(layer));
  }

  async #create(sharedKey: string): Promise<BuildLayerId> {
    const layer = this.#layers.create();
    using _held = this.#layers.protect([layer.id]);
    await this.#layers.seal(layer);
    const now = this.#clock.now();
    this.#db.handle.prepare("INSERT INTO build_context VALUES (?, ?, 'changing', '', ?, ?, 0)").run(layer.id, sharedKey, now, now);
    return layer.id;
  }

  async #apply(offer: Offered, tar: AsyncIterable<Uint8Array> | undefined): Promise<void> {
    const { layer, gone, files, content } = offer;
    const folder = this.#layers.folder(layer);
    if (tar !== undefined || gone.length > 0) {
      this.#db.handle.prepare("UPDATE build_context SET state = 'changing' WHERE layer = ?").run(layer);
      if (gone.length > 0) await this.#remove(folder, gone);
      if (tar !== undefined) await this.#unpack(folder, tar);
      writeWhole(this.#list(layer), JSON.stringify(files));
    }
    this.#db.handle.prepare("UPDATE build_context SET state = 'ready', content = ? WHERE layer = ?").run(content, layer);
    this.#db.handle.prepare('UPDATE build_layer SET size = NULL WHERE id = ?').run(layer);
    offer.ready = true;
  }

  async #remove(folder: string, gone: readonly string[]): Promise<void> {
    const steps: FileStep[] = gone.map((path) => ({ step: 'rm', path: `/${path}`, allowNotFound: true, wildcard: false }));
    await this.#jail.run<'files'>({ kind: 'files', lower: [], upper: folder, work: folder, points: this.#points, userxattr: false, steps, limits: { inflated: 0, entries: 0 } });
  }

  async #unpack(folder: string, tar: AsyncIterable<Uint8Array>): Promise<void> {
    const { bavail, bsize } = statfsSync(folder);
    const room = Math.max(0, bavail * bsize - (64 << 20));
    await this.#jail.run<'unpack'>(
      {
        kind: 'unpack', root: { kind: 'folder', path: folder }, folder: '/', source: { kind: 'stream' }, whiteouts: 'keep', noOverwriteDirNonDir: false,
        owner: { uid: 0, gid: 0 }, keep: undefined, limits: { inflated: Math.min(MAX_INFLATED, room), byDisk: room < MAX_INFLATED, entries: MAX_FILES },
      },
      tar,
    );
  }

  #list(layer: BuildLayerId): string {
    return join(this.#lists, `${layer}.json`);
  }

  #memo(layer: BuildLayerId): string {
    return join(this.#lists, `${layer}.hashes`);
  }

  #readList(layer: BuildLayerId): OfferedFile[] | undefined {
    try {
      return JSON.parse(readFileSync(this.#list(layer), 'utf8')) as OfferedFile[];
    } catch {
      return undefined;
    }
  }
}

function compare(before: readonly OfferedFile[], files: readonly OfferedFile[]): { need: number[]; gone: string[] } {
  const known = new Map(before.map((file) => [file[0], file]));
  const need: number[] = [];
  const gone: string[] = [];
  for (const [index, file] of files.entries()) {
    const old = known.get(file[0]);
    known.delete(file[0]);
    if (old !== undefined && same(old, file)) continue;
    need.push(index);
    // Something else took its place.
    if (old !== undefined && old[1] !== file[1]) gone.push(file[0]);
  }
  for (const path of known.keys()) if (!gone.some((folder) => path.startsWith(`${folder}/`))) gone.push(path);
  return { need, gone };
}

function same([, type, mode, size, mtime, target]: OfferedFile, other: OfferedFile): boolean {
  if (type !== other[1] || mode !== other[2] || target !== other[5]) return false;
  return type !== 'file' || (size === other[3] && mtime === other[4]);
}

/** Times of folders change with their content, which is listed itself. */
function digestOf(files: readonly OfferedFile[]): string {
  const hash = createHash('sha256');
  for (const [path, type, mode, size, mtime, target] of files) hash.update(`${JSON.stringify([path, type, mode, target, ...(type === 'file' ? [size, mtime] : [])])}\n`);
  return hash.digest('hex');
}

function checkPath(path: string): void {
  if (path === '' || path.startsWith('/') || path.length > 4096 || path.split('/').some((part) => part === '' || part === '.' || part === '..')) {
    throw invalid(`a context cannot have a file ${JSON.stringify(path.slice(0, 200))}`);
  }
}

function writeWhole(path: string, text: string): void {
  try {
    writeFileSync(`${path}.new`, text, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch (error) {
    throw new EngineError('internal', `cannot write ${path}`, { cause: error });
  }
}
