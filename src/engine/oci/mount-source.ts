import { constants, mkdirSync, statSync } from 'node:fs';
import { invalid, isErrno } from '#base/errors.ts';
import { close, open, openat2, O, RESOLVE } from '#host/kernel.ts';
import type { PlannedMount } from './input.ts';

/**
 * The host path to bind for a mount. A volume's subpath is resolved inside the volume and held open, so that a container
 * sharing the volume cannot exchange it for a link to somewhere else before the runtime binds it (CVE-2024-23651's kind).
 */
export function mountSource(mount: PlannedMount, open_: DisposableStack): string {
  if (mount.type === 'tmpfs') return '';
  if (mount.type === 'bind') {
    if (mount.createSource) ensureBindSource(mount.source);
    return mount.source;
  }
  return mount.subpath === '' ? mount.source : subpathSource(mount, open_);
}

function ensureBindSource(path: string): void {
  try {
    statSync(path);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    mkdirSync(path, { recursive: true, mode: 0o755 });
  }
}

function subpathSource(mount: PlannedMount, open_: DisposableStack): string {
  const volume = open(mount.source, O.PATH | constants.O_DIRECTORY);
  try {
    const fd = openat2(volume, mount.subpath, { flags: O.PATH, resolve: RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS });
    open_.defer(() => close(fd));
    return `/proc/${process.pid}/fd/${fd}`;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) {
      throw invalid(`cannot access path ${mount.source}/${mount.subpath}: no such file or directory`);
    }
    throw error;
  } finally {
    close(volume);
  }
}
