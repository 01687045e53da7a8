import type { VolumeRecord } from './volume-store.ts';

/** What a driver knows of one of its volumes. */
export interface DriverVolume {
  name: string;
  /** Empty while it is not mounted and has no place. */
  mountpoint: string;
  createdAt: string | undefined;
  status: Record<string, Record<string, unknown>> | undefined;
}

/**
 * Where volumes live. The records of them are the engine's; a driver has the data. Every method may be called again after a
 * crash.
 */
export interface VolumeDriver {
  readonly scope: 'local' | 'global';
  /** Makes it; one of that name stays as it is. */
  create(name: string, options: Readonly<Record<string, string>>): Promise<void>;
  /** Removes it with its data. */
  remove(name: string): Promise<void>;
  /** Makes its files reachable for `user` until `unmount` is told the same; returns the folder. */
  mount(volume: VolumeRecord, user: string): Promise<string>;
  /** `last`: nobody else has it mounted. */
  unmount(volume: VolumeRecord, user: string, last: boolean): Promise<void>;
  /** Undefined when the driver has no such volume. */
  look(name: string): Promise<DriverVolume | undefined>;
}
