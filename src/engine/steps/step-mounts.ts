import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { invalid } from '#base/errors.ts';
import type { Mounts } from '#host/mount.ts';
import type { StepMount } from '#host/step.ts';
import type { PlannedMount } from '../oci/input.ts';

const SECRET_LIMIT = 500 * 1024;

/** Makes what a step's mounts are bound from, below `folder`; what is mounted there goes when the folder's mounts go. */
export function planStepMounts(given: readonly StepMount[], folder: string, mounts: Mounts, overlayOptions: readonly string[]): PlannedMount[] {
  return given.map((mount, position) => {
    const place = join(folder, `mount-${position}`);
    switch (mount.kind) {
      case 'tree':
        return planned(mount.destination, { source: treeSource(mount, place, mounts, overlayOptions), subpath: inside(mount.selector), rw: !mount.readOnly, volume: true });
      case 'folder':
        return planned(mount.destination, { source: mount.path, subpath: inside(mount.selector), rw: !mount.readOnly, volume: true });
      case 'tmpfs':
        return { ...planned(mount.destination, { source: '', subpath: '', rw: true, volume: false }), type: 'tmpfs', tmpfsOptions: ['exec', 'mode=1777', ...(mount.size > 0 ? [`size=${mount.size}`] : [])] };
      case 'secret':
        return planned(mount.destination, { source: secretFile(mount, place, mounts), subpath: '', rw: false, volume: false });
      case 'socket':
        return planned(mount.destination, { source: mount.path, subpath: '', rw: true, volume: false });
    }
  });
}

const inside = (selector: string): string => selector.replace(/^\/+/, '').replace(/\/+$/, '');

function treeSource(mount: Extract<StepMount, { kind: 'tree' }>, place: string, mounts: Mounts, options: readonly string[]): string {
  const [only] = mount.lower;
  if (mount.scratch === undefined && mount.readOnly && mount.lower.length === 1 && only !== undefined) return only;
  mkdirSync(place, { recursive: true, mode: 0o755 });
  if (mount.scratch === undefined && mount.readOnly) {
    if (mount.lower.length > 0) mounts.overlay({ lower: mount.lower, target: place });
    return place;
  }
  const scratch = mount.scratch ?? { upper: `${place}-upper`, work: `${place}-work` };
  for (const path of [scratch.upper, scratch.work]) mkdirSync(path, { recursive: true, mode: 0o755 });
  if (mount.lower.length === 0) return scratch.upper;
  mounts.overlay({ lower: mount.lower, upper: scratch.upper, work: scratch.work, target: place, options });
  return place;
}

/** In memory, never on a disk. */
function secretFile(mount: Extract<StepMount, { kind: 'secret' }>, place: string, mounts: Mounts): string {
  if (mount.data.length > SECRET_LIMIT) throw invalid(`a secret is larger than ${SECRET_LIMIT / 1024} KiB`);
  mkdirSync(place, { recursive: true, mode: 0o700 });
  mounts.tmpfs(place, 'mode=0700,size=1m,nr_inodes=16');
  const file = join(place, 'secret');
  writeFileSync(file, mount.data, { mode: 0o600 });
  chownSync(file, mount.uid, mount.gid);
  chmodSync(file, mount.mode & 0o777);
  return file;
}

function planned(destination: string, parts: { source: string; subpath: string; rw: boolean; volume: boolean }): PlannedMount {
  const { source, subpath, rw, volume } = parts;
  return {
    type: volume ? 'volume' : 'bind', name: '', driver: '', source, subpath, destination, mode: rw ? '' : 'ro', rw,
    propagation: '', recursive: false, readonlyDepth: 'if-possible', copyUp: false, createSource: false, tmpfsOptions: [], origin: 'mounts',
  };
}
