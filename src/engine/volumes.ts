import { rfc3339Nano, type Clock } from '#base/clock.ts';
import { codeOf, conflict, EngineError, messageOf, notFound, wrap } from '#base/errors.ts';
import { newId } from '#base/ids.ts';
import { KeyedLock } from '#base/keyed-lock.ts';
import type { Log } from '#base/log.ts';
import type { Mounts } from '#host/mount.ts';
import type { Plugins } from '#host/plugin-client.ts';
import type { EmitEvent } from '#spec/event.ts';
import { matchLabels, requireKnownFilters, type Filters } from '#spec/filters.ts';
import type { ContainerId } from '#spec/ids.ts';
import type { Volume, VolumeCreateRequest, VolumeListResponse, VolumesPruneResponse } from '#spec/wire/volume.ts';
import type { DriverVolume, VolumeDriver } from './volume-driver.ts';
import { VolumeDrivers } from './volume-drivers.ts';
import { nameMatches, parseDangling, parsePruneAll } from './volume-filters.ts';
import { LocalVolumes } from './volume-local.ts';
import { VolumeMounts, type ActivateOptions, type VolumeUser } from './volume-mounts.ts';
import { checkVolumeName } from './volume-names.ts';
import { checkLocalOptions } from './volume-options.ts';
import type { PluginDeadlines } from './volume-plugin.ts';
import type { VolumeRecord, VolumeStore } from './volume-store.ts';

const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';

export interface VolumeRequest {
  /** Absent: an anonymous volume with a name of its own. */
  name: string | undefined;
  driver: string;
  driverOpts: Readonly<Record<string, string>> | null;
  labels: Readonly<Record<string, string>> | null;
  /** With a name that was made for it. */
  anonymous?: true;
}

export interface VolumesOptions {
  store: VolumeStore;
  /** `<layout>/volumes`. */
  root: string;
  mounts: Mounts;
  /** Where drivers other than `local` are found. */
  plugins?: Plugins;
  pluginDeadlines?: PluginDeadlines;
  /** Bytes of all files below a folder. */
  measure: (path: string) => Promise<number>;
  clock: Clock;
  emit: EmitEvent;
  log: Log;
}

/**
 * Volumes. One is recorded before its folder is made and marked before its folder is removed, so that a crash at any point
 * is finished by `recover`.
 */
export class Volumes {
  readonly #options: VolumesOptions;
  readonly #store: VolumeStore;
  readonly #drivers: VolumeDrivers;
  readonly #mounts: VolumeMounts;
  readonly #lock = new KeyedLock();

  constructor(options: VolumesOptions) {
    const { store, root, mounts, emit, log } = options;
    this.#options = options;
    this.#store = store;
    this.#drivers = new VolumeDrivers({
      local: new LocalVolumes({ root, mounts }),
      plugins: options.plugins,
      ...(options.pluginDeadlines === undefined ? {} : { deadlines: options.pluginDeadlines }),
    });
    this.#mounts = new VolumeMounts({ store, drivers: this.#drivers, root, lock: this.#lock, emit, log });
  }

  /** The folder that containers see; for a plugin's volume it is known while it is mounted. */
  dataPath({ name, driver }: Pick<VolumeRecord, 'name' | 'driver'>): string {
    return driver === 'local' ? this.#drivers.local.path(name) : '';
  }

  async list(filters: Filters): Promise<VolumeListResponse> {
    requireKnownFilters(filters, ['dangling', 'driver', 'label', 'name']);
    const dangling = filters.get('dangling')?.map(parseDangling);
    const used = this.#store.userCounts();
    const { volumes: foreign, warnings } = await this.#drivers.foreign();
    const records = this.#records();
    const known = new Map(records.map((record) => [record.name, record]));
    const all = [
      ...records.map((record) => ({ record, seen: foreign.find(({ driver, volume }) => driver.name === record.driver && volume.name === record.name)?.volume })),
      ...foreign.filter(({ volume }) => !known.has(volume.name)).map(({ driver, volume }) => ({ record: foreignRecord(driver.name, volume), seen: volume })),
    ];
    const chosen = all.filter(
      ({ record }) =>
        (dangling?.includes(!used.has(record.name)) ?? true) &&
        (filters.get('driver')?.includes(record.driver) ?? true) &&
        (filters.get('name')?.some((part) => nameMatches(part, record.name)) ?? true) &&
        matchLabels(filters.get('label'), record.labels ?? {}),
    );
    return { Volumes: chosen.map(({ record, seen }) => this.#wire(record, seen)), Warnings: warnings.length > 0 ? warnings : null };
  }

  async create(body: VolumeCreateRequest): Promise<Volume> {
    if (body.ClusterVolumeSpec !== undefined && body.ClusterVolumeSpec !== null) {
      throw new EngineError('unavailable', 'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.');
    }
    const request = await this.prepare({ name: body.Name || undefined, driver: body.Driver || 'local', driverOpts: body.DriverOpts ?? null, labels: body.Labels ?? null });
    if (request.name !== undefined) await this.#forgetLost(request.name);
    const existing = request.name === undefined ? undefined : this.#store.get(request.name);
    if (existing !== undefined && body.Driver && existing.driver !== request.driver) {
      throw wrap(nameTaken(existing), `create ${existing.name}`);
    }
    const record = this.ensure(request);
    if (record.driver === 'local') this.#drivers.local.make(record.name);
    // It was made: what its plugin says of it now decides nothing any more.
    return this.#described(record).catch(() => this.#wire(record, undefined));
  }

  async inspect(name: string): Promise<Volume> {
    const record = this.#store.get(name);
    if (record !== undefined && record.state !== 'removing') return this.#described(record);
    const foreign = await this.#drivers.find(name);
    if (foreign === undefined) throw notFound(`get ${name}: no such volume`);
    return this.#wire(foreignRecord(foreign.driver.name, foreign.volume), foreign.volume);
  }

  /** `force` forgives a volume that is not there, and a plugin that does not remove it. */
  async remove(name: string, { force }: { force: boolean }): Promise<void> {
    const record = this.#store.get(name) ?? (await this.#adopt(name));
    if (record === undefined || record.state === 'removing') {
      if (force) return;
      throw notFound(`get ${name}: no such volume`);
    }
    await this.#remove(record, force);
  }

  /** Volumes of plugins and such with options are the administrator's, as in Docker. */
  async prune(filters: Filters): Promise<VolumesPruneResponse> {
    requireKnownFilters(filters, ['label', 'label!', 'all']);
    const all = parsePruneAll(filters.get('all'));
    const used = this.#store.userCounts();
    const chosen = this.#records().filter(
      (record) =>
        !used.has(record.name) &&
        record.driver === 'local' &&
        Object.keys(record.options ?? {}).length === 0 &&
        (all || record.anonymous) &&
        matchLabels(filters.get('label'), record.labels ?? {}) &&
        !(filters.get('label!') ?? []).some((label) => matchLabels([label], record.labels ?? {})),
    );
    const deleted: string[] = [];
    let reclaimed = 0;
    for (const record of chosen) {
      try {
        const size = await this.#options.measure(this.dataPath(record)).catch(() => 0);
        await this.#remove(record, false);
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

  /** Every volume with its size and how many containers use it, for disk usage. Only local ones are measured. */
  async usage(): Promise<Volume[]> {
    const used = this.#store.userCounts();
    return Promise.all(
      this.#records().map(async (record) => ({
        ...this.#wire(record, undefined),
        UsageData: {
          Size: record.driver === 'local' ? await this.#options.measure(this.dataPath(record)).catch(() => -1) : -1,
          RefCount: used.get(record.name) ?? 0,
        },
      })),
    );
  }

  /** Has a plugin make the volume, unless it is known; returns the request with a name. Nothing to do for local ones. */
  async prepare(request: VolumeRequest): Promise<VolumeRequest> {
    if (request.driver === 'local') return request;
    const name = request.name ?? newId();
    try {
      const driver = await this.#drivers.get(request.driver);
      await this.#forgetLost(name);
      const existing = this.#store.get(name);
      if (existing === undefined) await this.#lock.run(name, () => driver.create(name, request.driverOpts ?? {}));
      else if (existing.driver !== request.driver) throw nameTaken(existing);
    } catch (error) {
      throw wrap(error, `create ${name}`);
    }
    return { ...request, name, ...(request.name === undefined ? { anonymous: true } : {}) };
  }

  /**
   * The volume of that name, recorded when there is none, as part of the caller's transaction when there is one; its folder
   * appears right after. Options and labels of an existing one stay. One of a plugin must be prepared.
   */
  ensure(request: VolumeRequest, container?: ContainerId): VolumeRecord {
    const name = request.name ?? newId();
    const anonymous = request.name === undefined || request.anonymous === true;
    if (request.driver === 'local') {
      checkVolumeName(name);
      checkOptions(name, request.driverOpts ?? {});
    }
    const record: VolumeRecord = {
      name,
      driver: request.driver,
      createdAt: rfc3339Nano(BigInt(Math.floor(this.#options.clock.now() / 1000)) * 1_000_000_000n),
      labels: anonymous ? { [ANONYMOUS_LABEL]: '', ...request.labels } : request.labels === null ? null : { ...request.labels },
      options: request.driverOpts === null ? null : { ...request.driverOpts },
      anonymous,
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
      if (record.driver === 'local') this.#drivers.local.make(record.name);
      this.#options.emit({ type: 'volume', action: 'create', id: record.name, attributes: { driver: record.driver } });
    } catch (error) {
      // The container that mounts it makes the folder again, and reports why it cannot.
      this.#options.log.warn('the folder of a volume could not be made', { volume: record.name, error });
    }
  }

  /** Notes that the container mounts a volume which exists already (from `--volumes-from`). */
  use(name: string, container: ContainerId): void {
    this.#store.transaction(() => {
      const record = this.#store.get(name);
      if (record === undefined || record.state === 'removing') throw notFound(`get ${name}: no such volume`);
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
        await this.#lock.run(record.name, () => this.#erase(record));
        this.#emitDestroy(record);
      } catch (error) {
        this.#options.log.warn('anonymous volume not removed', { volume: record.name, error });
      }
    }
  }

  /** See `VolumeMounts.activate`. Costs nothing for a container without volumes. */
  async activate(container: ContainerId, options: ActivateOptions): Promise<ReadonlyMap<string, string>> {
    return this.#store.ofContainer(container).length === 0 ? new Map() : this.#mounts.activate(container, options);
  }

  async deactivate(container: ContainerId, user: VolumeUser): Promise<void> {
    await this.#mounts.deactivate(container, user);
  }

  /** At start: forgets containers that are gone, unmounts what none runs on, finishes removals. */
  async recover(containers: { known: ReadonlySet<ContainerId>; running: ReadonlySet<ContainerId> }): Promise<void> {
    await this.#mounts.recover(containers);
    for (const record of this.#store.all().filter(({ state }) => state === 'removing')) {
      // One that cannot go now stays marked for the next start; it must not keep the engine from this one.
      const work = this.#erase(record).catch((error: unknown) => this.#options.log.warn('a volume could not be tidied', { volume: record.name, error }));
      if (record.driver === 'local') await work;
    }
  }

  async #remove(record: VolumeRecord, force: boolean): Promise<void> {
    const { name } = record;
    await this.#lock.run(name, async () => {
      this.#store.transaction(() => {
        const users = this.#store.users(name);
        if (users.length > 0) throw conflict(`remove ${name}: volume is in use - [${users.join(', ')}]`);
        this.#store.setState(name, 'removing');
      });
      try {
        await this.#erase(record);
      } catch (error) {
        // A plugin's volume is still whole; local data may be half gone.
        if (record.driver === 'local') throw wrap(error, `remove ${name}`);
        if (!force) {
          this.#store.setState(name, record.state);
          throw wrap(error, `remove ${name}`);
        }
        this.#store.remove(name);
      }
    });
    this.#emitDestroy(record);
  }

  async #erase({ name, driver }: VolumeRecord): Promise<void> {
    await (await this.#drivers.get(driver)).remove(name);
    this.#store.remove(name);
  }

  #emitDestroy({ name, driver }: VolumeRecord): void {
    this.#options.emit({ type: 'volume', action: 'destroy', id: name, attributes: { driver } });
  }

  /** A plugin's volume that was made elsewhere gets a record, to be removed by. */
  async #adopt(name: string): Promise<VolumeRecord | undefined> {
    const found = await this.#drivers.find(name);
    if (found === undefined) return undefined;
    const record = foreignRecord(found.driver.name, found.volume);
    this.#store.insert(record);
    return record;
  }

  /** A name is free again when its plugin says that it has no such volume, and nobody uses it. */
  async #forgetLost(name: string): Promise<void> {
    const record = this.#store.get(name);
    if (record === undefined || record.driver === 'local' || this.#store.users(name).length > 0) return;
    try {
      const driver = await this.#drivers.get(record.driver);
      if ((await driver.look(name)) === undefined && this.#store.users(name).length === 0) this.#store.remove(name);
    } catch (error) {
      this.#options.log.debug('a plugin could not be asked for a volume', { volume: name, error });
    }
  }

  /** With what the driver has to say; a plugin that lost the volume or does not answer leaves what the record knows. */
  async #described(record: VolumeRecord): Promise<Volume> {
    if (record.driver === 'local') return this.#wire(record, undefined);
    let driver: VolumeDriver;
    let seen: DriverVolume | undefined;
    try {
      driver = await this.#drivers.get(record.driver);
      seen = await driver.look(record.name);
    } catch (error) {
      throw new EngineError(codeOf(error), `get ${record.name}: ${messageOf(error)}`, { cause: error });
    }
    if (seen === undefined) throw notFound(`get ${record.name}: no such volume`);
    return { ...this.#wire(record, seen), Scope: driver.scope };
  }

  #records(): VolumeRecord[] {
    return this.#store.all().filter((record) => record.state !== 'removing');
  }

  #wire(record: VolumeRecord, seen: DriverVolume | undefined): Volume {
    return {
      CreatedAt: seen?.createdAt ?? record.createdAt,
      Driver: record.driver,
      Labels: record.labels,
      Mountpoint: seen?.mountpoint ?? this.dataPath(record),
      Name: record.name,
      Options: record.options,
      Scope: 'local',
      ...(seen?.status === undefined ? {} : { Status: seen.status }),
    };
  }
}

const nameTaken = ({ name, driver }: VolumeRecord): EngineError => conflict(`driver '${driver}' already has volume '${name}': volume name must be unique`);

function foreignRecord(driver: string, { name, createdAt }: DriverVolume): VolumeRecord {
  return { name, driver, createdAt: createdAt ?? '', labels: null, options: null, anonymous: false, state: 'ready' };
}

function checkOptions(name: string, options: Readonly<Record<string, string>>): void {
  try {
    checkLocalOptions(options);
  } catch (error) {
    throw new EngineError('invalid_argument', `create ${name}: ${messageOf(error)}`, { cause: error });
  }
}
