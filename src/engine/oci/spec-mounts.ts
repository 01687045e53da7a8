import { invalid } from '#base/errors.ts';
import { initRefusal } from '#host/refusal.ts';
import type { SpecMount } from '#spec/oci-runtime.ts';
import type { PlannedMount, SpecInput } from './input.ts';
import type { MountSource } from './mount-source.ts';
import { idMaps } from './namespaces.ts';
import type { SecurityOptions } from './security-options.ts';

const DEFAULT_SHM_SIZE = 64 << 20;

/**
 * Every mount of the container in the order the runtime makes them: kernel file systems, then the user's with parents
 * before children, then the files the engine provides. A user's mount replaces a default one at the same place.
 */
export function specMounts(input: SpecInput, security: SecurityOptions, sourceOf: (mount: PlannedMount) => MountSource): SpecMount[] {
  const user = new Set(input.mounts.map((mount) => mount.destination));
  for (const mount of input.mounts) checkProcDestination(mount.destination);
  const defaults = kernelMounts(input, security).filter(
    ({ destination }) => !user.has(destination) && !(user.has('/dev') && destination.startsWith('/dev/')),
  );
  const files = fileMounts(input).filter(({ destination }) => !user.has(destination));
  const planned = input.mounts.map((mount) => userMount(mount, sourceOf(mount)));
  // The files come after a user's mount on /etc, and before one below them.
  return [...defaults, ...[...files, ...planned].sort((a, b) => depth(a.destination) - depth(b.destination))];
}

function kernelMounts(input: SpecInput, security: SecurityOptions): SpecMount[] {
  const { hostConfig, namespaces } = input;
  const privileged = hostConfig.Privileged === true;
  const access = privileged ? 'rw' : 'ro';
  const cgroupAccess = (security.writableCgroups ?? privileged) ? 'rw' : 'ro';
  const inUserNamespace = idMaps(input) !== undefined || input.facts.rootless;
  // A user namespace may mount sysfs only together with a network namespace of its own.
  const sysfs: SpecMount =
    inUserNamespace && namespaces.network.kind === 'host'
      ? { destination: '/sys', type: 'none', source: '/sys', options: ['rbind', 'nosuid', 'noexec', 'nodev', 'ro'] }
      : { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', access] };
  const proc: SpecMount =
    inUserNamespace && namespaces.pid.kind === 'host'
      ? { destination: '/proc', type: 'none', source: '/proc', options: ['rbind', 'nosuid', 'noexec', 'nodev'] }
      : { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] };
  return [
    proc,
    { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'] },
    { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'] },
    sysfs,
    { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: [cgroupAccess, 'nosuid', 'noexec', 'nodev'] },
    ...mqueueMount(input),
    ...shmMount(input),
  ];
}

/** A user namespace may not mount the queues of an ipc namespace that it does not own; a bind of the host's will do. */
function mqueueMount(input: SpecInput): SpecMount[] {
  const options = ['nosuid', 'noexec', 'nodev'];
  return input.namespaces.ipc.kind === 'host' && (idMaps(input) !== undefined || input.facts.rootless)
    ? [{ destination: '/dev/mqueue', type: 'bind', source: '/dev/mqueue', options: ['rbind', ...options] }]
    : [{ destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options }];
}

function shmMount({ hostConfig, shmSource, namespaces }: SpecInput): SpecMount[] {
  const options = ['nosuid', 'noexec', 'nodev'];
  if (hostConfig.IpcMode === 'none') return [];
  if (shmSource !== undefined) {
    const flags = namespaces.ipc.kind === 'host' ? [] : options;
    return [{ destination: '/dev/shm', type: 'bind', source: shmSource, options: ['rbind', 'rprivate', ...flags] }];
  }
  const size = hostConfig.ShmSize || DEFAULT_SHM_SIZE;
  return [{ destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: [...options, 'mode=1777', `size=${size}`] }];
}

function fileMounts({ files, hostConfig }: SpecInput): SpecMount[] {
  const options = ['bind', 'rprivate', ...(hostConfig.ReadonlyRootfs === true ? ['ro'] : [])];
  return Object.entries({ '/etc/resolv.conf': files.resolvConf, '/etc/hostname': files.hostname, '/etc/hosts': files.hosts }).flatMap(
    ([destination, source]) => (source === undefined ? [] : [{ destination, type: 'bind', source, options: [...options] }]),
  );
}

/** A fresh volume can hold no mounts, so "recursive" matters for binds only. */
function userMount(mount: PlannedMount, { path, folder }: MountSource): SpecMount {
  if (mount.type === 'tmpfs') {
    return { destination: mount.destination, type: 'tmpfs', source: 'tmpfs', options: tmpfsOptions(mount) };
  }
  const propagation = mount.propagation === '' ? 'rprivate' : mount.propagation;
  return {
    destination: mount.destination,
    type: 'bind',
    source: path,
    options: [
      mount.recursive ? 'rbind' : 'bind', accessOption(mount, propagation, folder), propagation,
      ...(mount.idmap === undefined ? [] : [`idmap=${mount.idmap}`]),
    ],
  };
}

/** `rro` reaches what is mounted below; crun takes it for folders only. */
function accessOption(mount: PlannedMount, propagation: string, folder: boolean): string {
  if (mount.rw) return 'rw';
  if (!folder) return 'ro';
  const private_ = propagation === 'rprivate' || propagation === 'private';
  return mount.recursive && mount.readonlyDepth !== 'top-only' && private_ ? 'rro' : 'ro';
}

/** Docker's defaults for tmpfs, unless an option says the opposite. */
function tmpfsOptions(mount: PlannedMount): string[] {
  const given = mount.tmpfsOptions;
  const defaults = ['noexec', 'nosuid', 'nodev'].filter((name) => !given.includes(name) && !given.includes(name.slice(2)));
  return [...defaults, ...given, ...(mount.rw || given.includes('ro') ? [] : ['ro']), 'rprivate'];
}

/** Files of /proc that tools such as lxcfs replace; nothing else of /proc may be covered (the runtime relies on it). */
const replaceable = new Set([
  '/proc/cpuinfo', '/proc/diskstats', '/proc/meminfo', '/proc/stat', '/proc/swaps', '/proc/uptime', '/proc/loadavg', '/proc/slabinfo',
  '/proc/net/dev', '/proc/sys/kernel/ns_last_pid', '/proc/sys/crypto/fips_enabled',
]);

/** `destination` is also the place it leads to once links inside the root are followed. */
export function checkProcDestination(destination: string): void {
  if (destination.startsWith('/proc/') && !replaceable.has(destination)) {
    throw invalid(initRefusal(`error mounting to rootfs at "${destination}": "${destination}" cannot be mounted because it is inside /proc`));
  }
}

const depth = (path: string): number => path.split('/').length;
