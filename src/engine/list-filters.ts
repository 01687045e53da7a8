import { invalid } from '#base/errors.ts';
import { matchLabels, requireKnownFilters, type Filters } from '#spec/filters.ts';
import type { PortMap } from '#spec/wire/container.ts';
import { countsAsRunning, type ContainerStatus } from './container-state.ts';
import type { ContainerRecord } from './container-record.ts';

const known = [
  'ancestor', 'before', 'exited', 'expose', 'health', 'id', 'is-task', 'isolation', 'label', 'name', 'network', 'publish', 'since', 'status', 'volume',
];
const statuses: readonly ContainerStatus[] = ['created', 'running', 'paused', 'restarting', 'exited', 'removing', 'dead'];

export interface ListFilterPorts {
  /** Throws `No such container: x`. */
  find(container: string): ContainerRecord;
  /** Whether the container's image is, or was made from, what the text names. */
  descendsFrom(record: ContainerRecord, image: string): boolean;
  /** Names and ids of its networks. */
  networksOf(record: ContainerRecord): readonly string[];
  /** Container ports with the host's; none when it does not run. */
  portsOf(record: ContainerRecord): PortMap;
}

/** The predicate of a list request; `impliesAll` when a filter asks for stopped containers too. Errors in Docker's words. */
export function listFilter(filters: Filters, ports: ListFilterPorts): { matches: (record: ContainerRecord) => boolean; impliesAll: boolean } {
  requireKnownFilters(filters, known);
  const checks: ((record: ContainerRecord) => boolean)[] = [];
  for (const [key, values] of filters) {
    if (values.length > 0) checks.push(checkOf(key, values, ports));
  }
  return { matches: (record) => checks.every((check) => check(record)), impliesAll: (filters.get('status')?.length ?? 0) > 0 };
}

function checkOf(key: string, values: readonly string[], ports: ListFilterPorts): (record: ContainerRecord) => boolean {
  switch (key) {
    case 'ancestor':
      return (record) => values.some((value) => ports.descendsFrom(record, value));
    case 'before': {
      const oldest = values.map((value) => ports.find(value).created).sort()[0] ?? '';
      return ({ created }) => created < oldest;
    }
    case 'since': {
      const newest = values.map((value) => ports.find(value).created).sort().at(-1) ?? '';
      return ({ created }) => created > newest;
    }
    case 'exited': {
      const codes = values.map(exitCode);
      return ({ life, exitCode: code, finishedAt }) => codes.includes(code) && !countsAsRunning(life.status) && !finishedAt.startsWith('0001');
    }
    case 'expose': {
      const ranges = values.map((value) => portRange(key, value));
      return (record) => Object.keys(ports.portsOf(record)).some((port) => ranges.some((contains) => contains(port)));
    }
    case 'publish': {
      const ranges = values.map((value) => portRange(key, value));
      return (record) =>
        Object.entries(ports.portsOf(record)).some(([port, bindings]) => {
          const protocol = port.split('/')[1] ?? 'tcp';
          return (bindings ?? []).some(({ HostPort = '' }) => ranges.some((contains) => contains(`${HostPort}/${protocol}`)));
        });
    }
    case 'health':
      for (const value of values) {
        if (!['starting', 'healthy', 'unhealthy', 'none'].includes(value)) throw invalid(`unrecognized filter value for health: ${value}`);
      }
      return ({ health }) => values.includes(health?.Status ?? 'none');
    case 'id':
      return ({ id }) => values.some((value) => id.startsWith(value) || textMatches(value, id));
    case 'is-task':
      return () => values.every((value) => ['false', '0'].includes(value.toLowerCase()));
    case 'isolation':
      return () => values.includes('default') || values.includes('');
    case 'label':
      return ({ config }) => matchLabels(values, config.Labels ?? {});
    case 'name':
      return ({ name }) => values.some((value) => textMatches(value, name) || textMatches(value, `/${name}`));
    case 'network':
      return (record) => values.some((value) => ports.networksOf(record).some((network) => network === value || (value.length > 0 && /^[0-9a-f]{64}$/.test(network) && network.startsWith(value))));
    case 'status':
      for (const value of values) {
        if (!statuses.includes(value as ContainerStatus)) throw invalid(`invalid filter 'status=${value}'`);
      }
      return ({ life }) => values.includes(life.status);
    default:
      return ({ mounts }) => values.some((value) => mounts.some(({ name, destination, source }) => value === name || value === destination || value === source));
  }
}

function exitCode(value: string): number {
  if (!/^[+-]?\d+$/.test(value)) throw invalid(`invalid filter 'exited=${value}': strconv.Atoi: parsing ${JSON.stringify(value)}: invalid syntax`);
  return Number(value);
}

/** `80`, `80/udp`, `8000-8080/tcp`. */
function portRange(key: string, value: string): (port: string) => boolean {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/.exec(value);
  const [from, to] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
  if (!match || from > to || to > 65535) throw invalid(`invalid filter '${key}=${value}': invalid port`);
  const protocol = match[3] ?? 'tcp';
  return (port) => {
    const [number = '', itsProtocol = 'tcp'] = port.split('/');
    return Number(number) >= from && Number(number) <= to && itsProtocol === protocol;
  };
}

/**
 * As a regular expression, as Docker does. A repeated group from outside could take for ever: such a text, and what is
 * no expression, is looked for as it is.
 */
function textMatches(pattern: string, text: string): boolean {
  if (pattern.length > 256 || /\)\s*[*+?{]|\\[1-9k]/.test(pattern)) return text.includes(pattern);
  try {
    return new RegExp(pattern).test(text);
  } catch {
    return text.includes(pattern);
  }
}
