import { existsSync, rmSync } from 'node:fs';
import type { Mounts } from '#host/mount.ts';

/**
 * Removes a bundle. What is still mounted below (a subpath of a volume, shm) is unmounted first: removing through a mount
 * would remove the volume's files.
 */
export function removeBundle(mounts: Pick<Mounts, 'list' | 'unmount'>, bundle: string): void {
  if (!existsSync(bundle)) return;
  for (const { target } of mounts.list(bundle).reverse()) while (mounts.unmount(target));
  rmSync(bundle, { recursive: true, force: true });
}
