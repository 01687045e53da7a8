import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '#base/errors.ts';
import type { Layout } from '#host/layout.ts';
import type { Mounts } from '#host/mount.ts';
import type { ContainerRecord } from './container-record.ts';

/**
 * Removes a folder of a run. What is still mounted below (a subpath of a volume, shm) is unmounted first: removing through
 * a mount would remove the volume's files.
 */
export function removeBundle(mounts: Pick<Mounts, 'list' | 'unmount'>, bundle: string): void {
  if (!existsSync(bundle)) return;
  for (const { target } of mounts.list(bundle).reverse()) while (mounts.unmount(target));
  rmSync(bundle, { recursive: true, force: true });
}

/** Where bundles wait for their deletion. */
export const bundleGraves = ({ run }: Pick<Layout, 'run'>): string => join(run, 'removed-bundles');

/** As `removeBundle`, yet quick where the container had nothing that mounts there: the files go behind the scenes. */
export function discardBundle(
  { mounts, layout }: { mounts: Pick<Mounts, 'list' | 'unmount'>; layout: Layout },
  record: Pick<ContainerRecord, 'id' | 'hostConfig' | 'mounts'>,
): void {
  const bundle = layout.bundle(record.id);
  if (record.hostConfig.IpcMode === 'shareable' || record.mounts.some(({ type, subpath, recursive }) => type === 'image' || subpath !== '' || !recursive)) {
    removeBundle(mounts, bundle);
    return;
  }
  const grave = join(bundleGraves(layout), `${record.id}-${process.hrtime.bigint()}`);
  try {
    moveAway(bundle, grave);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    throw error;
  }
  // What fails here is deleted at the next start of the engine.
  rm(grave, { recursive: true, force: true }).catch(() => {});
}

function moveAway(bundle: string, grave: string): void {
  try {
    renameSync(bundle, grave);
  } catch (error) {
    if (!isErrno(error, 'ENOENT') || !existsSync(bundle)) throw error;
    mkdirSync(bundleGraves({ run: grave.slice(0, grave.lastIndexOf('/removed-bundles/')) }), { recursive: true, mode: 0o700 });
    renameSync(bundle, grave);
  }
}
