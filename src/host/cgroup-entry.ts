/**
 * An exec's way into its container's cgroups on v1 hosts.
 *
 * A process that is moved by another waits for the kernel's lock over all forks, and that lock, when it was not held for a
 * moment, for an RCU grace period: 5 to 20 ms of an exec. A thread that moves itself, alone, through `tasks` takes no lock. So
 * a shell of a few lines moves itself and becomes the runtime, which finds a state folder without a cgroup path and moves
 * nothing. When the exec lasts, the runtime, which only waits for it, is moved back out.
 */
import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '#base/errors.ts';
import { cgroupFolder, cgroupFolders, isFrozen, pidsBelow, readText, type CgroupHierarchies } from './cgroup.ts';
import { readRuntimeStatus } from './crun.ts';

/** Joins the cgroups that are named before `--`, then becomes the program behind it. One that cannot be joined ends it. */
const JOIN = '{ while [ "$1" != -- ]; do echo 0 >"$1" || exit 1; shift; done; } 2>/dev/null; shift; exec "$@"';

/** Fewer processes than this below the limit, and the runtime stays outside. */
const ROOM = 32;

export interface CgroupEntry {
  /** The words before the runtime's own. */
  prefix: readonly string[];
  /** The runtime's `--root` for this exec. */
  stateRoot: string;
  cgroupPath: string;
  /** The container's first process. */
  pid: number;
}

/**
 * Undefined where the runtime has to join by itself: on v2, for a container that is frozen, that has no room for one process
 * more, or that crun knows nothing of.
 * `folder` is one of the container's bundle; what is put there goes with it.
 */
export function prepareEntry(cgroups: CgroupHierarchies, stateRoot: string, container: string, folder: string): CgroupEntry | undefined {
  if (cgroups.version !== 1) return undefined;
  const { cgroupPath, pid } = readRuntimeStatus(stateRoot, container, cgroups) ?? {};
  if (cgroupPath === undefined || pid === undefined || !cgroupPath.startsWith('/') || isFrozen(cgroups, cgroupPath) || isCrowded(cgroups, cgroupPath)) return undefined;
  const unified = cgroups.unified === undefined ? undefined : join(cgroups.unified, cgroupPath);
  const tasks = cgroupFolders(cgroups, cgroupPath).filter((path) => path !== unified).map((path) => join(path, 'tasks')).filter((path) => existsSync(path));
  if (tasks.length === 0) return undefined;
  try {
    return { prefix: ['/bin/sh', '-c', JOIN, 'sh', ...frozenLast(cgroups, tasks), '--'], stateRoot: withoutCgroup(join(stateRoot, container), folder, container), cgroupPath, pid };
  } catch (error) {
    // A state folder of another runtime's shape, or the container ends at this moment.
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** Close to its limit of processes, where the runtime's own two must not count. */
function isCrowded(cgroups: CgroupHierarchies, cgroupPath: string): boolean {
  const folder = cgroupFolder(cgroups, cgroupPath, 'pids');
  const limit = folder === undefined ? undefined : readText(join(folder, 'pids.max'))?.trim();
  if (folder === undefined || limit === undefined || limit === 'max') return false;
  return Number(limit) - Number(readText(join(folder, 'pids.current')) ?? 0) < ROOM;
}

/** The freezer last: who joins a frozen cgroup stops there. */
function frozenLast(cgroups: CgroupHierarchies, tasks: readonly string[]): string[] {
  const freezer = cgroups.v1.get('freezer');
  return tasks.toSorted((a, b) => Number(freezer !== undefined && a.startsWith(`${freezer}/`)) - Number(freezer !== undefined && b.startsWith(`${freezer}/`)));
}

/** crun's state of the container as it is, but for the cgroup path. Returns the root that it lies in. */
function withoutCgroup(state: string, folder: string, container: string): string {
  const copy = join(folder, container);
  const status = JSON.parse(readFileSync(join(state, 'status'), 'utf8')) as Record<string, unknown>;
  const text = JSON.stringify({ ...status, 'cgroup-path': '' });
  if (readText(join(copy, 'status')) === text) return folder;
  rmSync(copy, { recursive: true, force: true });
  mkdirSync(copy, { recursive: true, mode: 0o700 });
  for (const name of ['config.json', 'seccomp.bpf']) if (existsSync(join(state, name))) linkSync(join(state, name), join(copy, name));
  // Last, and at once: it is what tells that the folder is whole.
  writeFileSync(join(copy, '.status'), text, { mode: 0o600 });
  renameSync(join(copy, '.status'), join(copy, 'status'));
  return folder;
}

/** Whether what was prepared still fits: the same run of the container, not frozen, with room. */
export function isOpenTo(cgroups: CgroupHierarchies, stateRoot: string, container: string, { cgroupPath, pid }: CgroupEntry): boolean {
  const status = readRuntimeStatus(stateRoot, container, cgroups);
  return status?.cgroupPath === cgroupPath && status.pid === pid && !isFrozen(cgroups, cgroupPath) && !isCrowded(cgroups, cgroupPath);
}

const visitors = new Set<number>();

/** Whether this pid is a runtime that waits for its exec and stands in the container's cgroups for a moment. */
export const isVisitor = (pid: number): boolean => visitors.has(pid);

/** A runtime's stay in a container's cgroups. */
export class Visit {
  readonly #cgroups: CgroupHierarchies;
  readonly #cgroupPath: string;
  readonly #runtime: number;
  #timer: NodeJS.Timeout | undefined;
  #over = false;

  constructor(cgroups: CgroupHierarchies, cgroupPath: string, runtime: number) {
    this.#cgroups = cgroups;
    this.#cgroupPath = cgroupPath;
    this.#runtime = runtime;
    visitors.add(runtime);
  }

  /**
   * The process runs, in the cgroups that it inherited. Once it turns out to last, the runtime is taken out of them, and
   * the processes are put into that of v2, which on such hosts has no controllers.
   */
  started(patience = 50): void {
    if (this.#over || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => void this.#leave(), patience).unref();
  }

  /** The runtime ended. */
  end(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    visitors.delete(this.#runtime);
  }

  async #leave(): Promise<void> {
    const cgroups = this.#cgroups;
    try {
      for (const [name, path] of ownCgroups(await readFile('/proc/self/cgroup', 'utf8'))) {
        const root = cgroups.v1.get(name);
        // A pid that was reaped may be another's.
        if (this.#over) return;
        if (root !== undefined) await move(this.#runtime, join(root, path));
      }
      visitors.delete(this.#runtime);
      if (cgroups.unified === undefined) return;
      const [inside, target] = [cgroupFolder(cgroups, this.#cgroupPath, 'freezer') ?? cgroupFolder(cgroups, this.#cgroupPath, 'pids'), join(cgroups.unified, this.#cgroupPath)];
      const there = new Set(pidsBelow(target));
      for (const pid of inside === undefined ? [] : pidsBelow(inside)) if (!there.has(pid) && !visitors.has(pid)) await move(pid, target);
    } catch {
      // The container ended meanwhile.
    }
  }
}

const move = (pid: number, folder: string): Promise<void> => writeFile(join(folder, 'cgroup.procs'), String(pid)).catch(() => {});

/** `/proc/self/cgroup`: the path in each v1 hierarchy by the first of its names. */
export function ownCgroups(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, names = '', path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const [first] = names.split(',');
    if (first !== undefined && first !== '' && path !== undefined) found.set(first, path);
  }
  return found;
}
