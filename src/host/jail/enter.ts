import { constants } from 'node:fs';
import { chdir, chroot, close, CLONE, fchdir, MNT, mount, MS, O, open, openat2, pivotRoot, RESOLVE, setns, umask, umount, unshare } from '../kernel.ts';
import { kernelMounts } from '../mount.ts';
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

function assemble(root: Extract<JailRoot, { kind: 'container' }>): void {
  mount(null, '/', null, MS.REC | MS.PRIVATE);
  let target: string;
  if ('path' in root.base) {
    target = root.base.path;
    kernelMounts.bind(target, target, { recursive: true });
  } else {
    target = root.base.target;
    const { lower, upper, work, options } = root.base;
    kernelMounts.overlay({ lower, upper, work, options, target });
  }
  const folder = open(target, O.PATH | constants.O_DIRECTORY);
  try {
    for (const bind of root.binds) addBind(folder, bind);
    fchdir(folder);
  } finally {
    close(folder);
  }
  pivotRoot('.', '.');
  umount('.', MNT.DETACH);
  chdir('/');
}

/** The kernel finds the mount point inside the root, whatever symlinks the container made. */
function addBind(root: number, bind: JailBind): void {
  let point: number;
  try {
    point = openat2(root, bind.destination, { flags: O.PATH, resolve: RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS });
  } catch {
    // A container that never started has no mount point yet: the mount is simply not there, as in the container's layer.
    return;
  }
  try {
    kernelMounts.bind(bind.source, `/proc/self/fd/${point}`, { recursive: true, readOnly: bind.readOnly });
  } finally {
    close(point);
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
