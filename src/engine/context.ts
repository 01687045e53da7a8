import type { Clock } from '#base/clock.ts';
import type { KeyedLock } from '#base/keyed-lock.ts';
import type { Log } from '#base/log.ts';
import type { HostFacts } from '#host/facts.ts';
import type { Jail } from '#host/jail.ts';
import type { Layout } from '#host/layout.ts';
import type { Mounts } from '#host/mount.ts';
import type { Monitor, Processes, Runtime } from '#host/runtime.ts';
import type { EngineEvent } from '#spec/event.ts';
import type { ContainerId } from '#spec/ids.ts';
import type { Attachments } from './attachments.ts';
import type { ContainerRecord } from './container-record.ts';
import type { ContainerStore } from './container-store.ts';
import type { ContainerWaits } from './container-waits.ts';
import type { ContainerDefaults } from './oci/input.ts';
import type { SeccompCache } from './oci/seccomp-cache.ts';
import type { Images, Networks } from './ports.ts';
import type { Rootfs } from './rootfs.ts';
import type { Volumes } from './volumes.ts';

/** What the operations on containers share. Each operation is a function or class that takes the part it uses. */
export interface ContainerContext {
  layout: Layout;
  log: Log;
  clock: Clock;
  store: ContainerStore;
  events: { emit(event: EngineEvent): void };
  waits: ContainerWaits;
  attachments: Attachments;
  rootfs: Rootfs;
  images: Images;
  networks: Networks;
  volumes: Volumes;
  mounts: Mounts;
  jail: Jail;
  monitor: Monitor;
  /** By name, as `HostConfig.Runtime` gives it. Throws invalid_argument for an unknown one. */
  runtime(name: string | undefined): Runtime;
  processes: Processes;
  facts: HostFacts;
  defaults: ContainerDefaults;
  /** Compiled system call filters, for crun. */
  filters: SeccompCache;
  /** Parent of all cgroups when neither container nor configuration names one. */
  cgroupParent: string;
  /** Start, cleanup and removal of one container exclude each other. Signals, list and inspect never take it. */
  changes: KeyedLock;
}

/** A container's event: its labels, image and name, then what the event adds. */
export function emitContainer(
  context: Pick<ContainerContext, 'events'>,
  record: Pick<ContainerRecord, 'id' | 'name' | 'config'>,
  action: string,
  attributes: Readonly<Record<string, string>> = {},
): void {
  const { id, name, config } = record;
  context.events.emit({ type: 'container', action, id, attributes: { ...config.Labels, ...attributes, image: config.Image ?? '', name } });
}

/** Who holds the image of a container's image mount. */
export const imageMountOwner = (id: ContainerId, index: number): ContainerId => `${id}/${index}` as ContainerId;

export const isContainerMode = (mode: string | undefined): mode is `container:${string}` => mode?.startsWith('container:') ?? false;

/** The container a mode `container:<x>` names. */
export function modeTarget(store: ContainerStore, mode: string): ContainerRecord {
  return store.find(mode.slice('container:'.length));
}
