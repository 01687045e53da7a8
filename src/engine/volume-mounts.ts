import { mkdirSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeyedLock } from '#base/keyed-lock.ts';
import type { Log } from '#base/log.ts';
import type { EmitEvent } from '#spec/event.ts';
import type { ContainerId } from '#spec/ids.ts';
import type { PlannedMount } from './oci/input.ts';
import type { VolumeDrivers } from './volume-drivers.ts';
import { INTO, isFillable, placeStaged, STAGING } from './volume-folder.ts';
import { hasMount } from './volume-local.ts';
import type { VolumeRecord, VolumeStore } from './volume-store.ts';

export interface VolumeFiller {
  /** Part of the volume that is to be filled; empty for all of it. */
  subpath: string;
  /** Puts content, owner and mode into an empty folder that becomes the volume's; false when it has nothing to give. */
  fill(staging: string): Promise<boolean>;
}

/** Why a container's volumes are mounted: its run, or a copy in or out. */
export type VolumeUser = 'run' | `copy-${string}` | 'fill';

export interface ActivateOptions {
  user: VolumeUser;
  /** For each volume that wants it, what offers it the image's content. */
  fillers: ReadonlyMap<string, VolumeFiller>;
  /** For the events; none are told without. */
  mounts?: readonly PlannedMount[];
}

interface VolumeMountsOptions {
  store: VolumeStore;
  drivers: VolumeDrivers;
  /** `<layout>/volumes`. */
  root: string;
  /** Mounting, filling and removing one volume exclude each other. */
  lock: KeyedLock;
  emit: EmitEvent;
  log: Log;
}

interface Active {
  /** Each with whether its mounting was told. */
  readonly users: Map<VolumeUser, boolean>;
  /** Folders by volume. */
  folders: Promise<ReadonlyMap<string, string>>;
}

/** Volumes while containers use them: mounted for the first user, unmounted after the last, filled from the image once. */
export class VolumeMounts {
  readonly #options: VolumeMountsOptions;
  readonly #active = new Map<ContainerId, Active>();

  constructor(options: VolumeMountsOptions) {
    this.#options = options;
  }

  /**
   * Mounts the container's volumes and returns where they are. A fill is staged beside the data and appears only when
   * whole; a crash in between leaves nothing. Idempotent. On failure nothing stays mounted.
   */
  async activate(container: ContainerId, { user, fillers, mounts }: ActivateOptions): Promise<ReadonlyMap<string, string>> {
    let active = this.#active.get(container);
    if (active === undefined) {
      // Recorded before it is made.
      this.#options.store.setActive(container, true);
      active = { users: new Map(), folders: this.#mountAll(container, fillers) };
      this.#active.set(container, active);
    }
    const told = active.users.get(user) ?? false;
    active.users.set(user, told);
    let folders: ReadonlyMap<string, string>;
    try {
      folders = await active.folders;
    } catch (error) {
      await this.deactivate(container, user);
      throw error;
    }
    if (mounts !== undefined && !told) {
      active.users.set(user, true);
      for (const { type, name, destination, driver, propagation, rw } of mounts) {
        if (type !== 'volume') continue;
        const attributes = { container, destination, driver, propagation, 'read/write': String(rw) };
        this.#options.emit({ type: 'volume', action: 'mount', id: name, attributes });
      }
    }
    return folders;
  }

  /** After the use: unmounts what nobody else uses. Idempotent. Plugins are told behind the caller's back. */
  async deactivate(container: ContainerId, user: VolumeUser): Promise<void> {
    const active = this.#active.get(container);
    const told = active?.users.get(user);
    if (active === undefined || told === undefined) return;
    active.users.delete(user);
    const over = active.users.size === 0;
    if (over) this.#active.delete(container);
    for (const record of this.#records(this.#options.store.activeOf(container))) {
      if (over) await this.#unmount(record, container);
      if (told) this.#options.emit({ type: 'volume', action: 'unmount', id: record.name, attributes: { container, driver: record.driver } });
    }
  }

  /** At start: forgets containers that are gone, goes on with those that run, unmounts for the others. */
  async recover(containers: { known: ReadonlySet<ContainerId>; running: ReadonlySet<ContainerId> }): Promise<void> {
    const { store, drivers } = this.#options;
    for (const id of store.containers()) {
      if (containers.running.has(id)) {
        store.setActive(id, true);
        this.#active.set(id, { users: new Map([['run', true]]), folders: Promise.resolve(new Map()) });
      } else {
        for (const record of this.#records(store.activeOf(id))) await this.#unmount(record, id);
        if (!containers.known.has(id)) store.release(id);
      }
    }
    for (const record of store.all()) if (record.driver === 'local' && store.activeUsers(record.name) === 0) drivers.local.settle(record);
  }

  async #mountAll(container: ContainerId, fillers: ReadonlyMap<string, VolumeFiller>): Promise<ReadonlyMap<string, string>> {
    const { store, lock } = this.#options;
    const folders = new Map<string, string>();
    const todo = new Set(store.activeOf(container));
    try {
      for (const name of [...todo]) {
        await lock.run(name, async () => {
          const { record, path } = await this.#mount(name, container);
          todo.delete(name);
          folders.set(name, path);
          await this.#fill(record, path, container, fillers.get(name));
        });
      }
    } catch (error) {
      // What was not mounted is not to be unmounted.
      for (const name of todo) store.deactivate(name, container);
      throw error;
    }
    return folders;
  }

  async #mount(name: string, container: ContainerId): Promise<{ record: VolumeRecord; path: string }> {
    const { store, drivers } = this.#options;
    const record = store.get(name);
    if (record === undefined) throw new Error(`volume ${name} is gone`);
    return { record, path: await (await drivers.get(record.driver)).mount(record, container) };
  }

  async #fill(record: VolumeRecord, path: string, container: ContainerId, filler: VolumeFiller | undefined): Promise<void> {
    const { store, root } = this.#options;
    const { name } = record;
    // Staged on the same file system as the data, so that renames place it.
    const plain = record.driver === 'local' && !hasMount(record.options);
    const staging = join(plain ? join(root, name) : path, STAGING);
    if (record.state !== 'staged') {
      if (filler === undefined || store.isFilled(name, container)) return;
      if (!isFillable(path, filler.subpath)) {
        store.setFilled(name, container);
        return;
      }
      await rm(staging, { recursive: true, force: true });
      mkdirSync(staging, { mode: 0o755 });
      let given: boolean;
      try {
        given = await filler.fill(staging);
      } catch (error) {
        await rm(staging, { recursive: true, force: true }).catch(() => {});
        throw error;
      }
      if (!given) {
        await rm(staging, { recursive: true, force: true });
        store.setFilled(name, container);
        return;
      }
      writeFileSync(`${staging}${INTO}`, filler.subpath);
      store.setState(name, 'staged');
    }
    placeStaged(staging, path);
    store.transaction(() => {
      store.setState(name, 'ready');
      store.setFilled(name, container);
    });
  }

  /** A plugin that hangs must not hold up a container's end: it is told in the background, before the volume's next mount. */
  async #unmount(record: VolumeRecord, container: ContainerId): Promise<void> {
    const { lock, log } = this.#options;
    const work = lock.run(record.name, () => this.#unmountOne(record, container));
    if (record.driver === 'local') await work;
    else work.catch((error: unknown) => log.warn('a plugin did not unmount a volume', { volume: record.name, container, error }));
  }

  async #unmountOne(record: VolumeRecord, container: ContainerId): Promise<void> {
    const { store, drivers } = this.#options;
    // Taken up again meanwhile.
    if (this.#active.has(container)) return;
    try {
      const driver = await drivers.get(record.driver);
      await driver.unmount(record, container, store.activeUsers(record.name) <= 1);
    } finally {
      store.deactivate(record.name, container);
    }
  }

  #records(names: readonly string[]): VolumeRecord[] {
    return names.flatMap((name) => this.#options.store.get(name) ?? []);
  }
}
