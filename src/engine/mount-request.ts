import { posix } from 'node:path';
import { invalid, messageOf } from '#base/errors.ts';
import { parseIdMap } from '#spec/id-map.ts';
import type { PlannedMount } from './oci/input.ts';
import type { VolumeRequest } from './volumes.ts';

/** A mount as asked for, before volumes have names and paths. */
export type MountRequest = Omit<PlannedMount, 'name' | 'driver' | 'source'> & {
  /** Host path of a bind, or the name of an image; empty otherwise. */
  source: string;
  /** For type volume. */
  volume: VolumeRequest | undefined;
};

const propagations = new Set(['private', 'rprivate', 'slave', 'rslave', 'shared', 'rshared']);
const consistencies = new Set(['consistent', 'cached', 'delegated', 'default']);

export const isPropagation = (word: string): boolean => propagations.has(word);

interface Mode {
  rw: boolean;
  propagation: string;
  noCopy: boolean;
  idmap: string | undefined;
}

/** The third part of a bind, e.g. `ro,z,rslave`: at most one word of each kind. `idmap=` is ours: docker's CLI passes it on. */
export function parseMode(text: string): Mode {
  const words = text === '' ? [] : text.split(',');
  const refused = (): Error => invalid(`invalid mode: ${text}`);
  const kindOf = (word: string): string => {
    if (word === 'ro' || word === 'rw') return 'access';
    if (word === 'z' || word === 'Z') return 'label';
    if (isPropagation(word)) return 'propagation';
    if (consistencies.has(word)) return 'consistency';
    if (word === 'nocopy') return 'copy';
    if (word.startsWith('idmap=')) return 'idmap';
    throw refused();
  };
  const kinds = words.map(kindOf);
  if (new Set(kinds).size !== kinds.length) throw refused();
  const idmap = words.find((word) => word.startsWith('idmap='))?.slice('idmap='.length);
  return {
    rw: !words.includes('ro'), propagation: words.find(isPropagation) ?? '', noCopy: words.includes('nocopy'),
    idmap: idmap === undefined ? undefined : parseIdMap(idmap),
  };
}

/** `src:dst[:mode]`, `volume:dst[:mode]` or `dst`. Throws invalid_argument in Docker's words. */
export function parseBind(spec: string, volumeDriver: string): MountRequest {
  const parts = spec.split(':');
  const refused = (why?: string): Error => invalid(`invalid volume specification: '${spec}'${why === undefined ? '' : `: ${why}`}`);
  if (parts.length > 3 || parts.includes('')) throw refused();
  const [first = '', second, modeText = ''] = parts;
  const mode = parseMode(modeText);
  if (second === undefined) {
    return fromBind({ destination: first, modeText: '', mode, source: undefined, volumeDriver }, refused);
  }
  // "/data:ro" names no destination.
  if (parts.length === 2 && !second.startsWith('/') && isMode(second)) throw refused();
  return fromBind({ destination: second, modeText, mode, source: first, volumeDriver }, refused);
}

function isMode(text: string): boolean {
  try {
    parseMode(text);
    return true;
  } catch {
    return false;
  }
}

function fromBind(
  parsed: { destination: string; modeText: string; mode: Mode; source: string | undefined; volumeDriver: string },
  refused: (why: string) => Error,
): MountRequest {
  const { source, mode, modeText } = parsed;
  const type = source?.startsWith('/') ? 'bind' : 'volume';
  const bad = (why: string): Error => refused(`invalid mount config for type "${type}": ${why}`);
  let destination: string;
  try {
    destination = cleanDestination(parsed.destination);
  } catch (error) {
    throw bad(messageOf(error));
  }
  const common = {
    subpath: '',
    destination,
    rw: mode.rw,
    recursive: true,
    readonlyDepth: 'if-possible',
    tmpfsOptions: [],
    origin: 'binds',
  } as const;
  if (source !== undefined && type === 'bind') {
    if (mode.noCopy) throw bad('field VolumeOptions must not be specified');
    return {
      ...common,
      type,
      source: cleanPath(source),
      volume: undefined,
      mode: modeText,
      propagation: mode.propagation,
      copyUp: false,
      createSource: true,
      tmpfsOptions: [],
      ...(mode.idmap === undefined ? {} : { idmap: mode.idmap }),
    };
  }
  if (mode.propagation !== '' || mode.idmap !== undefined) throw bad('field BindOptions must not be specified');
  return {
    ...common,
    type: 'volume',
    source: '',
    volume: { name: source, driver: parsed.volumeDriver || 'local', driverOpts: null, labels: null },
    mode: modeText || (source === undefined ? '' : 'z'),
    propagation: '',
    copyUp: !mode.noCopy,
    createSource: false,
    tmpfsOptions: [],
  };
}

/** An absolute path of the container without `.`, `..` and doubled slashes; the root itself is refused. */
export function cleanDestination(path: string): string {
  if (!path.startsWith('/')) throw invalid(`invalid mount path: '${path}' mount path must be absolute`);
  const clean = cleanPath(path);
  if (clean === '/') throw invalid("invalid specification: destination can't be '/'");
  return clean;
}

export function cleanPath(path: string): string {
  const clean = posix.normalize(path);
  return clean.length > 1 && clean.endsWith('/') ? clean.slice(0, -1) : clean;
}

const tmpfsFlags = new Set([
  'ro', 'rw', 'exec', 'noexec', 'suid', 'nosuid', 'dev', 'nodev', 'sync', 'async', 'dirsync', 'remount', 'mand', 'nomand', 'atime',
  'noatime', 'diratime', 'nodiratime', 'bind', 'rbind', 'relatime', 'norelatime', 'strictatime', 'nostrictatime', 'defaults', 'inode32',
  'inode64', 'noswap', 'unbindable', 'runbindable', ...propagations,
]);
const tmpfsValues: Record<string, RegExp> = {
  size: /^\d+[kmgtKMGT%]?$/, mode: /^[0-7]{1,4}$/, uid: /^\d+$/, gid: /^\d+$/, nr_inodes: /^\d+[kmgKMG]?$/, nr_blocks: /^\d+[kmgKMG]?$/,
  mpol: /^[a-z0-9:=,-]+$/, huge: /^(never|always|within_size|advise)$/,
};

/** `size=64m,noexec`: checked here, since the kernel's own refusal does not say which word it minds. */
export function parseTmpfsOptions(text: string): string[] {
  const words = text.split(',').map((word) => word.trim()).filter((word) => word !== '' && word !== 'defaults');
  for (const word of words) {
    const cut = word.indexOf('=');
    const known = cut < 0 ? tmpfsFlags.has(word) : (tmpfsValues[word.slice(0, cut)]?.test(word.slice(cut + 1)) ?? false);
    if (!known) throw invalid(`invalid tmpfs option "${cut < 0 || word.slice(0, cut) in tmpfsValues ? word : word.slice(0, cut)}"`);
  }
  return words;
}
