import { resolve } from 'node:path';
import { parseIdMap } from '#spec/id-map.ts';
import type { Mount } from '#spec/wire/container.ts';
import { parseBool, parseBytes } from '../../command/values.ts';
import { csvFields, cutPair } from './csv.ts';

/** Reads one `--mount` value. Throws with Docker's words. */
export function parseMount(value: string): Mount {
  const mount: Mount = { Type: 'volume' };
  const used = new Set<string>();
  for (const field of csvFields(value)) {
    const [rawKey, text] = cutPair(field);
    const key = rawKey.toLowerCase();
    if (text === undefined) {
      if (key === 'readonly' || key === 'ro') mount.ReadOnly = true;
      else if (key === 'volume-nocopy') (mount.VolumeOptions ??= { DriverConfig: {} }).NoCopy = true;
      else if (key === 'bind-nonrecursive') (mount.BindOptions ??= {}).NonRecursive = true;
      else if (key === 'bind-create-src') (mount.BindOptions ??= {}).CreateMountpoint = true;
      else throw new Error(`invalid field '${field}' must be a key=value pair`);
      used.add(key.split('-')[0] ?? '');
      continue;
    }
    setField(mount, key, text, field);
    used.add(key.split('-')[0] ?? '');
  }
  if (mount.Target === undefined || mount.Target === '') throw new Error('target is required');
  for (const kind of ['volume', 'bind', 'tmpfs', 'image'] as const) {
    const present = { volume: mount.VolumeOptions, bind: mount.BindOptions, tmpfs: mount.TmpfsOptions, image: mount.ImageOptions }[kind];
    if (present && mount.Type !== kind && used.has(kind)) throw new Error(`cannot mix '${kind}-*' options with mount type '${mount.Type ?? ''}'`);
  }
  if (mount.BindOptions && (mount.BindOptions.ReadOnlyNonRecursive === true || mount.BindOptions.ReadOnlyForceRecursive === true) && mount.ReadOnly !== true) {
    throw new Error(`option 'bind-recursive=${mount.BindOptions.ReadOnlyForceRecursive === true ? 'readonly' : 'writable'}' requires 'readonly' to be specified in conjunction`);
  }
  if (mount.BindOptions?.ReadOnlyForceRecursive === true && mount.BindOptions.Propagation !== 'rprivate') {
    throw new Error("option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction");
  }
  return mount;
}

function setField(mount: Mount, key: string, text: string, field: string): void {
  const boolean = (): boolean => {
    try {
      return parseBool(text);
    } catch (error) {
      throw new Error(`invalid value for ${key}: ${text}`, { cause: error });
    }
  };
  switch (key) {
    case 'type':
      mount.Type = text.toLowerCase();
      return;
    case 'source':
    case 'src':
      mount.Source = text === '.' || text.startsWith('./') || text === '..' || text.startsWith('../') ? resolve(text) : text;
      return;
    case 'target':
    case 'dst':
    case 'destination':
      mount.Target = text;
      return;
    case 'readonly':
    case 'ro':
      mount.ReadOnly = boolean();
      return;
    case 'consistency':
      mount.Consistency = text.toLowerCase();
      return;
    case 'bind-propagation':
      (mount.BindOptions ??= {}).Propagation = text.toLowerCase();
      return;
    case 'bind-nonrecursive':
      (mount.BindOptions ??= {}).NonRecursive = boolean();
      return;
    case 'bind-create-src':
      (mount.BindOptions ??= {}).CreateMountpoint = boolean();
      return;
    case 'idmap':
    case 'bind-idmap':
      mount.BindOptions = { ...mount.BindOptions, IDMap: parseIdMap(text) };
      return;
    case 'bind-recursive':
      setRecursion((mount.BindOptions ??= {}), text);
      return;
    case 'volume-subpath':
      (mount.VolumeOptions ??= { DriverConfig: {} }).Subpath = text;
      return;
    case 'volume-nocopy':
      (mount.VolumeOptions ??= { DriverConfig: {} }).NoCopy = boolean();
      return;
    case 'volume-label': {
      const [name, label] = cutPair(text);
      (mount.VolumeOptions ??= { DriverConfig: {} }).Labels = { ...mount.VolumeOptions.Labels, [name]: label ?? '' };
      return;
    }
    case 'volume-driver':
      ((mount.VolumeOptions ??= {}).DriverConfig ??= {}).Name = text;
      return;
    case 'volume-opt': {
      const [name, option] = cutPair(text);
      const driver = ((mount.VolumeOptions ??= {}).DriverConfig ??= {});
      driver.Options = { ...driver.Options, [name]: option ?? '' };
      return;
    }
    case 'image-subpath':
      (mount.ImageOptions ??= {}).Subpath = text;
      return;
    case 'tmpfs-size':
      try {
        (mount.TmpfsOptions ??= {}).SizeBytes = parseBytes(text);
      } catch (error) {
        throw new Error(`invalid value for ${key}: ${text}`, { cause: error });
      }
      return;
    case 'tmpfs-mode':
      if (!/^[0-7]+$/.test(text)) throw new Error(`invalid value for ${key}: ${text}`);
      (mount.TmpfsOptions ??= {}).Mode = Number.parseInt(text, 8);
      return;
    default:
      throw new Error(`unexpected key '${key}' in '${field}'`);
  }
}

function setRecursion(bind: NonNullable<Mount['BindOptions']>, text: string): void {
  switch (text) {
    case 'enabled':
      return;
    case 'disabled':
      bind.NonRecursive = true;
      return;
    case 'writable':
      bind.ReadOnlyNonRecursive = true;
      return;
    case 'readonly':
      bind.ReadOnlyForceRecursive = true;
      return;
    default:
      throw new Error(`invalid value for bind-recursive: ${text} (must be "enabled", "disabled", "writable", or "readonly")`);
  }
}

export interface ParsedVolumes {
  binds: string[];
  /** Anonymous volumes, by target. */
  volumes: Record<string, Record<string, never>>;
}

/** Reads `--volume`: `/target`, `name:/target:ro`, `./here:/target`. */
export function parseVolumes(items: readonly string[]): ParsedVolumes {
  const parsed: ParsedVolumes = { binds: [], volumes: {} };
  for (const item of items) {
    if (item === '') throw new Error('invalid empty volume spec');
    const parts = item.length <= 2 ? [item] : splitVolume(item);
    if (item.length > 2 && parts.includes('')) throw new Error(`invalid spec: ${item}: empty section between colons`);
    if (parts.length > 3) throw new Error(`invalid spec: ${item}: too many colons`);
    const [source = '', ...rest] = parts;
    if (rest.length === 0) parsed.volumes[item] = {};
    else parsed.binds.push([source.startsWith('.') ? resolve(source) : source, ...rest].join(':'));
  }
  return parsed;
}

/** Cut at colons, except after a single letter: Docker takes that for a Windows drive. */
function splitVolume(item: string): string[] {
  const parts: string[] = [];
  let part = '';
  for (const char of item) {
    if (char === ':' && !/^[a-z]$/i.test(part)) {
      parts.push(part);
      part = '';
    } else part += char;
  }
  return [...parts, part];
}

/** Reads `--tmpfs PATH[:OPTIONS]`. */
export function parseTmpfs(items: readonly string[]): Record<string, string> {
  const result: Record<string, string> = {};
  for (const item of items) {
    const [path, options] = cutPair(item, ':');
    result[path] = options ?? '';
  }
  return result;
}
