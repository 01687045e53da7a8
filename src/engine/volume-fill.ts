import { chmodSync, chownSync, constants, fstatSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { invalid, isErrno } from '#base/errors.ts';
import type { Jail } from '#host/jail.ts';
import { close, lgetxattr, llistxattr, lsetxattr, open, openat2, O, RESOLVE } from '#host/kernel.ts';
import { fromText } from '#spec/tar/header.ts';
import type { PlannedMount } from './oci/input.ts';
import type { VolumeFiller } from './volume-mounts.ts';

/** For each volume that wants it, what copies the image's content at its destination into it. */
export function volumeFillers(mounts: readonly PlannedMount[], rootfs: string, jail: Jail): Map<string, VolumeFiller> {
  return new Map(mounts.filter(wantsFill).map((mount) => [mount.name, { subpath: mount.subpath, fill: (staging) => copyUp(rootfs, mount.destination, staging, jail) }]));
}

export const wantsFill = (mount: PlannedMount): boolean => mount.type === 'volume' && mount.copyUp;

/** Whether the root has a folder for the volume to be filled from. Throws invalid_argument for a file in its place. */
export function hasContent(rootfs: string, { destination }: PlannedMount): boolean {
  const found = openInRoot(rootfs, destination);
  if (found === undefined) return false;
  close(found.fd);
  return true;
}

/**
 * Copies a folder of a mounted root: everything below with owners, modes, times, links and attributes, and the owner and
 * mode of the folder itself. The kernel resolves the destination inside the root, so that a link or `..` in an image's
 * VOLUME cannot name files of the host (CVE-2022-23648). Nothing there: nothing copied.
 */
async function copyUp(rootfs: string, destination: string, staging: string, jail: Jail): Promise<boolean> {
  const found = openInRoot(rootfs, destination);
  if (found === undefined) return false;
  try {
    const handle = `/proc/self/fd/${found.fd}`;
    const stat = statSync(handle);
    if (readdirSync(handle).length > 0) {
      const tar = jail.pack({
        kind: 'pack',
        root: { kind: 'folder', path: rootfs },
        path: fromText(found.path),
        name: '',
        whiteouts: 'keep',
        include: undefined,
        into: undefined,
      });
      await jail.run(
        {
          kind: 'unpack',
          root: { kind: 'folder', path: staging },
          folder: '/',
          source: { kind: 'stream' },
          whiteouts: 'keep',
          noOverwriteDirNonDir: false,
          owner: undefined,
          keep: undefined,
          limits: { inflated: Number.MAX_SAFE_INTEGER, entries: Number.MAX_SAFE_INTEGER },
          unhashed: true,
        },
        tar,
      );
    }
    // The dot makes the calls act on the folder and not on the handle's link.
    const folder = `${handle}/.`;
    for (const name of llistxattr(folder)) {
      const value = lgetxattr(folder, name);
      if (value !== undefined && !name.startsWith('trusted.overlay.')) lsetxattr(staging, name, value);
    }
    chownSync(staging, stat.uid, stat.gid);
    chmodSync(staging, stat.mode & 0o7777);
    return true;
  } finally {
    close(found.fd);
  }
}

function openInRoot(rootfs: string, path: string): { fd: number; path: string } | undefined {
  const root = open(rootfs, O.PATH | constants.O_DIRECTORY);
  try {
    const fd = openat2(root, path, { flags: constants.O_RDONLY | constants.O_NONBLOCK, resolve: RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS });
    if (!fstatSync(fd).isDirectory()) {
      close(fd);
      throw invalid(`cannot mount volume over existing file, file exists ${rootfs}${path}`);
    }
    return { fd, path: readlinkSync(`/proc/self/fd/${fd}`).slice(readlinkSync(`/proc/self/fd/${root}`).length) || '/' };
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  } finally {
    close(root);
  }
}
