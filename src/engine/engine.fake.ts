/** A context for operations on containers, with every contact to the machine faked; files lie in a temporary folder. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '#base/clock.ts';
import { notFound } from '#base/errors.ts';
import { KeyedLock } from '#base/keyed-lock.ts';
import { silentLog } from '#base/log.ts';
import { openDatabase, type Database } from '#host/database.ts';
import { readHostFacts } from '#host/facts.ts';
import type { Jail } from '#host/jail.ts';
import { createLayout } from '#host/layout.ts';
import type { Mounts } from '#host/mount.ts';
import { FakeMachine } from '#host/runtime.fake.ts';
import type { Digest } from '#spec/digest.ts';
import type { ContainerId } from '#spec/ids.ts';
import type { ContainerCreateRequest } from '#spec/wire/container.ts';
import { Attachments } from './attachments.ts';
import { ContainerStore, containerMigrations } from './container-store.ts';
import { ContainerWaits } from './container-waits.ts';
import type { ContainerContext } from './context.ts';
import { draftContainer, insertContainer } from './create.ts';
import { eventMigrations, Events, type StampedEvent } from './events.ts';
import { ExecStore, execMigrations } from './exec-store.ts';
import { Execs } from './execs.ts';
import { Health } from './health.ts';
import { Lifecycle } from './lifecycle.ts';
import { dockerDefaults } from './oci/defaults.ts';
import { SeccompCache } from './oci/seccomp-cache.ts';
import type { Images, Networks, Sandbox } from './ports.ts';
import { Rootfs } from './rootfs.ts';
import { Volumes } from './volumes.ts';
import { volumeMigrations, VolumeStore } from './volume-store.ts';

const image = `sha256:${'a'.repeat(64)}` as Digest;

export class FakeEngine implements Disposable {
  readonly machine = new FakeMachine();
  readonly folder = mkdtempSync(join(tmpdir(), 'gantry-engine-'));
  readonly database: Database;
  readonly events: Events;
  readonly context: ContainerContext;
  readonly execs: Execs;
  readonly health: Health;
  readonly lifecycle: Lifecycle;
  readonly mounted = new Set<string>();
  readonly sandboxes = new Map<ContainerId, Sandbox>();
  readonly held = new Map<string, Digest>();
  /** Set to make the next sandbox fail. */
  networkFailure: Error | undefined;

  constructor() {
    const layout = createLayout(join(this.folder, 'root'), join(this.folder, 'run'));
    for (const path of [layout.containers, layout.volumes, layout.tmp, layout.exits, layout.runtimeState]) mkdirSync(path, { recursive: true });
    this.database = openDatabase(':memory:', [...containerMigrations, ...execMigrations, ...eventMigrations, ...volumeMigrations]);
    this.events = new Events(this.database, systemClock);
    const mounts = this.#mounts();
    const images = this.#images();
    const { monitor, runtime } = this.machine;
    this.context = {
      layout, mounts, images, monitor,
      log: silentLog,
      clock: systemClock,
      store: new ContainerStore(this.database),
      events: this.events,
      waits: new ContainerWaits(),
      attachments: new Attachments(monitor),
      rootfs: new Rootfs({ layout, mounts, images }),
      networks: this.#networks(),
      volumes: new Volumes({
        store: new VolumeStore(this.database), root: layout.volumes, mounts, measure: async () => 0, clock: systemClock, emit: this.events.emit, log: silentLog,
      }),
      jail: {} as Jail,
      runtime: () => runtime,
      processes: this.machine.table,
      facts: readHostFacts({ rootless: true, cdiDirs: [] }),
      defaults: dockerDefaults,
      filters: new SeccompCache({ folder: join(this.folder, 'filters'), runtime: 'fake' }),
      cgroupParent: '/gantry-test',
      changes: new KeyedLock(),
    };
    this.execs = new Execs(this.context, new ExecStore(this.database));
    this.health = new Health(this.context, this.execs);
    this.lifecycle = new Lifecycle(this.context, this.health);
    monitor.watchExits(layout.exits, (id, status) => void this.lifecycle.ended(id as ContainerId, status));
  }

  create(body: Partial<ContainerCreateRequest> = {}, name?: string): ContainerId {
    return insertContainer(this.context, draftContainer(this.context, { name, platform: undefined, body: { Image: 'busybox', Cmd: ['sleep', '9'], ...body } })).id;
  }

  status(id: ContainerId): string | undefined {
    return this.context.store.get(id)?.life.status;
  }

  /** Everything that was emitted, as `type action`. */
  told(): string[] {
    return this.database.handle
      .prepare('SELECT body FROM event ORDER BY at')
      .all()
      .map((row) => JSON.parse(String(row['body'])) as StampedEvent)
      .map(({ type, action }) => `${type} ${action}`);
  }

  /** Resolves when the container's state satisfies the condition. */
  async until(id: ContainerId, condition: (status: string | undefined) => boolean): Promise<void> {
    while (!condition(this.status(id))) await new Promise((resolve) => setImmediate(resolve));
  }

  [Symbol.dispose](): void {
    this.lifecycle.close();
    this.health.close();
    this.database.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #mounts(): Mounts {
    return {
      overlay: ({ target }) => void this.mounted.add(target),
      bind: (_source, target) => void this.mounted.add(target),
      tmpfs: (target) => void this.mounted.add(target),
      unmount: (target) => this.mounted.delete(target),
      list: (prefix) => [...this.mounted].filter((target) => target.startsWith(prefix)).map((target) => ({ target, type: '', source: '', root: '/' })),
    };
  }

  #images(): Images {
    const lookup: Images['lookup'] = (reference) => {
      if (reference !== 'busybox' && reference !== image) throw notFound(`No such image: ${reference}:latest`);
      return {
        id: image, platform: { os: 'linux', architecture: 'amd64' }, layers: ['/layer'], size: 1,
        config: { os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [] }, config: { Cmd: ['sh'] } },
      };
    };
    return {
      prepare: async () => {},
      lookup,
      find: lookup,
      hold: (digest, owner) => void this.held.set(owner, digest),
      release: (owner) => void this.held.delete(owner),
      displayName: (_digest, given) => given,
    };
  }

  #networks(): Networks {
    return {
      nameOf: (name) => {
        if (name !== 'bridge') throw notFound(`network ${name} not found`);
        return name;
      },
      check: () => {},
      up: async ({ container }) => {
        const failure = this.networkFailure;
        this.networkFailure = undefined;
        if (failure) throw failure;
        const sandbox: Sandbox = { id: 's', netnsPath: '/run/netns/s', endpoints: {}, ports: {}, hosts: 'hosts', resolvConf: 'resolv' };
        this.sandboxes.set(container, sandbox);
        this.events.emit({ type: 'network', action: 'connect', id: 'n', attributes: { container } });
        return sandbox;
      },
      down: async (container) => {
        if (this.sandboxes.delete(container)) this.events.emit({ type: 'network', action: 'disconnect', id: 'n', attributes: { container } });
      },
      find: (container) => this.sandboxes.get(container),
      hostFiles: () => ({ hosts: '', resolvConf: '' }),
      renamed: async () => {},
      recover: async () => {},
    };
  }
}
