import { invalid, wrap } from '#base/errors.ts';
import { withSuggestion } from '../failure.ts';

export type MountType = 'bind' | 'cache' | 'tmpfs' | 'secret' | 'ssh';

/** A `--mount` of RUN, as written; what depends on the type's defaults is filled in where it is compiled. */
export interface RunMount {
  type: MountType;
  from: string;
  source: string;
  target: string;
  readOnly: boolean;
  /** Of cache mounts, secrets and ssh sockets. */
  id: string;
  sharing: 'shared' | 'private' | 'locked' | '';
  required: boolean;
  /** Of tmpfs, bytes. */
  size: number;
  mode: number | undefined;
  uid: number | undefined;
  gid: number | undefined;
  /** Of secrets: the variable that carries it. */
  env: string | undefined;
}

const types: readonly MountType[] = ['bind', 'cache', 'tmpfs', 'secret', 'ssh'];
const keys = ['type', 'from', 'source', 'target', 'readonly', 'id', 'sharing', 'required', 'size', 'mode', 'uid', 'gid', 'src', 'dst', 'destination', 'ro', 'rw', 'readwrite', 'env'];
const sharings = ['shared', 'private', 'locked'] as const;

const isType = (text: string): text is MountType => types.some((type) => type === text);

/** What is wrong with a mount before variables are known: its form, and a stage named by a variable. */
export function checkMountFlag(text: string): void {
  for (const field of csvFields(text)) {
    const { key, value } = split(field);
    if (value === undefined) {
      if (!['readonly', 'ro', 'readwrite', 'rw', 'required'].includes(key)) throw invalid(`invalid field '${field}' must be a key=value pair`);
    } else if (key === 'from' && /\$./s.test(value)) {
      throw invalid(`'${key}' doesn't support variable expansion, define alias stage instead`);
    }
  }
}

/** The stage or image a mount is from: known before variables are. */
export function mountFrom(text: string): string {
  return csvFields(text).map(split).findLast(({ key, value }) => key === 'from' && value !== undefined)?.value ?? '';
}

/** Reads a mount; `expandWord` puts variables in. Throws invalid_argument. */
export function readMount(text: string, expandWord: (word: string) => string): RunMount {
  const mount: RunMount = {
    type: 'bind', from: '', source: '', target: '', readOnly: true, id: '', sharing: '', required: false, size: 0, mode: undefined, uid: undefined, gid: undefined, env: undefined,
  };
  let readOnly: boolean | undefined;
  for (const field of csvFields(text)) {
    const { key, value: raw } = split(field);
    if (raw === undefined) {
      if (key === 'required') {
        requireSecretOrSsh(mount, key);
        mount.required = true;
      } else if (key === 'readonly' || key === 'ro') readOnly = true;
      else if (key === 'readwrite' || key === 'rw') readOnly = false;
      else throw invalid(`invalid field '${field}' must be a key=value pair`);
      continue;
    }
    const value = expandWord(raw);
    check(key, value, field);
    switch (key) {
      case 'type':
        mount.type = isType(value.toLowerCase()) ? (value.toLowerCase() as MountType) : 'bind';
        break;
      case 'from':
        mount.from = value;
        break;
      case 'source':
      case 'src':
        mount.source = value;
        break;
      case 'target':
      case 'dst':
      case 'destination':
        mount.target = value;
        break;
      case 'readonly':
      case 'ro':
        readOnly = boolean(key, value);
        break;
      case 'readwrite':
      case 'rw':
        readOnly = !boolean(key, value);
        break;
      case 'required':
        requireSecretOrSsh(mount, key);
        mount.required = boolean(key, value);
        break;
      case 'size':
        if (mount.type !== 'tmpfs') throw invalid(`unexpected key '${key}' for mount type '${mount.type}'`);
        mount.size = size(key, value);
        break;
      case 'id':
        mount.id = value;
        break;
      case 'sharing':
        mount.sharing = sharings.find((sharing) => sharing === value.toLowerCase()) ?? '';
        break;
      case 'mode':
        mount.mode = Number.parseInt(value, 8);
        break;
      case 'uid':
      case 'gid':
        mount[key] = Number(value);
        break;
      default:
        mount.env = value;
    }
  }
  mount.readOnly = readOnly ?? (mount.type !== 'cache' && mount.type !== 'tmpfs');
  checkTogether(mount);
  return mount;
}

/** Values that can be judged alone. */
function check(key: string, value: string, field: string): void {
  const lower = value.toLowerCase();
  if (!keys.includes(key)) throw invalid(withSuggestion(`unexpected key '${key}' in '${field}'`, key, keys));
  if (key === 'type' && !isType(lower)) throw invalid(withSuggestion(`unsupported mount type ${JSON.stringify(value)}`, value, types));
  if (key === 'sharing' && !sharings.some((sharing) => sharing === lower)) {
    throw invalid(withSuggestion(`unsupported sharing value ${JSON.stringify(value)}`, value, sharings));
  }
  if (key === 'mode' && !(/^[0-7]+$/.test(value) && Number.parseInt(value, 8) <= 0xffffffff)) throw invalid(`invalid value ${value} for mode`);
  if ((key === 'uid' || key === 'gid') && !(/^\d+$/.test(value) && Number(value) <= 0xffffffff)) throw invalid(`invalid value ${value} for ${key}`);
}

function checkTogether(mount: RunMount): void {
  const { type } = mount;
  const ownable = type === 'secret' || type === 'ssh' || type === 'cache';
  for (const key of ['mode', 'uid', 'gid'] as const) {
    if (mount[key] !== undefined && !ownable) throw invalid(`${key} not allowed for ${JSON.stringify(type)} type mounts`);
  }
  if (mount.sharing !== '' && type !== 'cache') throw invalid(`invalid cache sharing set for ${type} mount`);
  if (mount.env !== undefined && type !== 'secret') throw invalid(`env not allowed for ${JSON.stringify(type)} type mounts`);
  if (type !== 'secret') return;
  if (mount.from !== '') throw invalid('secret mount should not have a from');
  if (mount.source === '' && mount.target === '' && mount.id === '') throw invalid('invalid secret mount. one of source, target required');
  if (mount.source !== '' && mount.id !== '') throw invalid("both source and id can't be set");
}

function requireSecretOrSsh(mount: RunMount, key: string): void {
  if (mount.type !== 'secret' && mount.type !== 'ssh') throw invalid(`unexpected key '${key}' for mount type '${mount.type}'`);
}

function boolean(key: string, value: string): boolean {
  if (/^(?:1|t|T|TRUE|true|True)$/.test(value)) return true;
  if (/^(?:0|f|F|FALSE|false|False)$/.test(value)) return false;
  throw invalid(`invalid value for ${key}: ${value}`);
}

function size(key: string, value: string): number {
  const match = /^(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?$/i.exec(value);
  if (!match) throw invalid(`invalid value for ${key}: ${value}`);
  return Math.trunc(Number(match[1]) * 1024 ** ' kmgtp'.indexOf((match[2] === '' ? ' ' : (match[2] ?? ' ')).toLowerCase()));
}

function split(field: string): { key: string; value: string | undefined } {
  const equals = field.indexOf('=');
  return equals < 0 ? { key: field.toLowerCase(), value: undefined } : { key: field.slice(0, equals).toLowerCase(), value: field.slice(equals + 1) };
}

/** One record of CSV: fields in double quotes may hold commas, and quotes that are doubled. */
export function csvFields(text: string): string[] {
  const fields: string[] = [];
  const failed = (what: string): Error => wrap(invalid(`parse error on line 1, column ${text.length + 1}: ${what}`), 'failed to parse csv mounts');
  if (text === '') throw wrap(invalid('EOF'), 'failed to parse csv mounts');
  for (let rest = text; ; ) {
    if (!rest.startsWith('"')) {
      const comma = rest.indexOf(',');
      const field = comma < 0 ? rest : rest.slice(0, comma);
      if (field.includes('"')) throw failed('bare " in non-quoted-field');
      fields.push(field);
      if (comma < 0) return fields;
      rest = rest.slice(comma + 1);
      continue;
    }
    const match = /^"((?:[^"]|"")*)"(,|$)/.exec(rest);
    if (!match) throw failed('extraneous or missing " in quoted-field');
    fields.push((match[1] ?? '').replaceAll('""', '"'));
    if (match[2] === '') return fields;
    rest = rest.slice(match[0].length);
  }
}
