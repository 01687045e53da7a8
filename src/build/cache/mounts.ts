import { mkdirSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import { newId } from '#base/ids.ts';
import type { Database } from '#host/database.ts';
import type { Jail } from '#host/jail.ts';
import type { Layout } from '#host/layout.ts';
import type { CacheSharing } from '../graph/vertex.ts';
import type { Tree } from '../tree.ts';
import type { BuildLayers } from './layers.ts';

export interface CacheMountRequest {
  id: string;
  sharing: CacheSharing;
  /** What a new one begins with. */
  base: { tree: Tree; selector: string } | undefined;
  description: string;
}

export interface CacheMountRow {
  folder: string;
  description: string;
  createdAt: number;
  usedAt: number;
  uses: number;
  inUse: boolean;
}

/**
 * Folders that steps keep things in from build to build. `shared`: all users at once. `private`: who comes while another
 * works gets one of its own. `locked`: one after the other.
 */
export class CacheMounts {
  readonly #db: Database;
  readonly #clock: Clock;
  readonly #jail: Jail;
  readonly #layers: BuildLayers;
  readonly #root: string;
  readonly #points: string;
  /** Users by folder; a locked one counts as one. */
  readonly #users = new Map<string, { count: number; exclusive: boolean }>();
  readonly #making = new Map<string, Promise<string>>();
  #waiting: (() => void)[] = [];

  constructor(options: { db: Database; clock: Clock; jail: Jail; layers: BuildLayers; layout: Layout; points: string }) {
    this.#db = options.db;
    this.#clock = options.clock;
    this.#jail = options.jail;
    this.#layers = options.layers;
    this.#points = options.points;
    this.#root = join(options.layout.root, 'cache', 'mounts');
    mkdirSync(this.#root, { recursive: true, mode: 0o700 });
  }

  async take(request: CacheMountRequest, signal: AbortSignal): Promise<{ folder: string } & AsyncDisposable> {
    const base = request.base === undefined ? '' : JSON.stringify(request.base);
    const exclusive = request.sharing !== 'shared';
    for (;;) {
      signal.throwIfAborted();
      const folders = this.#folders(request.id, base);
      const usable = folders.find((folder) => {
        const user = this.#users.get(folder);
        return user === undefined || (!exclusive && !user.exclusive);
      });
      if (usable !== undefined) return this.#use(usable, exclusive);
      if (folders.length === 0 || request.sharing === 'private') {
        // Two that want the first at once get the same, unless each wants its own.
        const key = `${request.id}\0${base}`;
        const making = request.sharing === 'private' ? this.#make(request, base) : (this.#making.get(key) ?? this.#make(request, base));
        if (request.sharing !== 'private') this.#making.set(key, making);
        try {
          await making;
        } finally {
          this.#making.delete(key);
        }
        continue;
      }
      await this.#freed(signal);
    }
  }

  #folders(id: string, base: string): string[] {
    return this.#db.handle.prepare('SELECT folder FROM build_mount WHERE cache_id = ? AND base = ? ORDER BY created_at').all(id, base).map((row) => row['folder'] as string);
  }

  #use(folder: string, exclusive: boolean): { folder: string } & AsyncDisposable {
    const user = this.#users.get(folder) ?? { count: 0, exclusive };
    user.count++;
    this.#users.set(folder, user);
    this.#db.handle.prepare('UPDATE build_mount SET used_at = ?, uses = uses + 1 WHERE folder = ?').run(this.#clock.now(), folder);
    return {
      folder: join(this.#root, folder),
      [Symbol.asyncDispose]: () => {
        user.count--;
        if (user.count === 0) this.#users.delete(folder);
        for (const wake of this.#waiting.splice(0)) wake();
        return Promise.resolve();
      },
    };
  }

  async #freed(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
    await promise;
  }

  async #make(request: CacheMountRequest, base: string): Promise<string> {
    const folder = newId().slice(0, 32);
    const path = join(this.#root, folder);
    if (request.base === undefined) mkdirSync(path, { mode: 0o755 });
    else await this.#fill(folder, request.base);
    const now = this.#clock.now();
    this.#db.handle.prepare('INSERT INTO build_mount VALUES (?, ?, ?, ?, ?, ?, ?, 0)').run(folder, request.id, base, request.sharing, request.description, now, now);
    return folder;
  }

  /** The folder takes over owner and mode of what it begins with. */
  async #fill(folder: string, { tree, selector }: { tree: Tree; selector: string }): Promise<void> {
    await this.#jail.run<'files'>({
      kind: 'files', lower: [], upper: this.#root, work: this.#root, points: this.#points, userxattr: false, limits: { inflated: 0, entries: 0 },
      steps: [{
        step: 'copy', from: this.#layers.folders(tree), source: selector === '' ? '/' : selector, destination: `/${folder}`, owner: undefined, mode: '', followSymlink: true, contentsOnly: false,
        unpack: false, replace: false, createDestination: true, wildcard: false, allowEmpty: false, include: [], exclude: [], time: undefined,
      }],
    });
  }

  list(): CacheMountRow[] {
    return this.#db.handle.prepare('SELECT * FROM build_mount ORDER BY used_at').all().map((row) => ({
      folder: row['folder'] as string, description: row['description'] as string, createdAt: row['created_at'] as number, usedAt: row['used_at'] as number,
      uses: row['uses'] as number, inUse: this.#users.has(row['folder'] as string),
    }));
  }

  size(folder: string): Promise<number> {
    return this.#jail.run<'measure'>({ kind: 'measure', path: join(this.#root, folder) });
  }

  /** False while a step uses it. */
  async remove(folder: string): Promise<boolean> {
    if (this.#users.has(folder)) return false;
    this.#db.handle.prepare('DELETE FROM build_mount WHERE folder = ?').run(folder);
    await rm(join(this.#root, folder), { recursive: true, force: true });
    return true;
  }

  async recover(): Promise<void> {
    const known = new Set(this.#db.handle.prepare('SELECT folder FROM build_mount').all().map((row) => row['folder']));
    await Promise.all(readdirSync(this.#root).filter((name) => !known.has(name)).map((name) => rm(join(this.#root, name), { recursive: true, force: true })));
  }
}
