import { existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError, isErrno, messageOf } from '#base/errors.ts';
import { discardBundle } from './bundle.ts';
import type { ContainerRecord } from './container-record.ts';
import { emitContainer, imageMountOwner, type ContainerContext } from './context.ts';
import type { ContainerId } from '#spec/ids.ts';

/** Where removed folders wait for their deletion; what a crash leaves here is deleted at the next start. */
export const graveFolder = (context: Pick<ContainerContext, 'layout'>): string => join(context.layout.tmp, 'removed-containers');

/**
 * Removes a container that does not run, and everything of it; the caller holds its lock. Recorded as removing first, so
 * that a crash in between is finished at the next start. What cannot be removed leaves it `dead`.
 */
export async function removeContainer(context: ContainerContext, record: ContainerRecord, options: { volumes: boolean }): Promise<void> {
  const { store, images, volumes, networks, monitor, layout, waits, attachments } = context;
  const { id } = record;
  const removing = store.change(id, { life: { status: 'removing', volumes: options.volumes } });
  try {
    if (networks.find(id) !== undefined) await networks.down(id);
    context.rootfs.release(id);
    discardBundle(context, record);
    monitor.forgetExit(layout.exits, id);
    bury(context, layout.container(id));
    await volumes.release(id, { removeAnonymous: options.volumes });
  } catch (error) {
    store.change(id, { life: { status: 'dead' }, error: messageOf(error) });
    throw new EngineError('internal', `cannot remove container "/${record.name}": ${messageOf(error)}`, { cause: error });
  }
  store.transaction(() => {
    store.remove(id);
    for (const owner of imageOwners(removing)) images.release(owner);
    emitContainer(context, removing, 'destroy');
  });
  attachments.release(id);
  waits.exited(id, { StatusCode: record.exitCode });
  waits.removed(id, { StatusCode: record.exitCode });
}

/** Under which its images are held: its own, and one for each image mount. */
function imageOwners({ id, mounts }: ContainerRecord): ContainerId[] {
  return [id, ...mounts.flatMap((mount, index) => (mount.type === 'image' ? [imageMountOwner(id, index)] : []))];
}

/** Moves a container's folder out of sight at once and deletes it behind the scenes. */
function bury(context: Pick<ContainerContext, 'layout' | 'log'>, folder: string): void {
  const merged = join(folder, 'merged');
  if (!existsSync(folder)) return;
  // Deleting through a mount that is left would delete what it shows.
  if (isMounted(merged, folder)) throw new EngineError('internal', `${merged} is still mounted`);
  const graves = graveFolder(context);
  mkdirSync(graves, { recursive: true, mode: 0o700 });
  const grave = join(graves, `${folder.slice(folder.lastIndexOf('/') + 1)}-${process.hrtime.bigint()}`);
  try {
    renameSync(folder, grave);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    throw error;
  }
  rm(grave, { recursive: true, force: true }).catch((error: unknown) => context.log.error('a removed container left files', { folder: grave, error }));
}

function isMounted(path: string, parent: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat !== undefined && stat.dev !== statSync(parent).dev;
}
