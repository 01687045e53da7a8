import { constants, readFileSync } from 'node:fs';
import { isErrno } from '#base/errors.ts';
import { close, MNT, mount, MS, O, open, umount } from './kernel.ts';

export interface OverlayMount {
  /** Absolute, topmost first. Up to some 200; the kernel's page for mount options is no limit. */
  lower: readonly string[];
  /** Both or neither; without them the mount is read-only. */
  upper?: string;
  work?: string;
  target: string;
  /** More options of overlayfs, e.g. `userxattr`, `volatile`, `metacopy=on`. */
  options?: readonly string[];
}

export interface MountPoint {
  target: string;
  type: string;
  source: string;
  /** Path within the mounted file system. */
  root: string;
}

/**
 * Mounts of this process's mount namespace. Synchronous: a mount takes some 0.1 ms. They outlive the process; whoever
 * mounts records the target first. Errors carry `code` like Node's.
 */
export interface Mounts {
  overlay(mount: OverlayMount): void;
  bind(source: string, target: string, options?: { recursive?: boolean; readOnly?: boolean }): void;
  /** `options` in the words of tmpfs: `size=64m,mode=1777`. */
  tmpfs(target: string, options?: string): void;
  /** Lazily takes away the topmost mount at `target`; false when nothing is mounted there. */
  unmount(target: string): boolean;
  /** Mounts at or below `prefix`, deepest last. */
  list(prefix: string): MountPoint[];
}

export const kernelMounts: Mounts = {
  overlay({ lower, upper, work, target, options = [] }) {
    const render = (path: (original: string) => string): string =>
      [
        `lowerdir=${lower.map(path).join(':')}`,
        ...(upper === undefined || work === undefined ? [] : [`upperdir=${path(upper)}`, `workdir=${path(work)}`]),
        ...options,
      ].join(',');
    const plain = render((path) => path);
    const paths = [...lower, ...(upper === undefined ? [] : [upper]), ...(work === undefined ? [] : [work])];
    if (Buffer.byteLength(plain) < 4096 && !paths.some((path) => /[:,\\]/.test(path))) {
      mount('overlay', target, 'overlay', 0, plain);
      return;
    }
    // Named by descriptors, paths are short and free of the characters that separate options.
    const opened: number[] = [];
    try {
      const short = render((path) => {
        const fd = open(path, O.PATH | constants.O_DIRECTORY);
        opened.push(fd);
        return `/proc/self/fd/${fd}`;
      });
      mount('overlay', target, 'overlay', 0, short);
    } finally {
      opened.forEach(close);
    }
  },

  bind(source, target, { recursive = false, readOnly = false } = {}) {
    mount(source, target, null, MS.BIND | (recursive ? MS.REC : 0));
    if (!readOnly) return;
    try {
      mount(null, target, null, MS.BIND | MS.REMOUNT | MS.RDONLY);
    } catch (error) {
      umount(target);
      throw error;
    }
  },

  tmpfs(target, options) {
    mount('tmpfs', target, 'tmpfs', MS.NOSUID | MS.NODEV, options ?? null);
  },

  unmount(target) {
    try {
      umount(target, MNT.DETACH | MNT.NOFOLLOW);
      return true;
    } catch (error) {
      if (isErrno(error, 'EINVAL', 'ENOENT', 'ENOTDIR')) return false;
      throw error;
    }
  },

  list(prefix) {
    return mountsUnder(readFileSync('/proc/self/mountinfo', 'utf8'), prefix);
  },
};

/** The mounts at or below `prefix` in the text of a mountinfo file, in the kernel's order within one depth, deepest last. */
export function mountsUnder(mountinfo: string, prefix: string): MountPoint[] {
  const below = prefix.endsWith('/') ? prefix : `${prefix}/`;
  const found: MountPoint[] = [];
  for (const line of mountinfo.split('\n')) {
    const [, , , root, target, ...rest] = line.split(' ');
    if (root === undefined || target === undefined) continue;
    const path = unescape(target);
    if (path !== prefix && !path.startsWith(below)) continue;
    const [type = '', source = ''] = rest.slice(rest.indexOf('-') + 1);
    found.push({ target: path, type, source: unescape(source), root: unescape(root) });
  }
  return found.sort((a, b) => depth(a.target) - depth(b.target));
}

const depth = (path: string): number => path.split('/').length;

/** Space, tab, newline and backslash come as three octal digits. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
}
