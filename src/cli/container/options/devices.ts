import { posix } from 'node:path';
import type { DeviceMapping, DeviceRequest, ThrottleDevice } from '#spec/wire/container.ts';
import { parseBytes } from '../../command/values.ts';
import { csvFields, cutPair, pairs } from './csv.ts';

const validMode = (mode: string): boolean => mode !== '' && /^[rwm]+$/.test(mode) && new Set(mode).size === mode.length;

/** True for CDI's `vendor.com/class=name`. */
export const isCdiDevice = (name: string): boolean => /^[A-Za-z][\w.-]*\/[A-Za-z][\w.-]*=[A-Za-z0-9][\w.:-]*$/.test(name);

/** Reads `--device HOST[:CONTAINER][:MODE]`. */
export function parseDevice(item: string): DeviceMapping {
  const parts = item.split(':');
  const [host = '', second, third] = parts;
  if (parts.length > 3 || host === '') throw new Error(`bad format for path: ${item}`);
  if (third !== undefined && !validMode(third)) throw new Error(`bad mode specified: ${third}`);
  const secondIsMode = parts.length === 2 && second !== undefined && validMode(second);
  const container = second === undefined || secondIsMode ? host : second;
  if (!posix.isAbsolute(container)) throw new Error(`${container} is not an absolute path`);
  return {
    PathOnHost: host,
    PathInContainer: container,
    CgroupPermissions: third ?? (secondIsMode ? second : 'rwm'),
  };
}

/** Reads one `--gpus` value. */
export function parseGpus(value: string): DeviceRequest {
  const request: DeviceRequest = { Driver: '', Count: 0, Capabilities: [], Options: {} };
  const seen = new Set<string>();
  for (const field of csvFields(value)) {
    const [rawKey, rawText] = cutPair(field);
    const key = rawText === undefined ? 'count' : rawKey;
    const text = rawText ?? field;
    if (seen.has(key)) throw new Error(`gpu request key '${key}' can be specified only once`);
    seen.add(key);
    if (key === 'driver') request.Driver = text;
    else if (key === 'count') request.Count = gpuCount(text);
    else if (key === 'device') request.DeviceIDs = text.split(',');
    else if (key === 'capabilities') request.Capabilities = [[...text.split(','), 'gpu']];
    else if (key === 'options') request.Options = pairs(csvFields(text));
    else throw new Error(`unexpected key '${key}' in '${field}'`);
  }
  if (!seen.has('count') && request.DeviceIDs === undefined) request.Count = 1;
  if (request.Capabilities?.length === 0) request.Capabilities = [['gpu']];
  return request;
}

function gpuCount(text: string): number {
  if (text === 'all') return -1;
  if (!/^[+-]?\d+$/.test(text)) throw new Error(`invalid count (${text}): value must be either "all" or an integer: invalid syntax`);
  return Number(text);
}

/** Reads `--device-read-bps` and its kin: `/dev/sda:1mb`. */
export function parseThrottle(value: string, kind: 'bytes' | 'count'): ThrottleDevice {
  const [path, rate] = cutPair(value, ':');
  if (rate === undefined || path === '') throw new Error(`bad format: ${value}`);
  if (!path.startsWith('/dev/')) throw new Error(`bad format for device path: ${value}`);
  if (kind === 'count') {
    if (!/^\d+$/.test(rate)) throw new Error(`invalid rate for device: ${value}. The correct format is <device-path>:<number>. Number must be a positive integer`);
    return { Path: path, Rate: Number(rate) };
  }
  try {
    return { Path: path, Rate: parseBytes(rate) };
  } catch (error) {
    throw new Error(`invalid rate for device: ${value}. The correct format is <device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb`, { cause: error });
  }
}

export function parseWeight(value: string): { Path: string; Weight: number } {
  const [path, weight] = cutPair(value, ':');
  if (weight === undefined || path === '') throw new Error(`bad format: ${value}`);
  if (!path.startsWith('/dev/')) throw new Error(`bad format for device path: ${value}`);
  const number = /^\d+$/.test(weight) ? Number(weight) : Number.NaN;
  if (!(number === 0 || (number >= 10 && number <= 1000))) throw new Error(`invalid weight for device: ${value}`);
  return { Path: path, Weight: number };
}

export interface Ulimit {
  Name: string;
  Soft: number;
  Hard: number;
}

const limits = ['core', 'cpu', 'data', 'fsize', 'locks', 'memlock', 'msgqueue', 'nice', 'nofile', 'nproc', 'rss', 'rtprio', 'rttime', 'sigpending', 'stack'];

/** Reads `--ulimit NAME=SOFT[:HARD]`. */
export function parseUlimit(value: string): Ulimit {
  const [name, limit] = cutPair(value);
  if (limit === undefined) throw new Error(`invalid ulimit argument: ${value}`);
  if (!limits.includes(name)) throw new Error(`invalid ulimit type: ${name}`);
  const numbers = limit.split(':').map((text) => {
    if (!/^-?\d+$/.test(text)) throw new Error(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
    return Number(text);
  });
  if (numbers.length > 2) throw new Error(`too many limit value arguments - ${limit}, can only have up to two, \`soft[:hard]\``);
  const [soft = 0, hard = soft] = numbers;
  if (hard !== -1 && (soft === -1 || soft > hard)) throw new Error(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
  return { Name: name, Soft: soft, Hard: hard };
}
