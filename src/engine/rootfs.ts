import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { wrap } from '#base/errors.ts';
import type { Layout } from '#host/layout.ts';
import type { Mounts } from '#host/mount.ts';
import type { ContainerId } from '#spec/ids.ts';
import type { ContainerRecord } from './container-record.ts';
import type { Images } from './ports.ts';
import { prepareInitLayer, withInitLayer } from './oci/init-layer.ts';

export interface RootfsOptions {
  layout: Layout;
  mounts: Mounts;
  images: Pick<Images, 'lookup'>;
  /** More overlayfs options, e.g. `userxattr`. */
  overlayOptions?: readonly string[];
}

/**
 * The mounted root file systems of containers. Each user of one (the run, a copy into a stopped container) acquires it
 * and releases it; the last release unmounts. A crash leaves mounts, which `recover` takes away.
 */
export class Rootfs {
  readonly #options: RootfsOptions;
  readonly #users = new Map<ContainerId, number>();
  readonly #initLayer: string;
  #initLayerReady = false;

  constructor(options: RootfsOptions) {
    this.#options = options;
    this.#initLayer = join(options.layout.root, 'init-layer');
  }

  path(id: ContainerId): string {
    return join(this.#options.layout.container(id), 'merged');
  }

  upper(id: ContainerId): string {
    return join(this.#options.layout.container(id), 'upper');
  }

  /** An empty folder for a worker to mount on in a mount namespace of its own. */
  point(): string {
    const path = join(this.#options.layout.tmp, 'mount-point');
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return path;
  }

  /** overlayfs lower folders, topmost first. Throws not_found when the image is gone. */
  lower(record: Pick<ContainerRecord, 'image'>): readonly string[] {
    return withInitLayer(this.#initLayer, this.#options.images.lookup(record.image).layers);
  }

  /** Mounts it unless it is mounted; returns where. */
  acquire(record: Pick<ContainerRecord, 'id' | 'image' | 'name'>): string {
    const { id } = record;
    const target = this.path(id);
    const users = this.#users.get(id) ?? 0;
    if (users === 0) this.#mount(record, target);
    this.#users.set(id, users + 1);
    return target;
  }

  release(id: ContainerId): void {
    const users = this.#users.get(id) ?? 0;
    if (users > 1) {
      this.#users.set(id, users - 1);
      return;
    }
    this.#users.delete(id);
    this.#options.mounts.unmount(this.path(id));
  }

  /** True while somebody holds it. */
  isHeld(id: ContainerId): boolean {
    return this.#users.has(id);
  }

  /** At start: keeps the roots of containers that run, unmounts every other. */
  recover(running: ReadonlySet<ContainerId>): void {
    const { mounts, layout } = this.#options;
    for (const id of running) this.#users.set(id, 1);
    for (const { target } of mounts.list(layout.containers).reverse()) {
      const id = target.slice(layout.containers.length + 1).split('/', 1)[0] as ContainerId;
      if (!running.has(id)) mounts.unmount(target);
    }
  }

  #mount(record: Pick<ContainerRecord, 'id' | 'image' | 'name'>, target: string): void {
    const folder = this.#options.layout.container(record.id);
    const [upper, work] = [join(folder, 'upper'), join(folder, 'work')];
    if (!this.#initLayerReady) {
      prepareInitLayer(this.#initLayer);
      this.#initLayerReady = true;
    }
    mkdirSync(folder, { recursive: true, mode: 0o710 });
    for (const path of [upper, work, target]) mkdirSync(path, { recursive: true, mode: 0o755 });
    try {
      this.#options.mounts.overlay({ lower: this.lower(record), upper, work, target, options: this.#options.overlayOptions ?? [] });
    } catch (error) {
      throw wrap(error, `could not mount the root file system of container ${record.name}`);
    }
  }
}
