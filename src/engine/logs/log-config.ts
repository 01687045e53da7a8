import { existsSync } from 'node:fs';
import { EngineError, invalid } from '#base/errors.ts';
import { parseFacility, parseSyslogAddress, parseSyslogFormat } from './system-log.ts';

/** What a client asks for: `HostConfig.LogConfig`. An empty type is the default driver. */
export interface LogConfigRequest {
  type: string;
  options: Readonly<Record<string, string>>;
}

/** How a container's output is kept. */
export interface LogPolicy {
  driver: LogDriver;
  /** False for `none`: nothing is written and nothing can be read. */
  stored: boolean;
  maxSize: number | undefined;
  maxFiles: number;
  compress: boolean;
  /** What `docker logs --details` shows. */
  attributes: Readonly<Record<string, string>>;
}

export type LogDriver = 'json-file' | 'local' | 'none' | 'journald' | 'syslog';

export const DEFAULT_LOG_SIZE = 20_000_000;
export const DEFAULT_LOG_FILES = 5;

const common = ['mode', 'max-buffer-size'];
const attributeKeys = ['labels', 'labels-regex', 'env', 'env-regex', 'tag'];
const known: Record<LogDriver, readonly string[]> = {
  'json-file': ['max-size', 'max-file', 'compress', ...attributeKeys],
  local: ['max-size', 'max-file', 'compress', ...attributeKeys],
  none: [],
  journald: attributeKeys,
  syslog: ['syslog-address', 'syslog-facility', 'syslog-tls-ca-cert', 'syslog-tls-cert', 'syslog-tls-key', 'syslog-tls-skip-verify', 'syslog-format', ...attributeKeys],
};

/** What the driver needs of the host, and Docker's words when it is not there. */
const requirements: Partial<Record<LogDriver, { path: string; message: string }>> = {
  journald: { path: '/run/systemd/journal/socket', message: 'journald is not enabled on this host' },
  syslog: { path: '/dev/log', message: 'Unix syslog delivery error' },
};

/** Drivers that this host can serve, for /info. */
export function availableLogDrivers(exists: (path: string) => boolean = existsSync): LogDriver[] {
  return (Object.keys(known) as LogDriver[]).filter((driver) => {
    const requirement = requirements[driver];
    return requirement === undefined || exists(requirement.path);
  });
}

/** Checks names of driver and options, as create does; throws invalid_argument or not_found with Docker's sentence. */
export function checkLogConfig(config: LogConfigRequest): void {
  const driver = driverOf(config.type);
  for (const key of Object.keys(config.options)) {
    if (common.includes(key) || known[driver].includes(key)) continue;
    throw invalid(driver === 'local' ? `unknown log opt '${key}' for log driver local` : `unknown log opt '${key}' for ${driver} log driver`);
  }
  if (driver === 'syslog') checkSyslog(config.options);
  const { mode, 'max-buffer-size': bufferSize } = config.options;
  if (mode !== undefined && mode !== '' && mode !== 'blocking' && mode !== 'non-blocking') throw invalid(`logger: logging mode not supported: ${mode}`);
  if (bufferSize !== undefined) {
    if (mode !== 'non-blocking') throw invalid("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
    if (parseSize(bufferSize, 1024) === undefined) throw invalid(`error parsing option max-buffer-size: invalid size: '${bufferSize}'`);
  }
}

function driverOf(type: string): LogDriver {
  if (type === '') return 'json-file';
  if (Object.hasOwn(known, type)) return type as LogDriver;
  // Not not_found: clients take a 404 from create for a missing image.
  throw invalid(`error looking up logging plugin ${type}: plugin "${type}" not found`);
}

/**
 * The policy for a container that is about to start; throws with Docker's sentence for values that make no sense and for
 * drivers that the host cannot serve. `labels` and `env` are the container's, for the options that select from them.
 */
export function logPolicy(
  config: LogConfigRequest,
  container: { labels: Readonly<Record<string, string>>; env: readonly string[] },
  exists: (path: string) => boolean = existsSync,
): LogPolicy {
  checkLogConfig(config);
  const driver = driverOf(config.type);
  const requirement = requirements[driver];
  const refuse = (reason: string): EngineError =>
    invalid(`failed to create task for container: failed to initialize logging driver: ${reason}`);
  const remote = driver === 'syslog' && (config.options['syslog-address'] ?? '') !== '';
  if (requirement !== undefined && !remote && !exists(requirement.path)) throw refuse(requirement.message);
  const { options } = config;
  const maxSize = options['max-size'] === undefined ? DEFAULT_LOG_SIZE : options['max-size'] === '-1' ? undefined : parseSize(options['max-size'], 1000);
  if (options['max-size'] !== undefined && options['max-size'] !== '-1' && (maxSize === undefined || maxSize <= 0)) {
    throw refuse(`invalid size: '${options['max-size']}'`);
  }
  const maxFiles = options['max-file'] === undefined ? DEFAULT_LOG_FILES : Number(options['max-file']);
  if (!/^[+-]?\d+$/.test(options['max-file'] ?? '1')) throw refuse(`strconv.Atoi: parsing ${JSON.stringify(options['max-file'])}: invalid syntax`);
  if (maxFiles < 1) throw refuse('max-file cannot be less than 1');
  const compress = parseBool(options['compress'] ?? (driver === 'local' ? 'true' : 'false'));
  if (compress === undefined) throw refuse(`strconv.ParseBool: parsing ${JSON.stringify(options['compress'])}: invalid syntax`);
  if (options['compress'] !== undefined && compress && (maxFiles < 2 || maxSize === undefined)) {
    throw refuse('compress cannot be true when max-file is less than 2 or max-size is not set');
  }
  return { driver, stored: driver !== 'none', maxSize, maxFiles, compress, attributes: attributesOf(options, container) };
}

function checkSyslog(options: Readonly<Record<string, string>>): void {
  parseSyslogAddress(options['syslog-address'] ?? '');
  parseFacility(options['syslog-facility'] ?? '');
  parseSyslogFormat(options['syslog-format'] ?? '');
}

function attributesOf(
  options: Readonly<Record<string, string>>,
  { labels, env }: { labels: Readonly<Record<string, string>>; env: readonly string[] },
): Record<string, string> {
  const attributes: Record<string, string> = {};
  const select = (entries: Iterable<readonly [string, string]>, names: string | undefined, pattern: string | undefined): void => {
    const wanted = new Set(names?.split(',') ?? []);
    const matcher = pattern === undefined || pattern === '' ? undefined : new RegExp(pattern);
    for (const [key, value] of entries) if (wanted.has(key) || matcher?.test(key) === true) attributes[key] = value;
  };
  select(Object.entries(labels), options['labels'], options['labels-regex']);
  const variables = env.map((entry) => {
    const at = entry.indexOf('=');
    return at < 0 ? ([entry, ''] as const) : ([entry.slice(0, at), entry.slice(at + 1)] as const);
  });
  select(variables, options['env'], options['env-regex']);
  if (options['tag'] !== undefined && options['tag'] !== '') attributes['tag'] = options['tag'];
  return attributes;
}

/** `10m`, `1.5g`, `512`: bytes, with steps of 1000 or 1024. Undefined when it is no size. */
export function parseSize(text: string, step: 1000 | 1024): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?$/i.exec(text.trim());
  if (!match) return undefined;
  const power = ['', 'k', 'm', 'g', 't', 'p'].indexOf((match[2] ?? '').toLowerCase());
  return Math.floor(Number(match[1]) * step ** power);
}

function parseBool(text: string): boolean | undefined {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text)) return false;
  return undefined;
}
