import { codeOf, invalid, messageOf } from '#base/errors.ts';
import type { HostConfig, MountPoint } from '#spec/wire/container.ts';
import { cleanDestination, parseBind, parseMode, parseTmpfsOptions, type MountRequest } from './mount-request.ts';
import { parseMount } from './mount-spec.ts';
import type { PlannedMount } from './oci/input.ts';
import type { VolumeRequest } from './volumes.ts';

export interface MountPlanPorts {
  /** Finds or makes the volume and notes that this container uses it. */
  volume(request: VolumeRequest): { name: string; driver: string; dataPath: string };
  /** Notes the use of a volume that another container has. */
  shareVolume(name: string): void;
  /** Finds the image and keeps it for this container; returns its id. */
  image(reference: string): string;
}

/** Another container's plan, by name or id; throws `No such container: x`. */
export type MountsOf = (container: string) => readonly PlannedMount[];

/** Decided, but for what has no name or place yet. */
export type MountDraft = PlannedMount | MountRequest;

export interface MountWishes {
  hostConfig: Pick<HostConfig, 'Binds' | 'Mounts' | 'Tmpfs' | 'VolumesFrom' | 'VolumeDriver'>;
  /** Folders that are to be volumes: the image's and the container's own (`config.Volumes`, merged). */
  volumes: readonly string[];
  /** The engine's own data root. */
  dataRoot: string;
  /** Read-only binds leave the mounts below them writable, as for clients before API 1.44. */
  shallowReadOnly: boolean;
}

/**
 * Decides every mount of a container at its creation. Nearer wins: binds, mounts and tmpfs (which must not meet each
 * other: `Duplicate mount point`), then other containers' (the last named first), then anonymous volumes. Everything is
 * checked before the first volume is made.
 */
export function draftMounts(wishes: MountWishes, mountsOf: MountsOf): MountDraft[] {
  const own = ownMounts(wishes.hostConfig).map((request) => settleBind(request, wishes));
  const planned = new Map<string, MountDraft>();
  for (const mount of inherited(wishes.hostConfig.VolumesFrom ?? [], mountsOf)) planned.set(mount.destination, mount);
  for (const request of own) planned.set(request.destination, request);
  for (const request of anonymousVolumes(wishes)) {
    if (!planned.has(request.destination)) planned.set(request.destination, request);
  }
  return [...planned.values()];
}

/** Makes what a draft asks for; parents come before what is mounted in them. */
export function planMounts(drafts: readonly MountDraft[], ports: MountPlanPorts): PlannedMount[] {
  return drafts.map((draft) => realise(draft, ports)).sort(byDepth);
}

function ownMounts(hostConfig: MountWishes['hostConfig']): MountRequest[] {
  const driver = hostConfig.VolumeDriver ?? '';
  const requests = [
    ...(hostConfig.Binds ?? []).map((bind) => parseBind(bind, driver)),
    ...(hostConfig.Mounts ?? []).map((mount) => parseMount(mount)),
    ...Object.entries(hostConfig.Tmpfs ?? {}).map(([path, options]) => parseTmpfs(path, options)),
  ];
  const seen = new Set<string>();
  for (const { destination } of requests) {
    if (seen.has(destination)) throw invalid(`Duplicate mount point: ${destination}`);
    seen.add(destination);
  }
  return requests;
}

function settleBind(request: MountRequest, { dataRoot, shallowReadOnly }: MountWishes): MountRequest {
  if (request.type !== 'bind') return request;
  const readonlyDepth = shallowReadOnly && request.readonlyDepth === 'if-possible' ? 'top-only' : request.readonlyDepth;
  const holdsEngine = contains(request.source, dataRoot) || contains(dataRoot, request.source);
  if (!holdsEngine) return { ...request, readonlyDepth, propagation: request.propagation || 'rprivate' };
  if (!['', 'rslave', 'rshared'].includes(request.propagation)) {
    throw invalid(
      'invalid mount config: must use either propagation mode "rslave" or "rshared" when mount source is within the daemon root, ' +
        `daemon root: "${dataRoot}", bind mount source: "${request.source}", propagation: "${request.propagation}"`,
    );
  }
  return { ...request, readonlyDepth, propagation: request.propagation || 'rslave', ...(request.propagation === '' ? { holdsEngine } : {}) };
}

const contains = (folder: string, path: string): boolean => path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);

function parseTmpfs(path: string, options: string): MountRequest {
  const words = parseTmpfsOptions(options);
  return { ...emptyRequest, type: 'tmpfs', destination: cleanDestination(path), rw: !words.includes('ro'), tmpfsOptions: words, origin: 'tmpfs' };
}

function anonymousVolumes({ volumes, hostConfig }: MountWishes): MountRequest[] {
  return volumes.map((path) => ({
    ...emptyRequest,
    type: 'volume',
    destination: cleanDestination(path.startsWith('/') ? path : `/${path}`),
    copyUp: true,
    volume: { name: undefined, driver: hostConfig.VolumeDriver || 'local', driverOpts: null, labels: null },
    origin: 'image',
  }));
}

const emptyRequest = {
  mode: '', rw: true, subpath: '', source: '', volume: undefined, propagation: '', recursive: true, copyUp: false, createSource: false,
  tmpfsOptions: [] as string[], readonlyDepth: 'if-possible',
} as const;

/** `name[:ro|rw|z]`: the other's mounts, never writable where the other's are not. */
function inherited(entries: readonly string[], mountsOf: MountsOf): PlannedMount[] {
  return entries.flatMap((entry) => {
    if (entry === '') throw invalid('volumes-from specification cannot be an empty string');
    const cut = entry.indexOf(':');
    const mode = cut < 0 ? '' : entry.slice(cut + 1);
    const { rw, propagation, noCopy, idmap } = parseMode(mode);
    if (propagation !== '' || noCopy || idmap !== undefined) throw invalid(`invalid mode: ${mode}`);
    const others = othersMounts(cut < 0 ? entry : entry.slice(0, cut), mountsOf).filter((mount) => mount.origin !== 'tmpfs');
    return others.map((mount) => ({ ...mount, mode, rw: mount.rw && rw, copyUp: false, origin: 'volumes-from' as const }));
  });
}

/** Clients take a 404 from create for a missing image: a missing container is an invalid argument. */
function othersMounts(container: string, mountsOf: MountsOf): readonly PlannedMount[] {
  try {
    return mountsOf(container);
  } catch (error) {
    throw codeOf(error) === 'not_found' ? invalid(messageOf(error), { cause: error }) : error;
  }
}

function realise(mount: MountDraft, ports: MountPlanPorts): PlannedMount {
  if (mount.type === 'image') {
    const { volume: _, ...rest } = { volume: undefined, ...mount };
    const name = 'name' in mount ? mount.name : mount.source;
    return { ...rest, name, driver: '', source: ports.image(mount.source) };
  }
  if (!('volume' in mount)) {
    if (mount.type === 'volume') ports.shareVolume(mount.name);
    return mount;
  }
  const { volume, ...rest } = mount;
  if (volume === undefined) return { ...rest, name: '', driver: '', tmpfsOptions: [...rest.tmpfsOptions] };
  const { name, driver, dataPath } = ports.volume(volume);
  return { ...rest, name, driver, source: dataPath, tmpfsOptions: [] };
}

const depth = (path: string): number => path.split('/').length;
const byDepth = (a: PlannedMount, b: PlannedMount): number => depth(a.destination) - depth(b.destination);

/** What `inspect` lists: everything but `--tmpfs`, whose place is the host configuration. */
export function inspectMounts(mounts: readonly PlannedMount[]): MountPoint[] {
  return mounts
    .filter((mount) => mount.origin !== 'tmpfs')
    .map((mount) => ({
      Type: mount.type,
      ...(mount.type === 'volume' || mount.type === 'image' ? { Name: mount.name } : {}),
      Source: mount.source,
      Destination: mount.destination,
      ...(mount.type === 'volume' ? { Driver: mount.driver } : {}),
      Mode: mount.mode,
      RW: mount.rw,
      Propagation: mount.propagation,
    }));
}
