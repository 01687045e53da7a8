import { createdFilter } from './prune-filter.ts';
import { conflict, EngineError, invalid, notImplemented, wrap } from '#base/errors.ts';
import type { CgroupHierarchies } from '#host/cgroup.ts';
import { cgroupPids } from '#host/cgroup.ts';
import { isVisitor } from '#host/cgroup-entry.ts';
import type { Filters } from '#spec/filters.ts';
import { familiarString, parseTarget } from '#spec/reference.ts';
import type { ArchiveStat, AttachOptions, LogBatch, LogOptions, StdioSession } from '#spec/streams.ts';
import type {
  ContainerCreateResponse,
  ContainerInspectResponse,
  ContainersPruneResponse,
  ContainerSummary,
  ContainerTopResponse,
  ContainerUpdateRequest,
  ContainerUpdateResponse,
  ContainerWaitResponse,
  FilesystemChange,
  IDResponse,
} from '#spec/wire/container.ts';
import type { ContainerStatsResponse } from '#spec/wire/stats.ts';
import { newId } from '#base/ids.ts';
import type { ArchivedContainer, ArchivedRoot, Archives, HeldRoot } from './archive.ts';
import { commitOf, type CommitImage, type CommitRequest } from './commit.ts';
import { emitContainer, type ContainerContext } from './context.ts';
import { parseContainerName } from './container-names.ts';
import type { ContainerRecord } from './container-record.ts';
import { countsAsRunning, hasProcess } from './container-state.ts';
import { inspectView } from './container-view.ts';
import { createContainer, type CreateRequest } from './create.ts';
import type { Execs } from './execs.ts';
import type { Lifecycle } from './lifecycle.ts';
import { listContainers, sizesOf, type ListOptions } from './list.ts';
import { removeLink, shownLinks, throughLink } from './links.ts';
import { logPolicy } from './logs/log-config.ts';
import { type LogSource, openSources } from './logs/log-files.ts';
import { openLogs } from './logs/open-logs.ts';
import { apparmorProfile } from './oci/apparmor.ts';
import { decideUpdate } from './oci/update.ts';
import { resolveUser } from './oci/users.ts';
import { rootFiles } from './oci/root-files.ts';
import { cgroupPath } from './start.ts';
import { readStats, statsOf } from './stats.ts';
import { topOf } from './top.ts';
import { volumeFillers } from './volume-fill.ts';
import type { WaitCondition } from './container-waits.ts';

export interface ContainersOptions {
  context: ContainerContext;
  lifecycle: Lifecycle;
  execs: Pick<Execs, 'ofContainer' | 'containerRemoved'>;
  archives: Archives;
  cgroups: CgroupHierarchies;
  commitImage: CommitImage;
  networkId: (name: string) => string | undefined;
}

/** Containers as the API serves them. Names are a full id, a unique prefix or a name. */
export class Containers {
  readonly #options: ContainersOptions;
  readonly #context: ContainerContext;

  constructor(options: ContainersOptions) {
    this.#options = options;
    this.#context = options.context;
  }

  list(options: ListOptions): Promise<ContainerSummary[]> {
    return listContainers({ ...this.#context, archives: this.#options.archives, networkId: this.#options.networkId }, options);
  }

  async create(request: CreateRequest): Promise<ContainerCreateResponse> {
    if (request.platform) await this.#context.images.prepare(request.body.Image ?? '', request.platform);
    return await createContainer(this.#context, request);
  }

  async inspect(name: string, options: { size: boolean }): Promise<ContainerInspectResponse> {
    const record = this.#find(name);
    const { rootfs, layout, networks } = this.#context;
    const execIds = this.#options.execs.ofContainer(record.id);
    return inspectView(record, {
      folder: layout.container(record.id),
      sandbox: hasProcess(record.life) ? networks.find(record.id) : undefined,
      networkId: this.#options.networkId,
      apparmorProfile: apparmorProfile(record.hostConfig, this.#context.facts),
      logPath: record.hostConfig.LogConfig?.Type === 'none' ? '' : `${layout.container(record.id)}/log`,
      links: shownLinks(this.#context, record),
      execIds: execIds.length > 0 ? execIds : null,
      layers: layersOf(() => rootfs.lower(record)),
      sizes: options.size ? await sizesOf({ ...this.#context, archives: this.#options.archives }, record) : undefined,
    });
  }

  async start(name: string, _options: { detachKeys: string | undefined }): Promise<void> {
    await this.#options.lifecycle.start(this.#find(name).id);
  }

  async stop(name: string, options: { signal: string | undefined; timeout: number | undefined }): Promise<void> {
    await this.#options.lifecycle.stop(this.#find(name).id, options);
  }

  async restart(name: string, options: { signal: string | undefined; timeout: number | undefined }): Promise<void> {
    await this.#options.lifecycle.restart(this.#find(name).id, options);
  }

  async kill(name: string, signal: string | undefined): Promise<void> {
    await this.#options.lifecycle.kill(this.#toKill(name).id, name, signal);
  }

  async pause(name: string): Promise<void> {
    await this.#options.lifecycle.pause(this.#find(name).id);
  }

  async unpause(name: string): Promise<void> {
    await this.#options.lifecycle.unpause(this.#find(name).id);
  }

  async rename(name: string, to: string): Promise<void> {
    const { store } = this.#context;
    const record = this.#find(name);
    if (to === '') throw invalid('Neither old nor new names may be empty');
    let wanted: string;
    try {
      wanted = parseContainerName(to.startsWith('/') ? to : `/${to}`);
    } catch (error) {
      throw invalid(`Error when allocating new name: ${(error as Error).message}`, { cause: error });
    }
    if (wanted === record.name) throw invalid('Renaming a container with the same name as its current name');
    store.transaction(() => {
      let renamed: ContainerRecord;
      try {
        renamed = store.redefine(record.id, { name: wanted });
      } catch (error) {
        throw error instanceof EngineError ? conflict(`Error when allocating new name: ${error.message}`, { cause: error }) : error;
      }
      emitContainer(this.#context, renamed, 'rename', { oldName: `/${record.name}` });
    });
    await this.#context.networks.renamed(record.id, wanted);
  }

  async update(name: string, body: ContainerUpdateRequest): Promise<ContainerUpdateResponse> {
    const { store, facts } = this.#context;
    const record = this.#find(name);
    if (record.life.status === 'removing' || record.life.status === 'dead') {
      throw conflict(`Cannot update container ${record.id}: container is marked for removal and cannot be "update"`);
    }
    const { hostConfig, resources, warnings } = decideUpdate({ id: record.id, current: record.hostConfig, request: body, facts });
    if (resources !== undefined && hasProcess(record.life)) {
      await this.#context.runtime(record.hostConfig.Runtime ?? undefined).update(record.id, resources);
    }
    store.transaction(() => emitContainer(this.#context, store.redefine(record.id, { hostConfig }), 'update'));
    return { Warnings: warnings.length > 0 ? warnings : null };
  }

  async remove(name: string, options: { volumes: boolean; force: boolean; link: boolean }): Promise<void> {
    if (options.link) return removeLink(this.#context, name);
    const { id } = this.#find(name);
    await this.#options.lifecycle.remove(id, options);
    this.#options.execs.containerRemoved(id);
  }

  async prune(filters: Filters): Promise<ContainersPruneResponse> {
    const { store, log, events, clock } = this.#context;
    const matches = createdFilter(filters, clock.now());
    const deleted: string[] = [];
    let reclaimed = 0;
    for (const record of [...store.all()]) {
      if (countsAsRunning(record.life.status) || record.life.status === 'removing' || record.starting || !matches(record)) continue;
      try {
        const size = await this.#options.archives.size({ upper: this.#context.rootfs.upper(record.id) });
        await this.#options.lifecycle.remove(record.id, { volumes: false, force: false });
        this.#options.execs.containerRemoved(record.id);
        deleted.push(record.id);
        reclaimed += size;
      } catch (error) {
        log.warn('a container was not pruned', { container: record.id, error });
      }
    }
    events.emit({ type: 'container', action: 'prune', id: '', attributes: { reclaimed: String(reclaimed) } });
    return { ContainersDeleted: deleted, SpaceReclaimed: reclaimed };
  }

  async wait(name: string, condition: WaitCondition, signal: AbortSignal): Promise<{ done: Promise<ContainerWaitResponse> }> {
    const record = this.#find(name);
    const ended = condition === 'not-running' && !countsAsRunning(record.life.status);
    return { done: ended ? Promise.resolve(lastExit(record)) : this.#context.waits.next(record.id, condition, signal) };
  }

  async top(name: string, psArgs: string): Promise<ContainerTopResponse> {
    const record = this.#find(name);
    if (record.life.status === 'restarting') throw conflict(`Container ${record.id} is restarting, wait until the container is running`);
    if (!hasProcess(record.life)) throw conflict(`container ${record.id} is not running`);
    const processes = await topOf(psArgs, cgroupPids(this.#options.cgroups, cgroupPath(this.#context, record)).filter((pid) => !isVisitor(pid)));
    emitContainer(this.#context, record, 'top');
    return processes;
  }

  async stats(name: string, options: { stream: boolean; oneShot: boolean }, signal: AbortSignal): Promise<AsyncIterable<ContainerStatsResponse>> {
    const { store, clock } = this.#context;
    const { id } = this.#find(name);
    return statsOf(
      {
        id,
        name: () => store.get(id)?.name ?? '',
        read: () => {
          const record = store.get(id);
          return record && hasProcess(record.life)
            ? readStats(this.#options.cgroups, clock, { pid: record.life.process.pid, cgroupPath: cgroupPath(this.#context, record) })
            : undefined;
        },
        clock,
        ...options,
        exists: () => store.get(id) !== undefined,
      },
      signal,
    );
  }

  async logs(name: string, options: LogOptions, signal: AbortSignal): Promise<{ tty: boolean; batches: AsyncIterable<LogBatch> }> {
    const record = this.#find(name);
    if (!options.stdout && !options.stderr) throw invalid('Bad parameters: you must choose at least one stream');
    const policy = policyOf(record);
    if (!policy.stored) throw notImplemented('configured logging driver does not support reading');
    // Opened now: a client that sees the head may remove the container before the first line is read.
    const held = await openSources(this.#context.layout.container(record.id));
    return { tty: record.config.Tty ?? false, batches: this.#openLogs(record, options, signal, policy.attributes, held) };
  }

  #openLogs({ id }: ContainerRecord, options: LogOptions, signal: AbortSignal, attributes: Readonly<Record<string, string>>, held?: LogSource[]): AsyncIterable<LogBatch> {
    const { store, layout } = this.#context;
    const running = (): boolean => {
      const record = store.get(id);
      return record !== undefined && (countsAsRunning(record.life.status) || record.starting);
    };
    return openLogs({ dir: layout.container(id), options, running, signal, attributes, held });
  }

  async attach(name: string, options: AttachOptions): Promise<StdioSession> {
    const record = this.#find(name);
    if (record.life.status === 'paused') throw conflict(`container ${record.id} is paused, unpause the container before attach`);
    if (record.life.status === 'restarting') throw conflict(`container ${record.id} is restarting, wait until the container is running`);
    const replay: LogOptions = {
      stdout: options.stdout, stderr: options.stderr, follow: false, since: undefined, until: undefined, timestamps: false, details: false, tail: undefined,
    };
    const session = await this.#context.attachments.open({
      id: record.id,
      bundle: this.#context.layout.bundle(record.id),
      tty: record.config.Tty ?? false,
      openStdin: record.config.OpenStdin ?? false,
      running: hasProcess(record.life),
      options,
      logs: options.logs && policyOf(record).stored ? this.#openLogs(record, replay, new AbortController().signal, {}) : undefined,
      detached: () => emitContainer(this.#context, this.#context.store.get(record.id) ?? record, 'detach'),
    });
    emitContainer(this.#context, record, 'attach');
    return session;
  }

  async resize(name: string, size: { height: number; width: number }): Promise<void> {
    const record = this.#find(name);
    if (!hasProcess(record.life)) throw conflict(`container ${record.id} is not running`);
    await this.#context.monitor.resize(this.#context.layout.bundle(record.id), size);
    emitContainer(this.#context, record, 'resize', { height: String(size.height), width: String(size.width) });
  }

  async changes(name: string): Promise<FilesystemChange[]> {
    return this.#options.archives.changes(this.#root(this.#find(name)));
  }

  async export(name: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const record = this.#find(name);
    const tar = this.#options.archives.export(this.#root(record), signal);
    emitContainer(this.#context, record, 'export');
    return tar;
  }

  async archiveStat(name: string, path: string): Promise<ArchiveStat> {
    const record = this.#find(name);
    return this.#options.archives.stat(name, this.#archived(record), this.#root(record), path);
  }

  async archiveGet(name: string, path: string, signal: AbortSignal): Promise<{ stat: ArchiveStat; tar: AsyncIterable<Uint8Array> }> {
    const record = this.#find(name);
    const got = await this.#options.archives.get(name, this.#archived(record), this.#root(record), path, signal);
    emitContainer(this.#context, record, 'archive-path');
    return got;
  }

  async archivePut(name: string, path: string, tar: AsyncIterable<Uint8Array>, options: { noOverwriteDirNonDir: boolean; copyUidGid: boolean }): Promise<void> {
    const record = this.#find(name);
    const root = this.#root(record);
    const owner = options.copyUidGid && record.config.User ? ownerOf(record, root) : undefined;
    await this.#options.archives.put(name, this.#archived(record), root, path, tar, { noOverwriteDirNonDir: options.noOverwriteDirNonDir, owner });
    emitContainer(this.#context, record, 'extract-to-dir');
  }

  async commit(name: string, request: CommitRequest): Promise<IDResponse> {
    const record = this.#find(name);
    return commitOf(
      {
        image: this.#options.commitImage,
        changedPaths: () => this.#options.archives.changedPaths(this.#root(record)),
        upper: this.#context.rootfs.upper(record.id),
        pause: () => this.#options.lifecycle.pause(record.id),
        unpause: () => this.#options.lifecycle.unpause(record.id),
        committed: (image) => emitContainer(this.#context, record, 'commit', { comment: request.comment, imageID: image, imageRef: request.repo ? familiarString(parseTarget(request.repo, request.tag)) : '' }),
      },
      record,
      request,
    );
  }

  #toKill(name: string): ContainerRecord {
    try {
      return this.#find(name);
    } catch (error) {
      throw wrap(error, `cannot kill container: ${name}`);
    }
  }

  #find(name: string): ContainerRecord {
    return throughLink(this.#context, name)?.other ?? this.#context.store.find(name);
  }

  #archived({ id, hostConfig }: ContainerRecord): ArchivedContainer {
    return { id, readOnly: hostConfig.ReadonlyRootfs ?? false, folder: this.#context.layout.container(id) };
  }

  #root(record: ContainerRecord): ArchivedRoot {
    const { rootfs } = this.#context;
    return {
      acquire: () => rootfs.acquire(record),
      release: () => rootfs.release(record.id),
      open: () => this.#open(record),
      upper: rootfs.upper(record.id),
      lower: rootfs.lower(record),
      point: rootfs.point(),
    };
  }

  async #open(record: ContainerRecord): Promise<HeldRoot> {
    const { rootfs, volumes, jail } = this.#context;
    const { id, mounts } = record;
    const user = `copy-${newId()}` as const;
    const merged = rootfs.acquire(record);
    try {
      const folders = await volumes.activate(id, { user, fillers: volumeFillers(mounts, merged, jail), mounts });
      return {
        merged,
        mounts: mounts.map((mount) => (mount.type === 'volume' ? { ...mount, source: folders.get(mount.name) ?? mount.source } : mount)),
        [Symbol.asyncDispose]: async () => {
          await volumes.deactivate(id, user);
          rootfs.release(id);
        },
      };
    } catch (error) {
      rootfs.release(id);
      throw error;
    }
  }
}

const lastExit = (record: ContainerRecord): ContainerWaitResponse => ({
  StatusCode: record.exitCode,
  ...(record.error === '' ? {} : { Error: { Message: record.error } }),
});

function policyOf({ hostConfig, config }: ContainerRecord): ReturnType<typeof logPolicy> {
  return logPolicy(
    { type: hostConfig.LogConfig?.Type ?? '', options: hostConfig.LogConfig?.Config ?? {} },
    { labels: config.Labels ?? {}, env: config.Env ?? [] },
  );
}

/** An image that is gone must not keep inspect from answering. */
function layersOf(lower: () => readonly string[]): readonly string[] {
  try {
    return lower();
  } catch {
    return [];
  }
}

/** The container's own user, for a copy that is to belong to it. */
function ownerOf(record: ContainerRecord, root: ArchivedRoot): { uid: number; gid: number } {
  const merged = root.acquire();
  try {
    const { uid, gid } = resolveUser(record.config.User ?? '', [], rootFiles(merged));
    return { uid, gid };
  } finally {
    root.release();
  }
}
