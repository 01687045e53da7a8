/** Where cgroups are mounted and what the kernel offers there; v1, v2 and both at once ("hybrid"). */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '#base/errors.ts';
import type { LinuxResources } from '#spec/oci-runtime.ts';
import { MS, mount } from './kernel.ts';

export interface CgroupHierarchies {
  /** 1 also for a hybrid host: the controllers are in v1 hierarchies. */
  readonly version: 1 | 2;
  /** Mount point of the v2 hierarchy. On v1 hosts it holds no controllers and may be absent. */
  readonly unified: string | undefined;
  /** v1: controller name (`memory`, `cpu`, ..., `name=systemd`) → mount point. Empty on v2. */
  readonly v1: ReadonlyMap<string, string>;
  /** Controllers that containers can be limited by. */
  readonly controllers: ReadonlySet<string>;
}

/** Reads /proc/self/mountinfo text: every cgroup and cgroup2 mount. */
export function parseCgroupMounts(mountinfo: string): { unified: string | undefined; v1: Map<string, string> } {
  const v1 = new Map<string, string>();
  let unified: string | undefined;
  for (const line of mountinfo.split('\n')) {
    const [head, tail] = line.split(' - ');
    const mountPoint = head?.split(' ')[4];
    const [type, , options] = tail?.split(' ') ?? [];
    if (mountPoint === undefined) continue;
    if (type === 'cgroup2') unified ??= mountPoint;
    if (type !== 'cgroup' || options === undefined) continue;
    for (const name of options.split(',')) {
      if (!['rw', 'ro', 'xattr', 'noprefix', 'clone_children', 'none'].includes(name) && !/^(?:release_agent|cpuset_v2_mode)/.test(name) && !v1.has(name)) v1.set(name, mountPoint);
    }
  }
  return { unified, v1 };
}

export function detectCgroups(): CgroupHierarchies {
  const { unified, v1 } = parseCgroupMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
  const named = [...v1.keys()].filter((name) => !name.startsWith('name='));
  if (named.length > 0 || unified === undefined) return { version: 1, unified, v1, controllers: new Set(named) };
  return { version: 2, unified, v1: new Map(), controllers: new Set(words(readText(join(unified, 'cgroup.controllers')))) };
}

export interface CgroupPreparation {
  /** v1 controllers that were mounted now. */
  mounted: string[];
  failed: { what: string; reason: string }[];
}

/**
 * Makes the host's cgroups fit for containers; at every start of an engine that has the right to. Idempotent.
 *
 * On v1 hosts it mounts each controller that is left to an otherwise unused v2 hierarchy, since crun refuses such a mix.
 * Nothing else of the machine's cgroups is changed.
 */
export function prepareCgroups(): CgroupPreparation {
  const done: CgroupPreparation = { mounted: [], failed: [] };
  const attempt = (what: string, task: () => void): boolean => {
    try {
      task();
      return true;
    } catch (error) {
      done.failed.push({ what, reason: error instanceof Error ? error.message : String(error) });
      return false;
    }
  };
  const { version, v1, unified } = detectCgroups();
  if (version === 1 && unified !== undefined) {
    for (const controller of words(readText(join(unified, 'cgroup.controllers')))) {
      const target = join('/sys/fs/cgroup', controller);
      const mounted = !v1.has(controller) && attempt(`mount the ${controller} controller`, () => {
        mkdirSync(target, { recursive: true });
        mount('cgroup', target, 'cgroup', MS.NOSUID | MS.NODEV | MS.NOEXEC, controller);
      });
      if (mounted) done.mounted.push(controller);
    }
  }
  return done;
}

function words(text: string | undefined): string[] {
  return text?.split(/\s+/).filter((word) => word !== '') ?? [];
}

/**
 * Why crun cannot work on this host, in a sentence, or undefined when it can: it refuses v1 hierarchies while v2 still has
 * controllers. `prepareCgroups` mends that where it may; otherwise runc serves.
 */
export function crunObstacle({ version, unified }: CgroupHierarchies): string | undefined {
  if (version === 2 || unified === undefined) return undefined;
  const left = words(readText(join(unified, 'cgroup.controllers')));
  return left.length === 0 ? undefined : `crun refuses cgroups in hybrid mode: ${left.join(', ')} not mounted as version 1`;
}

/** What /info says about limits. */
export interface CgroupFacts {
  version: '1' | '2';
  driver: 'cgroupfs';
  memoryLimit: boolean;
  swapLimit: boolean;
  kernelMemoryTcp: boolean;
  cpuCfsPeriod: boolean;
  cpuCfsQuota: boolean;
  cpuShares: boolean;
  cpuSet: boolean;
  pidsLimit: boolean;
  oomKillDisable: boolean;
  blkioWeight: boolean;
}

export function cgroupFacts(hierarchies: CgroupHierarchies): CgroupFacts {
  const { version, v1, controllers } = hierarchies;
  const file = (controller: string, name: string): boolean => {
    const root = v1.get(controller);
    return root !== undefined && existsSync(join(root, name));
  };
  if (version === 2) {
    const swap = readdirSafe(hierarchies.unified ?? '').some((name) => existsSync(join(hierarchies.unified ?? '', name, 'memory.swap.max')));
    return {
      version: '2',
      driver: 'cgroupfs',
      memoryLimit: controllers.has('memory'),
      swapLimit: controllers.has('memory') && swap,
      kernelMemoryTcp: false,
      cpuCfsPeriod: controllers.has('cpu'),
      cpuCfsQuota: controllers.has('cpu'),
      cpuShares: controllers.has('cpu'),
      cpuSet: controllers.has('cpuset'),
      pidsLimit: controllers.has('pids'),
      oomKillDisable: false,
      blkioWeight: controllers.has('io'),
    };
  }
  return {
    version: '1',
    driver: 'cgroupfs',
    memoryLimit: file('memory', 'memory.limit_in_bytes'),
    swapLimit: file('memory', 'memory.memsw.limit_in_bytes'),
    kernelMemoryTcp: file('memory', 'memory.kmem.tcp.limit_in_bytes'),
    cpuCfsPeriod: file('cpu', 'cpu.cfs_period_us'),
    cpuCfsQuota: file('cpu', 'cpu.cfs_quota_us'),
    cpuShares: file('cpu', 'cpu.shares'),
    cpuSet: controllers.has('cpuset'),
    pidsLimit: controllers.has('pids'),
    oomKillDisable: file('memory', 'memory.oom_control'),
    blkioWeight: file('blkio', 'blkio.weight') || file('blkio', 'blkio.bfq.weight'),
  };
}

/** `/gantry` or `/gantry-<instance>`: the parent of an engine's containers, in every hierarchy. */
export function cgroupParent(instance: string): string {
  return instance === '' ? '/gantry' : `/gantry-${instance}`;
}

/** Every folder that a cgroup path has: one per v1 hierarchy, or the one of v2. Whether they exist is another matter. */
export function cgroupFolders(hierarchies: CgroupHierarchies, path: string): string[] {
  const roots = new Set(hierarchies.v1.values());
  if (hierarchies.unified !== undefined) roots.add(hierarchies.unified);
  return [...roots].map((root) => join(root, path));
}

/** The folder of one v1 controller, or of v2 whatever the controller. Undefined when there is none. */
export function cgroupFolder(hierarchies: CgroupHierarchies, path: string, controller: string): string | undefined {
  const root = hierarchies.version === 2 ? hierarchies.unified : hierarchies.v1.get(controller);
  return root === undefined ? undefined : join(root, path);
}

/**
 * Takes away the limits that are negative in `resources`, which crun cannot, and returns the others. Only what a running
 * container may lose without other changes: the number of processes and the CPU quota.
 */
export function liftLimits(hierarchies: CgroupHierarchies, path: string, resources: LinuxResources): LinuxResources {
  const { pids, cpu, ...rest } = resources;
  const left: LinuxResources = { ...rest };
  const write = (controller: string, file: string, text: string): void => {
    const folder = cgroupFolder(hierarchies, path, controller);
    if (folder !== undefined) writeFileSync(join(folder, file), text);
  };
  if (pids !== undefined && (pids.limit ?? 0) < 0) write('pids', 'pids.max', 'max');
  else if (pids !== undefined) left.pids = pids;
  if (cpu?.quota !== undefined && cpu.quota < 0) {
    if (hierarchies.version === 2) write('cpu', 'cpu.max', 'max');
    else write('cpu', 'cpu.cfs_quota_us', '-1');
    const { quota: _, ...others } = cpu;
    if (Object.keys(others).length > 0) left.cpu = others;
  } else if (cpu !== undefined) left.cpu = cpu;
  return left;
}

/** Pids in a cgroup folder and those below it. */
export function pidsBelow(folder: string): number[] {
  const own = readText(join(folder, 'cgroup.procs'))?.split('\n').filter((line) => line !== '').map(Number) ?? [];
  return [...own, ...subfolders(folder).flatMap((child) => pidsBelow(child))];
}

/** Every process of a cgroup (v1: of any hierarchy that follows processes), without duplicates. */
export function cgroupPids(hierarchies: CgroupHierarchies, path: string): number[] {
  const controller = ['pids', 'freezer', 'memory', 'cpu'].find((name) => hierarchies.v1.has(name)) ?? 'pids';
  const folder = cgroupFolder(hierarchies, path, controller);
  return folder === undefined ? [] : [...new Set(pidsBelow(folder))];
}

/** Sends SIGKILL to everything in the cgroup, at once where the kernel has cgroup.kill. */
export function killCgroup(hierarchies: CgroupHierarchies, path: string): boolean {
  if (hierarchies.version === 2 && hierarchies.unified !== undefined) {
    const kill = join(hierarchies.unified, path, 'cgroup.kill');
    if (existsSync(kill)) {
      const any = pidsBelow(join(hierarchies.unified, path)).length > 0;
      writeFileSync(kill, '1');
      return any;
    }
  }
  const pids = cgroupPids(hierarchies, path);
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if (!isErrno(error, 'ESRCH')) throw error;
    }
  }
  return pids.length > 0;
}

/** Removes the cgroup and those below it. False when processes are still in it. */
export function removeCgroup(hierarchies: CgroupHierarchies, path: string): boolean {
  if (path === '' || path === '/') return true;
  return cgroupFolders(hierarchies, path).map((folder) => removeFolder(folder)).every(Boolean);
}

function removeFolder(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return true;
    if (!isErrno(error, 'EBUSY', 'ENOTEMPTY')) throw error;
  }
  const children = subfolders(folder);
  if (children.length === 0 || !children.map((child) => removeFolder(child)).every(Boolean)) return false;
  try {
    rmdirSync(folder);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return true;
    if (isErrno(error, 'EBUSY')) return false;
    throw error;
  }
}

/** Asks for a frozen or thawed cgroup; `frozen` says when it came about. */
export function setFrozen(hierarchies: CgroupHierarchies, path: string, frozen: boolean): void {
  const folder = cgroupFolder(hierarchies, path, 'freezer');
  if (folder === undefined) throw new Error('the host has no freezer cgroup');
  if (hierarchies.version === 2) writeFileSync(join(folder, 'cgroup.freeze'), frozen ? '1' : '0');
  else writeFileSync(join(folder, 'freezer.state'), frozen ? 'FROZEN' : 'THAWED');
}

export function isFrozen(hierarchies: CgroupHierarchies, path: string): boolean {
  const folder = cgroupFolder(hierarchies, path, 'freezer');
  if (folder === undefined) return false;
  if (hierarchies.version === 2) return /^frozen 1$/m.test(readText(join(folder, 'cgroup.events')) ?? '');
  return readText(join(folder, 'freezer.state'))?.trim() === 'FROZEN';
}

/** How many processes of the cgroup the kernel killed for want of memory; 0 when it is gone. */
export function oomKills(hierarchies: CgroupHierarchies, path: string): number {
  const folder = cgroupFolder(hierarchies, path, 'memory');
  if (folder === undefined) return 0;
  const text = readText(join(folder, hierarchies.version === 2 ? 'memory.events' : 'memory.oom_control')) ?? '';
  return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
}

/** A file's text, or undefined when the file (or its cgroup) is gone. */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENODEV', 'ENOTDIR', 'EOPNOTSUPP')) return undefined;
    throw error;
  }
}

function subfolders(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => join(folder, entry.name));
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENODEV')) return [];
    throw error;
  }
}

function readdirSafe(folder: string): string[] {
  return subfolders(folder).map((path) => path.slice(folder.length + 1));
}
