import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import { EngineError, invalid, notFound } from '#base/errors.ts';
import { newId } from '#base/ids.ts';
import type { Database } from '#host/database.ts';
import type { FileStep, Jail } from '#host/jail.ts';
import type { Layout } from '#host/layout.ts';
import { pathPattern } from '#spec/path-pattern.ts';
import type { OfferedFile } from '#spec/wire/native-build.ts';
import type { BuildLayers } from '../cache/layers.ts';
import type { BuildLayerId } from '../tree.ts';
import { contextFromTar, type SentContext } from './contexts.ts';

const MAX_FILES = 5_000_000;
const MAX_INFLATED = 64 * 2 ** 30;
/** How long a context waits for the build that it was sent for, in milliseconds. */
const PATIENCE = 120_000;

interface Offered {
  layer: BuildLayerId;
  files: readonly OfferedFile[];
  /** What the folder holds of an earlier build. */
  before: readonly OfferedFile[];
  content: string;
  /** Set while files are on their way. */
  waiting: { tar: (tar: AsyncIterable<Uint8Array>) => Promise<void> } | undefined;
  ready: boolean;
  held: Disposable;
  timer: NodeJS.Timeout;
}

/** A context of which the engine has the list of files, and gets those that it needs. */
export interface KeptContext extends SentContext {
  readonly id: string;
  /**
   * Decides what of it is needed: all, or what these paths (patterns) name. `ask` gets the numbers of the files that are
   * missing; resolves when they have come.
   */
  settle(paths: readonly string[] | undefined, ask: (need: readonly number[]) => void, signal: AbortSignal): Promise<void>;
}

/**
 * Contexts that clients send piece by piece: the engine keeps what it was sent for the next build of the same folder, and
 * asks only for what is needed and not here yet. One build at a time changes a kept tree; another one meanwhile gets a tree
 * of its own.
 */
export class KeptContexts {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #jail: Jail;
  readonly #layers: BuildLayers;
  readonly #points: string;
  readonly #lists: string;
  readonly #offers = new Map<string, Offered>();
  readonly #tars = new Map<string, { context: SentContext; timer: NodeJS.Timeout }>();
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

  /** What the client has; the build that it is for takes it by this id. */
  async offer(sharedKey: string, files: readonly OfferedFile[]): Promise<{ id: string }> {
    if (files.length > MAX_FILES) throw invalid(`a context has more than ${MAX_FILES} files`);
    for (const [path] of files) checkPath(path);
    const kept = this.#free(sharedKey);
    const before = kept === undefined ? undefined : this.#readList(kept);
    const layer = before === undefined || kept === undefined ? await this.#create(sharedKey) : kept;
    const id = newId();
    this.#busy.add(layer);
    this.#offers.set(id, {
      layer, files, before: before ?? [], content: '', waiting: undefined, ready: false, held: this.#layers.protect([layer]),
      timer: setTimeout(() => this.#letGo(id), PATIENCE).unref(),
    });
    return { id };
  }

  /** The files that were asked for. */
  async fill(id: string, tar: AsyncIterable<Uint8Array>): Promise<void> {
    const waiting = this.#offers.get(id)?.waiting;
    if (waiting === undefined) throw notFound(`no context ${id} waits for files`);
    await waiting.tar(tar);
  }

  /** A whole context as a tar, for one build. */
  async offerTar(tar: AsyncIterable<Uint8Array>): Promise<{ id: string }> {
    const context = await contextFromTar(tar, { layers: this.#layers, jail: this.#jail });
    const id = newId();
    const timer = setTimeout(() => {
      this.#tars.delete(id);
      context[Symbol.dispose]();
    }, PATIENCE).unref();
    this.#tars.set(id, { context, timer });
    return { id };
  }

  /** For a build; it disposes it. */
  take(id: string): KeptContext {
    const whole = this.#tars.get(id);
    if (whole !== undefined) {
      this.#tars.delete(id);
      clearTimeout(whole.timer);
      return { ...whole.context, id, settle: () => Promise.resolve() };
    }
    const offer = this.#offers.get(id);
    if (offer === undefined) throw notFound(`no context ${id}: it was used, or waited too long`);
    clearTimeout(offer.timer);
    this.#db.handle.prepare('UPDATE build_context SET used_at = ?, uses = uses + 1 WHERE layer = ?').run(this.#clock.now(), offer.layer);
    return {
      id,
      layer: offer.layer,
      folder: this.#layers.folder(offer.layer),
      get content() {
        return offer.content;
      },
      memo: this.#memo(offer.layer),
      settle: (paths, ask, signal) => this.#settle(offer, paths, ask, signal),
      [Symbol.dispose]: () => this.#letGo(id),
    };
  }

  async #settle(offer: Offered, paths: readonly string[] | undefined, ask: (need: readonly number[]) => void, signal: AbortSignal): Promise<void> {
    const wanted = wantedFiles(offer.files, paths);
    const { need, gone, kept } = compare(offer.before, offer.files, wanted);
    offer.content = digestOf(offer.files.filter((_, index) => wanted(index)));
    if (need.length === 0 && gone.length === 0) {
      offer.ready = true;
      return;
    }
    this.#db.handle.prepare("UPDATE build_context SET state = 'changing' WHERE layer = ?").run(offer.layer);
    const folder = this.#layers.folder(offer.layer);
    if (gone.length > 0) await this.#remove(folder, gone);
    if (need.length > 0) await this.#receive(offer, folder, () => ask(need), signal);
    writeWhole(this.#list(offer.layer), JSON.stringify([...kept, ...need.map((index) => offer.files[index])]));
    this.#db.handle.prepare("UPDATE build_context SET state = 'ready', content = ? WHERE layer = ?").run(offer.content, offer.layer);
    this.#db.handle.prepare('UPDATE build_layer SET size = NULL WHERE id = ?').run(offer.layer);
    offer.ready = true;
  }

  #receive(offer: Offered, folder: string, ask: () => void, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', leave, { once: true });
    offer.waiting = {
      tar: async (tar) => {
        offer.waiting = undefined;
        try {
          await this.#unpack(folder, tar);
          resolve();
        } catch (error) {
          reject(error as Error);
          throw error;
        }
      },
    };
    ask();
    return promise.finally(() => {
      offer.waiting = undefined;
      signal.removeEventListener('abort', leave);
    });
  }

  #letGo(id: string): void {
    const offer = this.#offers.get(id);
    if (offer === undefined) return;
    this.#offers.delete(id);
    clearTimeout(offer.timer);
    offer.held[Symbol.dispose]();
    this.#busy.delete(offer.layer);
    // A tree that was left half changed serves nobody; one that was not touched is as good as before.
    const state = this.#db.handle.prepare('SELECT state FROM build_context WHERE layer = ?').get(offer.layer)?.['state'];
    if (state === 'changing') this.forget(offer.layer);
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

/** Which of the listed files a build reads. Where links are among them, all: they may lead anywhere. */
function wantedFiles(files: readonly OfferedFile[], paths: readonly string[] | undefined): (index: number) => boolean {
  if (paths === undefined) return () => true;
  const patterns = paths.map((path) => path.split('/').filter((part) => part !== '').map(pathPattern));
  const wanted = files.map(([path]) => {
    const parts = path.split('/');
    // What a pattern names, what lies below it, and the folders above it.
    return patterns.some((pattern) => pattern.slice(0, parts.length).every((matches, at) => matches(parts[at] ?? '')));
  });
  return files.some(([, type], index) => type === 'symlink' && wanted[index] === true) ? () => true : (index) => wanted[index] === true;
}

function compare(before: readonly OfferedFile[], files: readonly OfferedFile[], wanted: (index: number) => boolean): { need: number[]; gone: string[]; kept: OfferedFile[] } {
  const known = new Map(before.map((file) => [file[0], file]));
  const need: number[] = [];
  const gone: string[] = [];
  const kept: OfferedFile[] = [];
  for (const [index, file] of files.entries()) {
    const old = known.get(file[0]);
    known.delete(file[0]);
    if (old !== undefined && same(old, file)) {
      kept.push(file);
      continue;
    }
    if (wanted(index)) need.push(index);
    // Something else took its place.
    if (old !== undefined && (old[1] !== file[1] || !wanted(index))) gone.push(file[0]);
  }
  const left = [...known.keys()].toSorted();
  for (const path of left) if (!gone.some((folder) => path.startsWith(`${folder}/`))) gone.push(path);
  return { need, gone, kept };
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
