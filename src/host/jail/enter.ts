import { closeSync, constants, fstatSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { isErrno } from '#base/errors.ts';
import { chdir, chroot, close, CLONE, fchdir, MNT, mount, MS, O, open, openat2, pivotRoot, RESOLVE, setns, umask, umount, unshare } from '../kernel.ts';
import { kernelMounts, mountsUnder } from '../mount.ts';
import type { JailBind, JailRoot } from './protocol.ts';

let outside: { root: number; mounts: number } | undefined;

/**
 * Once in the worker: gives the thread a root, a working folder and a umask (0) of its own. Threads made afterwards by
 * this one would share them, so the process's thread pool must exist before.
 */
export function prepareThread(): void {
  unshare(CLONE.FS);
  umask(0);
  outside = { root: open('/', O.PATH | constants.O_DIRECTORY), mounts: open('/proc/thread-self/ns/mnt', constants.O_RDONLY) };
}

/** Makes `root` this thread's `/`. What is needed from outside must be open before. Disposing comes back. */
export function enter(root: JailRoot): Disposable {
  const home = outside;
  if (home === undefined) throw new Error('the thread is not prepared');
  let separate = false;
  const leave = (): void => {
    if (separate) setns(home.mounts, CLONE.NEWNS);
    fchdir(home.root);
    chroot('.');
    chdir('/');
  };
  try {
    if (root.kind === 'folder') {
      chdir(root.path);
      chroot('.');
      chdir('/');
    } else if (root.kind === 'tree') {
      const space = new TreeSpace(root.points);
      space.enterRoot(space.merged(root.lower));
      chdir('/');
      return space;
    } else {
      unshare(CLONE.NEWNS);
      separate = true;
      assemble(root);
    }
  } catch (error) {
    leave();
    throw error;
  }
  return { [Symbol.dispose]: leave };
}

function assemble({ path, binds }: Extract<JailRoot, { kind: 'container' }>): void {
  mount(null, '/', null, MS.REC | MS.PRIVATE);
  kernelMounts.bind(path, path, { recursive: true });
  const root = open(path, O.PATH | constants.O_DIRECTORY);
  // This namespace's own `/`: the one from outside belongs to other mounts.
  const home = open('/', O.PATH | constants.O_DIRECTORY);
  try {
    for (const bind of binds) addBind(root, bind, home);
    if (binds.some((bind) => statSync(bind.source).isDirectory())) hideProc(path);
    fchdir(root);
  } finally {
    close(root);
    close(home);
  }
  pivotRoot('.', '.');
  umount('.', MNT.DETACH);
  chdir('/');
}

/** A bound procfs holds links that lead to other processes' roots (`/proc/1/root`), past any root of ours: it goes. */
function hideProc(path: string): void {
  const mounted = mountsUnder(readFileSync('/proc/thread-self/mountinfo', 'utf8'), path);
  for (const { target } of mounted.filter(({ type }) => type === 'proc').reverse()) umount(target);
}

/** The kernel finds source and mount point inside their roots, whatever symlinks others made there. */
function addBind(root: number, bind: JailBind, home: number): void {
  const within = { flags: O.PATH, resolve: RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS };
  let source = open(bind.source, O.PATH);
  let point: number | undefined;
  try {
    if (bind.subpath !== '') {
      const inner = openat2(source, bind.subpath, within);
      close(source);
      source = inner;
    }
    try {
      point = openat2(root, bind.destination, within);
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
      makePoint(root, bind.destination, fstatSync(source).isDirectory(), home);
      point = openat2(root, bind.destination, within);
    }
    kernelMounts.bind(`/proc/self/fd/${source}`, `/proc/self/fd/${point}`, { recursive: true });
    if (bind.readOnly) {
      // The descriptor is of what lies below the mount: the mount itself has to be looked up.
      close(point);
      point = openat2(root, bind.destination, within);
      mount(null, `/proc/self/fd/${point}`, null, MS.BIND | MS.REMOUNT | MS.RDONLY);
    }
  } finally {
    close(source);
    if (point !== undefined) close(point);
  }
}

/** As the runtime does when it starts a container: a missing mount point is made. */
function makePoint(root: number, destination: string, folder: boolean, home: number): void {
  fchdir(root);
  chroot('.');
  try {
    mkdirSync(folder ? destination : dirname(destination), { recursive: true, mode: 0o755 });
    if (!folder) closeSync(openSync(destination, constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW, 0o644));
  } finally {
    fchdir(home);
    chroot('.');
    chdir('/');
  }
}

/** Makes a private mount namespace with an overlay of read-only layers at `target` while `task` runs. */
export function withLayers<T>(lower: readonly string[], target: string, task: (merged: string) => T): T {
  const home = outside;
  if (home === undefined) throw new Error('the thread is not prepared');
  const [only] = lower;
  if (lower.length === 1 && only !== undefined) return task(only);
  unshare(CLONE.NEWNS);
  try {
    mount(null, '/', null, MS.REC | MS.PRIVATE);
    kernelMounts.overlay({ lower, target });
    return task(target);
  } finally {
    setns(home.mounts, CLONE.NEWNS);
    fchdir(home.root);
    chroot('.');
    chdir('/');
  }
}

/** A tree as this thread sees it: switch into it with `enterRoot`. */
export interface OpenTree {
  fd: number;
}

/**
 * A mount namespace of the thread's own in which trees of layers are open by descriptor. Disposing unmounts them with the
 * namespace and comes back to the root from outside.
 */
export class TreeSpace implements Disposable {
  readonly #points: string;
  readonly #opened: number[] = [];
  readonly #home: { root: number; mounts: number };
  #count = 0;
  #separate = false;

  /** `points`: an existing folder of the host below which mount points are made. */
  constructor(points: string) {
    const home = outside;
    if (home === undefined) throw new Error('the thread is not prepared');
    this.#home = home;
    this.#points = points;
  }

  /** A tree to read: folders topmost first; none is an empty tree. */
  readable(lower: readonly string[]): OpenTree {
    const [only] = lower;
    if (lower.length === 1 && only !== undefined) return this.#open(only);
    const point = this.#point();
    if (lower.length > 1) {
      this.#unshare();
      kernelMounts.overlay({ lower, target: point });
    }
    return this.#open(point);
  }

  /** As `readable`, with whiteouts of the lowest layer applied too. */
  merged(lower: readonly string[]): OpenTree {
    return this.readable([...lower, this.#point()]);
  }

  /** A tree to change; what changes lands in `upper`. */
  writable(job: { lower: readonly string[]; upper: string; work: string; userxattr: boolean }): OpenTree {
    if (job.lower.length === 0) return this.#open(job.upper);
    this.#unshare();
    const point = this.#point();
    kernelMounts.overlay({ lower: job.lower, upper: job.upper, work: job.work, target: point, options: [...(job.userxattr ? ['userxattr'] : []), 'volatile'] });
    return this.#open(point);
  }

  /** Makes the tree this thread's `/`. */
  enterRoot(tree: OpenTree): void {
    fchdir(tree.fd);
    chroot('.');
  }

  [Symbol.dispose](): void {
    for (const fd of this.#opened) close(fd);
    if (this.#separate) setns(this.#home.mounts, CLONE.NEWNS);
    fchdir(this.#home.root);
    chroot('.');
    chdir('/');
  }

  #point(): string {
    const point = `${this.#points}/${this.#count++}`;
    mkdirSync(point, { recursive: true, mode: 0o755 });
    return point;
  }

  #open(path: string): OpenTree {
    const fd = open(path, O.PATH | constants.O_DIRECTORY);
    this.#opened.push(fd);
    return { fd };
  }

  #unshare(): void {
    if (this.#separate) return;
    unshare(CLONE.NEWNS);
    this.#separate = true;
    mount(null, '/', null, MS.REC | MS.PRIVATE);
  }
}
