import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { getSystemErrorMessage } from 'node:util';
import { EngineError, messageOf } from '#base/errors.ts';
import { mount } from '#host/kernel.ts';
import type { Mounts } from '#host/mount.ts';
import type { DriverVolume, VolumeDriver } from './volume-driver.ts';
import { localMount } from './volume-options.ts';
import type { VolumeRecord } from './volume-store.ts';

interface LocalVolumesOptions {
  /** `<layout>/volumes`. */
  root: string;
  mounts: Pick<Mounts, 'list' | 'unmount'>;
}

/** The `local` driver: `<root>/<name>/_data`, with something mounted there while in use when the options say so. */
export class LocalVolumes implements VolumeDriver {
  readonly scope = 'local';
  readonly #root: string;
  readonly #mounts: LocalVolumesOptions['mounts'];

  constructor({ root, mounts }: LocalVolumesOptions) {
    this.#root = root;
    this.#mounts = mounts;
  }

  path(name: string): string {
    return join(this.#root, name, '_data');
  }

  async create(name: string): Promise<void> {
    this.make(name);
  }

  /** Makes the folder unless it is there. */
  make(name: string): void {
    mkdirSync(this.path(name), { recursive: true, mode: 0o755 });
  }

  async remove(name: string): Promise<void> {
    const path = this.path(name);
    while (this.#mounts.list(path).length > 0 && this.#mounts.unmount(path));
    // Deleting through a mount that is left would delete what it shows.
    if (this.#mounts.list(path).length > 0) throw new EngineError('internal', 'the volume is still mounted');
    await rm(join(this.#root, name), { recursive: true, force: true });
  }

  async mount({ name, options }: VolumeRecord): Promise<string> {
    this.make(name);
    const path = this.path(name);
    if (hasMount(options)) await this.#mount(options ?? {}, path);
    return path;
  }

  async unmount(volume: VolumeRecord, _user: string, last: boolean): Promise<void> {
    if (last) this.settle(volume);
  }

  /** Takes away what is mounted for the volume. */
  settle({ name, options }: Pick<VolumeRecord, 'name' | 'options'>): void {
    if (!hasMount(options)) return;
    const path = this.path(name);
    while (this.#mounts.list(path).length > 0 && this.#mounts.unmount(path));
  }

  async look(name: string): Promise<DriverVolume | undefined> {
    return { name, mountpoint: this.path(name), createdAt: undefined, status: undefined };
  }

  async #mount(options: Readonly<Record<string, string>>, path: string): Promise<void> {
    if (this.#mounts.list(path).some(({ target }) => target === path)) return;
    const { source, type, flags, data } = await localMount(options);
    try {
      mount(source, path, type, flags, data === '' ? null : data);
    } catch (error) {
      const facts = [`${source}:${path}`, ...(flags === 0 ? [] : [`flags: 0x${flags.toString(16)}`]), ...(data === '' ? [] : [`data: ${data}`])];
      const why = error instanceof Error && 'errno' in error && typeof error.errno === 'number' ? getSystemErrorMessage(error.errno) : messageOf(error);
      throw new EngineError('internal', `error while mounting volume '${path}': failed to mount local volume: mount ${facts.join(', ')}: ${why}`, { cause: error });
    }
  }
}

/** Whether something is mounted on the folder: a bare size limit is none. */
export const hasMount = (options: Readonly<Record<string, string>> | null): boolean => options !== null && options['device'] !== undefined;
