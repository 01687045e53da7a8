import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { rfc3339Nano, type Clock } from '#base/clock.ts';
import { conflict, EngineError, messageOf, notFound } from '#base/errors.ts';
import { newId } from '#base/ids.ts';
import { KeyedLock } from '#base/keyed-lock.ts';
import type { Log } from '#base/log.ts';
import type { Mounts } from '#host/mount.ts';
import type { EmitEvent } from '#spec/event.ts';
import { matchLabels, requireKnownFilters, type Filters } from '#spec/filters.ts';
import type { ContainerId } from '#spec/ids.ts';
import type { Volume, VolumeCreateRequest, VolumeListResponse, VolumesPruneResponse } from '#spec/wire/volume.ts';
import type { PlannedMount } from './oci/input.ts';
import { nameMatches, parseDangling, parsePruneAll } from './volume-filters.ts';
import { isEmptyVolume, mountVolume, placeStaged, STAGING } from './volume-folder.ts';
import { checkVolumeName } from './volume-names.ts';
import { checkLocalOptions } from './volume-options.ts';
import type { VolumeRecord, VolumeStore } from './volume-store.ts';

const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';

export interface VolumeRequest {
  /** Absent: an anonymous volume with a name of its own. */
  name: string | undefined;
  driver: string;
  driverOpts: Readonly<Record<string, string>>;
  labels: Readonly<Record<string, string>>;
}

/** Puts content, owner and mode into an empty folder that becomes the volume's; false when it has nothing to give. */
export type VolumeFiller = (staging: string) => Promise<boolean>;

export interface VolumesOptions {
  store: VolumeStore;
  /** `<layout>/volumes`. */
  root: string;
  mounts: Mounts;
  /** Bytes of all files below a folder. */
  measure: (path: string) => Promise<number>;
  clock: Clock;
  emit: EmitEvent;
  log: Log;
}

/**
 * Volumes of the `local` driver: `<root>/<name>/_data`. A volume is recorded before its folder is made and marked before
 * its folder is removed, so that a crash at any point is finished by `recover`.
 */
export class Volumes {
  readonly #options: VolumesOptions;
  readonly #store: VolumeStore;
  /** Mounting, filling and removing one volume exclude each other. */
  readonly #lock = new KeyedLock();

  constructor(options: VolumesOptions) {
    this.#options = options;
    this.#store = options.store;
  }

  /** The folder that containers see. */
  dataPath(name: string): string {
    return join(this.#options.root, name, '_data');
  }

  async list(filters: Filters): Promise<VolumeListResponse> {
    requireKnownFilters(filters, ['dangling', 'driver', 'label', 'name']);
    const dangling = filters.get('dangling')?.map(parseDangling);
    const used = this.#store.userCounts();
    const chosen = this.#records().filter(
      (record) =>
        (dangling?.includes(!used.has(record.name)) ?? true) &&
        (filters.get('driver')?.includes(record.driver) ?? true) &&
        (filters.get('name')?.some((part) => nameMatches(part, record.name)) ?? true) &&
        matchLabels(filters.get('label'), record.labels),
    );
    return { Volumes: chosen.map((record) => this.#wire(record)), Warnings: [] };
  }

  async create(body: VolumeCreateRequest): Promise<Volume> {
    const record = this.ensure({
      name: body.Name || undefined,
      driver: body.Driver || 'local',
      driverOpts: body.DriverOpts ?? {},
      labels: body.Labels ?? {},
    });
    mkdirSync(this.dataPath(record.name), { recursive: true, mode: 0o755 });
    return this.#wire(record);
  }

  async inspect(name: string): Promise<Volume> {
    return this.#wire(this.#find(name));
  }

  /** `force` forgives a volume that is not there. */
  async remove(name: string, options: { force: boolean }): Promise<void> {
    const record = this.#store.get(name);
    if (record === undefined || record.state === 'removing') {
      if (options.force) return;
      throw notFound(`get ${name}: no such volume`);
    }
    await this.#remove(record);
  }

  async prune(filters: Filters): Promise<VolumesPruneResponse> {
    requireKnownFilters(filters, ['label', 'label!', 'all']);
    const all = filters.get('all')?.some(parsePruneAll) ?? false;
    const used = this.#store.userCounts();
    const chosen = this.#records().filter(
      (record) =>
        !used.has(record.name) &&
        (all || record.anonymous) &&
        matchLabels(filters.get('label'), record.labels) &&
        !(filters.get('label!') ?? []).some((label) => matchLabels([label], record.labels)),
    );
    const deleted: string[] = [];
    let reclaimed = 0;
    for (const record of chosen) {
      try {
        const size = await this.#options.measure(this.dataPath(record.name)).catch(() => 0);
        await this.#remove(record);
        deleted.push(record.name);
        reclaimed += size;
      } catch (error) {
        // A container took it meanwhile.
        this.#options.log.warn('volume not pruned', { volume: record.name, error });
      }
    }
    this.#options.emit({ type: 'volume', action: 'prune', id: '', attributes: { reclaimed: String(reclaimed) } });
    return { VolumesDeleted: deleted, SpaceReclaimed: reclaimed };
  }

  /** Every volume with its size and how many containers use it, for disk usage. */
  async usage(): Promise<Volume[]> {
    const used = this.#store.userCounts();
    return Promise.all(
      this.#records().map(async (record) => ({
        ...this.#wire(record),
        UsageData: {
          Size: await this.#options.measure(this.dataPath(record.name)).catch(() => -1),
          RefCount: used.get(record.name) ?? 0,
        },
      })),
    );
  }

  /**
   * The volume of that name, recorded when there is none, as part of the caller's transaction when there is one; its folder
   * appears right after. Options and labels of an existing one stay.
   */
  ensure(request: VolumeRequest, container?: ContainerId): VolumeRecord {
    const name = request.name ?? newId();
    checkVolumeName(name);
    if (request.driver !== 'local') {
      throw notFound(`create ${name}: error looking up volume plugin ${request.driver}: plugin "${request.driver}" not found`);
    }
    checkOptions(name, request.driverOpts);
    const record: VolumeRecord = {
      name,
      driver: request.driver,
      createdAt: rfc3339Nano(BigInt(Math.floor(this.#options.clock.now() / 1000)) * 1_000_000_000n),
      labels: { ...(request.name === undefined ? { [ANONYMOUS_LABEL]: '' } : {}), ...request.labels },
      options: { ...request.driverOpts },
      anonymous: request.name === undefined,
      state: 'ready',
    };
    const made = this.#store.transaction(() => {
      const existing = this.#store.get(name);
      if (existing?.state === 'removing') throw conflict(`create ${name}: the volume is being removed`);
      if (existing === undefined) this.#store.insert(record);
      if (container !== undefined) this.#store.use(name, container);
      return existing ?? record;
    });
    if (made === record) queueMicrotask(() => this.#settle(record));
    return made;
  }

  /** A caller's transaction has ended by now: unless it was rolled back the folder is made and the event told. */
  #settle(record: VolumeRecord): void {
    try {
      if (this.#store.get(record.name)?.state !== 'ready') return;
      mkdirSync(this.dataPath(record.name), { recursive: true, mode: 0o755 });
      this.#options.emit({ type: 'volume', action: 'create', id: record.name, attributes: { driver: record.driver } });
    } catch (error) {
      // The container that mounts it makes the folder again, and reports why it cannot.
      this.#options.log.warn('the folder of a volume could not be made', { volume: record.name, error });
    }
  }

  /** Notes that the container mounts a volume which exists already (from `--volumes-from`). */
  use(name: string, container: ContainerId): void {
    this.#store.transaction(() => {
      this.#find(name);
      this.#store.use(name, container);
    });
  }

  /**
   * Forgets the container, and removes its anonymous volumes that nobody else uses when asked to. They are marked in the
   * same step that forgets: after a crash in between nothing would lead to them.
   */
  async release(container: ContainerId, options: { removeAnonymous: boolean }): Promise<void> {
    const doomed = this.#store.transaction(() => {
      const records = this.#store.ofContainer(container).flatMap((name) => this.#store.get(name) ?? []);
      this.#store.release(container);
      const chosen = records.filter(({ name, anonymous }) => options.removeAnonymous && anonymous && this.#store.users(name).length === 0);
      for (const { name } of chosen) this.#store.setState(name, 'removing');
      return chosen;
    });
    for (const record of doomed) {
      try {
        await this.#lock.run(record.name, () => this.#erase(record.name));
        this.#emitDestroy(record);
      } catch (error) {
        this.#options.log.warn('anonymous volume not removed', { volume: record.name, error });
      }
    }
  }

  /**
   * Before the container starts: mounts what lies behind volumes with options, and fills those that are empty and have a
   * filler. `mounts` is for the events. Idempotent. A fill is staged beside the data and appears only when whole; a crash
   * in between leaves nothing.
   */
  async activate(
    container: ContainerId,
    fillers: ReadonlyMap<string, VolumeFiller>,
    mounts: readonly PlannedMount[] = [],
  ): Promise<void> {
    const names = this.#store.ofContainer(container);
    if (names.length === 0) return;
    this.#store.setActive(container, true);
    try {
      for (const name of names) await this.#lock.run(name, () => this.#activateOne(name, fillers.get(name)));
    } catch (error) {
      await this.deactivate(container);
      throw error;
    }
    for (const { type, name, destination, driver, propagation, rw } of mounts) {
      if (type !== 'volume') continue;
      const attributes = { container, destination, driver, propagation, 'read/write': String(rw) };
      this.#options.emit({ type: 'volume', action: 'mount', id: name, attributes });
    }
  }

  /** After the container ended: unmounts volumes with options that no other running container uses. Idempotent. */
  async deactivate(container: ContainerId): Promise<void> {
    if (!this.#store.setActive(container, false)) return;
    for (const name of this.#store.ofContainer(container)) {
      await this.#lock.run(name, () => this.#unmountIfIdle(name));
      this.#options.emit({ type: 'volume', action: 'unmount', id: name, attributes: { container, driver: 'local' } });
    }
  }

  /** At start: forgets containers that are gone, unmounts what none runs on, finishes removals. */
  async recover(containers: { known: ReadonlySet<ContainerId>; running: ReadonlySet<ContainerId> }): Promise<void> {
    for (const id of this.#store.containers()) {
      if (!containers.known.has(id)) this.#store.release(id);
      else this.#store.setActive(id, containers.running.has(id));
    }
    for (const record of this.#store.all()) {
      try {
        if (record.state === 'removing') await this.#erase(record.name);
        else this.#unmountIfIdle(record.name);
      } catch (error) {
        // One that cannot go now stays marked for the next start; it must not keep the engine from this one.
        this.#options.log.warn('a volume could not be tidied', { volume: record.name, error });
      }
    }
  }

  async #activateOne(name: string, filler: VolumeFiller | undefined): Promise<void> {
    const record = this.#find(name);
    const path = this.dataPath(name);
    mkdirSync(path, { recursive: true, mode: 0o755 });
    const mounted = Object.keys(record.options).length > 0;
    if (mounted) await mountVolume(record.options, path, this.#options.mounts);
    // Staged on the same file system as the data, so that renames place it.
    const staging = join(mounted ? path : join(this.#options.root, name), STAGING);
    if (record.state !== 'staged') {
      if (filler === undefined || !isEmptyVolume(path)) return;
      await rm(staging, { recursive: true, force: true });
      mkdirSync(staging, { mode: 0o755 });
      if (!(await filler(staging))) {
        await rm(staging, { recursive: true, force: true });
        return;
      }
      this.#store.setState(name, 'staged');
    }
    placeStaged(staging, path);
    this.#store.setState(name, 'ready');
  }

  #unmountIfIdle(name: string): void {
    const record = this.#store.get(name);
    if (record === undefined || Object.keys(record.options).length === 0 || this.#store.activeUsers(name) > 0) return;
    while (this.#options.mounts.list(this.dataPath(name)).length > 0 && this.#options.mounts.unmount(this.dataPath(name)));
  }

  async #remove(record: VolumeRecord): Promise<void> {
    await this.#lock.run(record.name, async () => {
      this.#store.transaction(() => {
        const users = this.#store.users(record.name);
        if (users.length > 0) throw conflict(`remove ${record.name}: volume is in use - [${users.join(', ')}]`);
        this.#store.setState(record.name, 'removing');
      });
      await this.#erase(record.name);
    });
    this.#emitDestroy(record);
  }

  #emitDestroy({ name, driver }: VolumeRecord): void {
    this.#options.emit({ type: 'volume', action: 'destroy', id: name, attributes: { driver } });
  }

  async #erase(name: string): Promise<void> {
    this.#unmountIfIdle(name);
    if (this.#options.mounts.list(this.dataPath(name)).length > 0) {
      throw new EngineError('internal', `remove ${name}: the volume is still mounted`);
    }
    await rm(join(this.#options.root, name), { recursive: true, force: true });
    this.#store.remove(name);
  }

  #records(): VolumeRecord[] {
    return this.#store.all().filter((record) => record.state !== 'removing');
  }

  #find(name: string): VolumeRecord {
    const record = this.#store.get(name);
    if (record === undefined || record.state === 'removing') throw notFound(`get ${name}: no such volume`);
    return record;
  }

  #wire(record: VolumeRecord): Volume {
    return {
      CreatedAt: record.createdAt,
      Driver: record.driver,
      Labels: record.labels,
      Mountpoint: this.dataPath(record.name),
      Name: record.name,
      Options: record.options,
      Scope: 'local',
    };
  }
}

function checkOptions(name: string, options: Readonly<Record<string, string>>): void {
  try {
    checkLocalOptions(options);
  } catch (error) {
    throw new EngineError('invalid_argument', `create ${name}: ${messageOf(error)}`, { cause: error });
  }
}
