import { statSync } from 'node:fs';
import { posix } from 'node:path';
import { invalid, isErrno, messageOf } from '#base/errors.ts';
import { parseIdMap } from '#spec/id-map.ts';
import type { Mount } from '#spec/wire/container.ts';
import { cleanDestination, cleanPath, isPropagation, parseTmpfsOptions, type MountRequest } from './mount-request.ts';

const optionFields = { bind: 'BindOptions', volume: 'VolumeOptions', tmpfs: 'TmpfsOptions', image: 'ImageOptions' } as const;

/** An entry of `Mounts` (`--mount`), checked as Docker does. A bind's source must exist unless it may be made. */
export function parseMount(mount: Mount): MountRequest {
  const type = mount.Type ?? '';
  for (const [owner, field] of Object.entries(optionFields)) {
    if (owner !== type && isGiven(mount[field])) throw invalid(`${field} must not be specified on mount type "${type}"`);
  }
  try {
    return parseChecked(mount);
  } catch (error) {
    throw invalid(`invalid mount config for type "${type}": ${messageOf(error)}`, { cause: error });
  }
}

const isGiven = (value: object | undefined | null): boolean => value !== undefined && value !== null;

function parseChecked(mount: Mount): MountRequest {
  if (mount.Type !== 'bind' && mount.Type !== 'volume' && mount.Type !== 'tmpfs' && mount.Type !== 'image') throw invalid('mount type unknown');
  if (!mount.Target) throw invalid('field Target must not be empty');
  const common = {
    destination: cleanDestination(mount.Target),
    mode: '',
    rw: mount.ReadOnly !== true,
    subpath: '',
    source: '',
    volume: undefined,
    propagation: '',
    recursive: true,
    copyUp: false,
    createSource: false,
    tmpfsOptions: [],
    origin: 'mounts',
    readonlyDepth: 'if-possible',
  } as const;
  if (mount.Type === 'bind') return { ...common, ...bindFields(mount), tmpfsOptions: [] };
  if (mount.Type === 'volume') return { ...common, ...volumeFields(mount), tmpfsOptions: [] };
  if (mount.Type === 'image') return { ...common, ...imageFields(mount), tmpfsOptions: [] };
  if (mount.Source) throw invalid('field Source must not be specified');
  return { ...common, type: 'tmpfs', tmpfsOptions: tmpfsFields(mount) };
}

function bindFields(mount: Mount): Pick<MountRequest, 'type' | 'source' | 'propagation' | 'recursive' | 'readonlyDepth' | 'createSource' | 'idmap'> {
  const options = mount.BindOptions ?? {};
  if (!mount.Source) throw invalid('field Source must not be empty');
  if (!mount.Source.startsWith('/')) throw invalid(`invalid mount path: '${mount.Source}' mount path must be absolute`);
  const propagation = options.Propagation ?? '';
  if (propagation !== '' && !isPropagation(propagation)) throw invalid(`invalid propagation mode: ${propagation}`);
  if (options.ReadOnlyNonRecursive === true && options.ReadOnlyForceRecursive === true) {
    throw invalid('ReadOnlyForceRecursive conflicts with ReadOnlyNonRecursive');
  }
  if (options.ReadOnlyForceRecursive === true && mount.ReadOnly !== true) throw invalid('ReadOnlyForceRecursive needs ReadOnly');
  const source = cleanPath(mount.Source);
  if (options.CreateMountpoint !== true) requireSource(source);
  return {
    type: 'bind',
    source,
    propagation,
    recursive: options.NonRecursive !== true,
    readonlyDepth: options.ReadOnlyNonRecursive === true ? 'top-only' : options.ReadOnlyForceRecursive === true ? 'force' : 'if-possible',
    createSource: options.CreateMountpoint === true,
    ...(options.IDMap ? { idmap: parseIdMap(options.IDMap) } : {}),
  };
}

function requireSource(source: string): void {
  try {
    statSync(source);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) throw invalid(`bind source path does not exist: ${source}`);
    throw error;
  }
}

function volumeFields(mount: Mount): Pick<MountRequest, 'type' | 'volume' | 'subpath' | 'copyUp' | 'mode'> {
  const options = mount.VolumeOptions ?? {};
  const subpath = options.Subpath ?? '';
  if (subpath !== '' && !mount.Source) throw invalid('must not set Subpath when using anonymous volumes');
  requireRelative(subpath);
  return {
    type: 'volume',
    subpath,
    mode: 'z',
    copyUp: options.NoCopy !== true,
    volume: {
      name: mount.Source || undefined,
      driver: options.DriverConfig?.Name || 'local',
      driverOpts: options.DriverConfig?.Options ?? null,
      labels: options.Labels ?? null,
    },
  };
}

/** Image mounts are read-only whatever was asked for, as Docker's are. */
function imageFields(mount: Mount): Pick<MountRequest, 'type' | 'source' | 'subpath' | 'rw'> {
  if (!mount.Source) throw invalid('field Source must not be empty');
  const subpath = mount.ImageOptions?.Subpath ?? '';
  requireRelative(subpath);
  return { type: 'image', source: mount.Source, subpath, rw: false };
}

function requireRelative(subpath: string): void {
  const clean = posix.normalize(subpath);
  if (clean.startsWith('/') || clean === '..' || clean.startsWith('../')) throw invalid('subpath must be a relative path within the volume');
}

function tmpfsFields(mount: Mount): string[] {
  const { SizeBytes: size = 0, Mode: mode = 0, Options: more = [] } = mount.TmpfsOptions ?? {};
  if (size < 0) throw invalid('invalid tmpfs size: it must not be negative');
  const extra = more.map((pair) => pair.join('='));
  return [
    ...(size > 0 ? [`size=${size}`] : []),
    ...(mode > 0 ? [`mode=${mode.toString(8)}`] : []),
    ...extra.flatMap((option) => parseTmpfsOptions(option)),
  ];
}
