import { join } from 'node:path';
import { conflict } from '#base/errors.ts';
import type { ContainerRecord } from './container-record.ts';
import { hasProcess } from './container-state.ts';
import { isContainerMode, modeTarget, type ContainerContext } from './context.ts';
import type { NamespaceChoice, SpecInput } from './oci/input.ts';

/** How a container gets its network. */
export type NetworkPlan =
  | { kind: 'sandbox' }
  | { kind: 'host' }
  | { kind: 'none' }
  | { kind: 'container'; other: ContainerRecord };

type Store = Pick<ContainerContext, 'store'>;

export function networkPlan({ store }: Store, record: Pick<ContainerRecord, 'hostConfig' | 'config'>): NetworkPlan {
  const mode = record.hostConfig.NetworkMode ?? '';
  if (isContainerMode(mode)) return { kind: 'container', other: modeTarget(store, mode) };
  if (mode === 'host') return { kind: 'host' };
  return mode === 'none' || record.config.NetworkDisabled === true ? { kind: 'none' } : { kind: 'sandbox' };
}

/** The namespaces of modes; a sandbox's path is filled in when it is up. Throws conflict when the other does not run. */
export function namespaceChoices(context: Store, record: ContainerRecord, network: NetworkPlan): SpecInput['namespaces'] {
  const { hostConfig } = record;
  return {
    network:
      network.kind === 'container' ? joined(network.other, 'net', 'network') : network.kind === 'host' ? { kind: 'host' } : { kind: 'private' },
    pid: choice(context, hostConfig.PidMode, 'pid', 'PID'),
    ipc: choice(context, hostConfig.IpcMode, 'ipc', 'IPC'),
    uts: { kind: hostConfig.UTSMode === 'host' ? 'host' : 'private' },
    cgroup: { kind: hostConfig.CgroupnsMode === 'private' ? 'private' : 'host' },
  };
}

function choice({ store }: Store, mode: string | undefined, type: string, label: string): NamespaceChoice {
  if (mode === 'host') return { kind: 'host' };
  return isContainerMode(mode) ? joined(modeTarget(store, mode), type, label) : { kind: 'private' };
}

function joined(other: ContainerRecord, type: string, label: string): NamespaceChoice {
  if (!hasProcess(other.life)) throw conflict(`cannot join ${label} namespace of a non running container: ${other.id}`);
  return { kind: 'join', path: `/proc/${other.life.process.pid}/ns/${type}` };
}

/** Where a shareable container's /dev/shm lies on the host. */
export const shmFolder = ({ layout }: Pick<ContainerContext, 'layout'>, id: string): string => join(layout.bundle(id), 'shm');

/** The host tmpfs to bind on /dev/shm, and whether this container is the one to make it. */
export function shmPlan(context: Store & Pick<ContainerContext, 'layout'>, record: ContainerRecord): { source: string; make: boolean } | undefined {
  const mode = record.hostConfig.IpcMode ?? '';
  if (mode === 'host') return { source: '/dev/shm', make: false };
  if (mode === 'shareable') return { source: shmFolder(context, record.id), make: true };
  if (!isContainerMode(mode)) return undefined;
  const other = modeTarget(context.store, mode);
  if (other.hostConfig.IpcMode === 'host') return { source: '/dev/shm', make: false };
  if (other.hostConfig.IpcMode !== 'shareable') {
    throw conflict(`failed to join IPC namespace: container ${other.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`);
  }
  return { source: shmFolder(context, other.id), make: false };
}
