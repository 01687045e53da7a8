import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError } from '#base/errors.ts';
import { newId } from '#base/ids.ts';
import type { Clock } from '#base/clock.ts';
import type { Digest } from '#spec/digest.ts';
import type { Database } from '#host/database.ts';
import type { Jail } from '#host/jail.ts';
import type { Layout } from '#host/layout.ts';
import type { LayerStore } from '#image/layer-store.ts';
import { isImageLayer, type BuildLayerId, type LayerRef, type Tree } from '../tree.ts';

/** A layer that is being made: an overlayfs upper folder and its work folder. `seal` or `discard` it. */
export interface NewLayer {
  readonly id: BuildLayerId;
  readonly upper: string;
  readonly work: string;
}

export interface LayerTally {
  diffId: Digest;
  tarSize: number;
  contentSize: number;
}

/**
 * The layers that builds made, and trees of them and of image layers. A layer's folder is never changed once it is sealed;
 * it stays while a cache record, an image or work under way needs it.
 */
export class BuildLayers {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #jail: Jail;
  readonly #images: LayerStore;
  readonly #root: string;
  readonly #rootless: boolean;
  readonly #inUse = new Map<LayerRef, number>();
  readonly #tallies = new Map<BuildLayerId, Promise<LayerTally>>();

  constructor(options: { db: Database; clock: Clock; jail: Jail; layout: Layout; images: LayerStore; rootless: boolean }) {
    this.#db = options.db;
    this.#clock = options.clock;
    this.#jail = options.jail;
    this.#images = options.images;
    this.#rootless = options.rootless;
    this.#root = join(options.layout.root, 'cache', 'layers');
    mkdirSync(this.#root, { recursive: true, mode: 0o700 });
  }

  folder(ref: LayerRef): string {
    return isImageLayer(ref) ? this.#images.folder(ref) : join(this.#root, ref, 'diff');
  }

  /** overlayfs lower folders, topmost first. */
  folders(tree: Tree): string[] {
    return tree.toReversed().map((ref) => this.folder(ref));
  }

  /** Every layer is there and complete. */
  has(tree: Tree): boolean {
    return tree.every((ref) => (isImageLayer(ref) ? this.#images.get(ref) !== undefined : this.#db.handle.prepare("SELECT 1 FROM build_layer WHERE id = ? AND state = 'ready'").get(ref) !== undefined));
  }

  create(): NewLayer {
    const id = newId().slice(0, 32);
    this.#db.handle.prepare("INSERT INTO build_layer (id, state, created_at) VALUES (?, 'making', ?)").run(id, this.#clock.now());
    const home = join(this.#root, id);
    const [upper, work] = [join(home, 'diff'), join(home, 'work')];
    mkdirSync(upper, { recursive: true, mode: 0o755 });
    mkdirSync(work, { mode: 0o700 });
    return { id, upper, work };
  }

  /** Complete from now on. Protected until the caller disposes what it gets. */
  async seal({ id, work }: NewLayer): Promise<BuildLayerId> {
    await rm(work, { recursive: true, force: true });
    this.#db.handle.prepare("UPDATE build_layer SET state = 'ready' WHERE id = ?").run(id);
    return id;
  }

  async discard({ id }: NewLayer): Promise<void> {
    await rm(join(this.#root, id), { recursive: true, force: true });
    this.#db.handle.prepare('DELETE FROM build_layer WHERE id = ?').run(id);
  }

  /** When a layer was made, in milliseconds; undefined for an image's. */
  madeAt(ref: LayerRef): number | undefined {
    return isImageLayer(ref) ? undefined : (this.#db.handle.prepare('SELECT created_at FROM build_layer WHERE id = ?').get(ref)?.['created_at'] as number | undefined);
  }

  /** Keeps layers from the collector until disposed. */
  protect(tree: Tree): Disposable {
    const chains = this.#images.protect(tree.filter(isImageLayer));
    const own = tree.filter((ref) => !isImageLayer(ref));
    for (const ref of own) this.#inUse.set(ref, (this.#inUse.get(ref) ?? 0) + 1);
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        chains[Symbol.dispose]();
        for (const ref of own) {
          const left = (this.#inUse.get(ref) ?? 1) - 1;
          if (left > 0) this.#inUse.set(ref, left);
          else this.#inUse.delete(ref);
        }
      },
    };
  }

  isInUse(ref: LayerRef): boolean {
    return this.#inUse.has(ref);
  }

  /** Digest and sizes of the layer's tar; found once. */
  tally(id: BuildLayerId): Promise<LayerTally> {
    const row = this.#db.handle.prepare('SELECT diff_id, tar_size, content_size FROM build_layer WHERE id = ?').get(id);
    if (row === undefined) return Promise.reject(new EngineError('internal', `build layer ${id} is gone`));
    if (row['diff_id'] !== null) {
      return Promise.resolve({ diffId: row['diff_id'] as Digest, tarSize: row['tar_size'] as number, contentSize: row['content_size'] as number });
    }
    let running = this.#tallies.get(id);
    if (running === undefined) {
      running = this.#count(id).finally(() => this.#tallies.delete(id));
      this.#tallies.set(id, running);
    }
    return running;
  }

  async #count(id: BuildLayerId): Promise<LayerTally> {
    const { digest, size, contentSize } = await this.#jail.packTally({
      kind: 'pack',
      root: { kind: 'folder', path: this.folder(id) },
      path: '/',
      name: '',
      whiteouts: this.#rootless ? 'userxattr' : 'overlay',
      include: undefined,
      into: undefined,
    });
    this.#db.handle.prepare('UPDATE build_layer SET diff_id = ?, tar_size = ?, content_size = ?, size = ? WHERE id = ?').run(digest, size, contentSize, contentSize, id);
    return { diffId: digest, tarSize: size, contentSize };
  }

  /** The bytes a layer takes. */
  async size(id: BuildLayerId): Promise<number> {
    const row = this.#db.handle.prepare('SELECT size FROM build_layer WHERE id = ?').get(id);
    if (row === undefined) return 0;
    if (row['size'] !== null) return row['size'] as number;
    const size = await this.#jail.run<'measure'>({ kind: 'measure', path: this.folder(id) });
    this.#db.handle.prepare('UPDATE build_layer SET size = ? WHERE id = ?').run(size, id);
    return size;
  }

  /** Removes layers that neither a record nor an image nor running work needs. Returns the bytes freed. */
  async collect(): Promise<number> {
    const rows = this.#db.handle
      .prepare("SELECT id, size FROM build_layer WHERE state = 'ready' AND NOT EXISTS (SELECT 1 FROM build_use WHERE layer = build_layer.id) AND NOT EXISTS (SELECT 1 FROM build_context WHERE layer = build_layer.id)")
      .all()
      .filter(({ id }) => !this.#inUse.has(id as string) && !this.#images.lends(this.folder(id as string)));
    let freed = 0;
    for (const { id } of rows) {
      freed += await this.size(id as string);
      // Another build may have taken it meanwhile.
      if (this.#inUse.has(id as string)) continue;
      this.#db.handle.prepare("UPDATE build_layer SET state = 'leaving' WHERE id = ?").run(id as string);
      await rm(join(this.#root, id as string), { recursive: true, force: true });
      this.#db.handle.prepare('DELETE FROM build_layer WHERE id = ?').run(id as string);
    }
    return freed;
  }

  /** At start: removes what is not complete and what nobody knows. */
  async recover(): Promise<void> {
    this.#db.handle.prepare("DELETE FROM build_context WHERE state <> 'ready'").run();
    this.#db.handle.prepare("DELETE FROM build_layer WHERE state <> 'ready'").run();
    const known = new Set(this.#db.handle.prepare('SELECT id FROM build_layer').all().map((row) => row['id']));
    const strays = readdirSync(this.#root).filter((name) => !known.has(name));
    await Promise.all(strays.map((name) => rm(join(this.#root, name), { recursive: true, force: true })));
    const missing = [...known].filter((id) => statSync(join(this.#root, String(id)), { throwIfNoEntry: false }) === undefined);
    for (const id of missing) this.#db.handle.prepare('DELETE FROM build_record WHERE key IN (SELECT key FROM build_use WHERE layer = ?)').run(String(id));
    for (const id of missing) this.#db.handle.prepare('DELETE FROM build_layer WHERE id = ?').run(String(id));
    await this.collect();
  }
}
