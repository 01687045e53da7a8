import { constants, mkdirSync, readFileSync, realpathSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { EngineError, invalid, isErrno } from '#base/errors.ts';
import { close, open, openat2, O, RESOLVE } from '#host/kernel.ts';
import { kernelMounts } from '#host/mount.ts';
import { initRefusal } from '#host/refusal.ts';
import type { PlannedMount } from './input.ts';

const PROC_SUPER_MAGIC = 0x9fa0;

export interface MountSource {
  /** On the host; empty for tmpfs. */
  path: string;
  /** Else it is mounted on a file. */
  folder: boolean;
}

/** Where an image, or a part of something, is mounted until the runtime has bound it. */
export interface Scratch {
  path: string;
  held: DisposableStack;
  /** Of the mount's image. */
  layers: readonly string[];
}

/**
 * The host path to bind for a mount. Makes a missing source when the mount says so. A volume's subpath is resolved inside
 * the volume and mounted at the scratch path (until `held` is disposed), so that a container that shares the volume cannot
 * exchange it for a link to somewhere else before the runtime binds it. A crash may leave that mount; the next call
 * with the same path takes it away.
 */
export function mountSource(mount: PlannedMount, { path: scratch, held, layers }: Scratch): MountSource {
  if (mount.type === 'tmpfs') return { path: '', folder: true };
  if (mount.type === 'image') return imageSource(mount, layers, scratch, held);
  if (mount.type === 'volume') return mount.subpath === '' ? { path: mount.source, folder: true } : subpathSource(mount, scratch, held);
  const folder = ensureBindSource(mount);
  checkPropagation(mount);
  if (mount.recursive || !folder) return { path: mount.source, folder };
  // crun 1.8 takes along what is mounted below, whatever it is told: it gets a mount that has nothing below.
  makeScratch(scratch, true);
  kernelMounts.bind(mount.source, scratch);
  held.defer(() => kernelMounts.unmount(scratch));
  return { path: scratch, folder };
}

/** Only another proc may take the place of /proc: the runtime writes to what it finds there. */
export function requireProc(mount: PlannedMount): void {
  if (mount.type !== 'bind' || statfsSync(mount.source).type !== PROC_SUPER_MAGIC) {
    throw invalid(initRefusal(`error mounting "${mount.source}" to rootfs at "${mount.destination}": "${mount.destination}" cannot be mounted because it is not of type proc`));
  }
}

/** True for a folder. */
function ensureBindSource(mount: PlannedMount): boolean {
  try {
    return statSync(mount.source).isDirectory();
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
    if (!mount.createSource) throw invalid(`invalid mount config for type "bind": bind source path does not exist: ${mount.source}`);
    try {
      mkdirSync(mount.source, { recursive: true, mode: 0o755 });
      return true;
    } catch (cause) {
      throw invalid(`error while creating mount source path '${mount.source}': ${(cause as Error).message}`, { cause });
    }
  }
}

/** shared and slave need a source whose own mount takes part; the kernel would silently do nothing. */
function checkPropagation({ source, propagation, holdsEngine }: PlannedMount): void {
  const wantsShared = propagation === 'shared' || propagation === 'rshared';
  const wantsSlave = propagation === 'slave' || propagation === 'rslave';
  if (!wantsShared && !wantsSlave) return;
  const { target, fields } = mountOf(realpathSync(source), readFileSync('/proc/self/mountinfo', 'utf8'));
  const shared = fields.some((field) => field.startsWith('shared:'));
  const slave = fields.some((field) => field.startsWith('master:'));
  if (wantsShared && !shared) throw invalid(`path ${source} is mounted on ${target} but it is not a shared mount`);
  // What the engine chose itself is no more than a wish.
  if (wantsSlave && !shared && !slave && holdsEngine !== true) throw invalid(`path ${source} is mounted on ${target} but it is not a shared or slave mount`);
}

/** The mount that holds a path, and the optional fields of its mountinfo line. */
export function mountOf(path: string, mountinfo: string): { target: string; fields: string[] } {
  let best = { target: '', fields: [] as string[] };
  for (const line of mountinfo.split('\n')) {
    const words = line.split(' ');
    const target = words[4]?.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
    if (target === undefined) continue;
    const holds = path === target || path.startsWith(target === '/' ? '/' : `${target}/`);
    // A later mount on the same place covers the earlier one.
    if (holds && target.length >= best.target.length) best = { target, fields: words.slice(6, words.indexOf('-')) };
  }
  return best;
}

/** An image's layers as one read-only tree at `scratch`. */
function imageSource(mount: PlannedMount, layers: readonly string[], scratch: string, held: DisposableStack): MountSource {
  const whole = mount.subpath === '' ? scratch : `${scratch}-whole`;
  makeScratch(whole, true);
  const [only] = layers;
  if (layers.length === 1 && only !== undefined) kernelMounts.bind(only, whole, { readOnly: true });
  else kernelMounts.overlay({ lower: layers, target: whole });
  held.defer(() => kernelMounts.unmount(whole));
  return mount.subpath === '' ? { path: whole, folder: true } : subpathSource({ ...mount, source: whole }, scratch, held);
}

/** An empty place to mount on; what a crash left mounted there goes. */
function makeScratch(scratch: string, folder: boolean): void {
  while (kernelMounts.unmount(scratch));
  rmSync(scratch, { recursive: true, force: true });
  if (folder) mkdirSync(scratch, { recursive: true, mode: 0o700 });
  else writeFileSync(scratch, '', { mode: 0o600 });
}

function subpathSource(mount: PlannedMount, scratch: string, held: DisposableStack): MountSource {
  const volume = open(mount.source, O.PATH | constants.O_DIRECTORY);
  try {
    const fd = openat2(volume, mount.subpath, { flags: O.PATH, resolve: RESOLVE.BENEATH | RESOLVE.NO_MAGICLINKS });
    try {
      const source = `/proc/self/fd/${fd}`;
      const folder = statSync(source).isDirectory();
      makeScratch(scratch, folder);
      kernelMounts.bind(source, scratch);
      held.defer(() => kernelMounts.unmount(scratch));
      return { path: scratch, folder };
    } finally {
      close(fd);
    }
  } catch (error) {
    const path = `${mount.source}/${mount.subpath}`;
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) throw new EngineError('internal', `cannot access path ${path}: lstat ${path}: no such file or directory`, { cause: error });
    if (isErrno(error, 'EXDEV', 'ELOOP')) {
      throw new EngineError('internal', `path concatenation escapes the base directory, base: ${mount.source}, subpath: ${mount.subpath}`, { cause: error });
    }
    throw error;
  } finally {
    close(volume);
  }
}
