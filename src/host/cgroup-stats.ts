import { readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '#base/errors.ts';
import { cgroupFolder, readText, type CgroupHierarchies } from './cgroup.ts';

/** A reading of a cgroup in one shape for v1 and v2. Times in nanoseconds, sizes in bytes. */
export interface CgroupStats {
  version: 1 | 2;
  cpu: {
    total: number;
    user: number;
    kernel: number;
    /** v1 only. */
    perCpu: number[] | undefined;
    periods: number;
    throttledPeriods: number;
    throttledTime: number;
  };
  memory: {
    usage: number;
    /** The highest usage so far; undefined where the kernel does not say. */
    peak: number | undefined;
    /** Undefined when unlimited. */
    limit: number | undefined;
    failures: number | undefined;
    /** memory.stat as the kernel names it. */
    detail: Record<string, number>;
  };
  pids: { current: number; limit: number | undefined };
  io: { bytes: IoEntry[]; operations: IoEntry[] };
}

export interface IoEntry {
  major: number;
  minor: number;
  /** As the kernel says it: `Read`, `Write`, `Sync`, ... on v1; `read`, `write` on v2. */
  op: string;
  value: number;
}

/** Reads the cgroup now; undefined when it is gone. */
export function readCgroupStats(hierarchies: CgroupHierarchies, path: string): CgroupStats | undefined {
  return hierarchies.version === 2 ? readV2(hierarchies, path) : readV1(hierarchies, path);
}

function readV1(hierarchies: CgroupHierarchies, path: string): CgroupStats | undefined {
  const text = (controller: string, file: string): string | undefined => {
    const folder = cgroupFolder(hierarchies, path, controller);
    return folder === undefined ? undefined : readText(join(folder, file));
  };
  const number = (controller: string, file: string): number | undefined => toNumber(text(controller, file));
  const usage = number('memory', 'memory.usage_in_bytes');
  const total = number('cpuacct', 'cpuacct.usage');
  if (usage === undefined && total === undefined) return undefined;
  const throttling = parseKeyed(text('cpu', 'cpu.stat') ?? '');
  const limit = number('memory', 'memory.limit_in_bytes');
  const io = (file: string): IoEntry[] => {
    const own = text('blkio', `blkio.throttle.${file}_recursive`) ?? text('blkio', `blkio.throttle.${file}`) ?? '';
    const bfq = text('blkio', `blkio.bfq.${file}_recursive`) ?? '';
    return parseIoV1(own).length > 0 ? parseIoV1(own) : parseIoV1(bfq);
  };
  return {
    version: 1,
    cpu: {
      total: total ?? 0,
      user: number('cpuacct', 'cpuacct.usage_user') ?? 0,
      kernel: number('cpuacct', 'cpuacct.usage_sys') ?? 0,
      perCpu: text('cpuacct', 'cpuacct.usage_percpu')?.trim().split(' ').map(Number),
      periods: throttling['nr_periods'] ?? 0,
      throttledPeriods: throttling['nr_throttled'] ?? 0,
      throttledTime: throttling['throttled_time'] ?? 0,
    },
    memory: {
      usage: usage ?? 0,
      peak: number('memory', 'memory.max_usage_in_bytes'),
      // "No limit" is the largest multiple of a page.
      limit: limit === undefined || limit > 2 ** 62 ? undefined : limit,
      failures: number('memory', 'memory.failcnt'),
      detail: parseKeyed(text('memory', 'memory.stat') ?? ''),
    },
    pids: { current: number('pids', 'pids.current') ?? 0, limit: number('pids', 'pids.max') },
    io: { bytes: io('io_service_bytes'), operations: io('io_serviced') },
  };
}

function readV2(hierarchies: CgroupHierarchies, path: string): CgroupStats | undefined {
  const folder = join(hierarchies.unified ?? '/sys/fs/cgroup', path);
  const text = (file: string): string | undefined => readText(join(folder, file));
  const cpuText = text('cpu.stat');
  if (cpuText === undefined) return undefined;
  const cpu = parseKeyed(cpuText);
  const events = parseKeyed(text('memory.events') ?? '');
  const io = parseIoV2(text('io.stat') ?? '');
  return {
    version: 2,
    cpu: {
      total: (cpu['usage_usec'] ?? 0) * 1000,
      user: (cpu['user_usec'] ?? 0) * 1000,
      kernel: (cpu['system_usec'] ?? 0) * 1000,
      perCpu: undefined,
      periods: cpu['nr_periods'] ?? 0,
      throttledPeriods: cpu['nr_throttled'] ?? 0,
      throttledTime: (cpu['throttled_usec'] ?? 0) * 1000,
    },
    memory: {
      usage: toNumber(text('memory.current')) ?? 0,
      peak: toNumber(text('memory.peak')),
      limit: toNumber(text('memory.max')),
      failures: events['oom'],
      detail: parseKeyed(text('memory.stat') ?? ''),
    },
    pids: { current: toNumber(text('pids.current')) ?? 0, limit: toNumber(text('pids.max')) },
    io,
  };
}

/** `max` and what is no number are undefined. */
function toNumber(text: string | undefined): number | undefined {
  const trimmed = text?.trim();
  return trimmed === undefined || !/^\d+$/.test(trimmed) ? undefined : Number(trimmed);
}

/** Lines of `name value`. */
export function parseKeyed(text: string): Record<string, number> {
  const values: Record<string, number> = {};
  for (const line of text.split('\n')) {
    const at = line.indexOf(' ');
    if (at > 0) values[line.slice(0, at)] = Number(line.slice(at + 1));
  }
  return values;
}

/** `8:0 Read 4096`; the line `Total 4096` sums the devices up and belongs to none. */
export function parseIoV1(text: string): IoEntry[] {
  return [...text.matchAll(/^(\d+):(\d+) (\w+) (\d+)$/gm)].map(([, major, minor, op, value]) => ({
    major: Number(major),
    minor: Number(minor),
    op: op ?? '',
    value: Number(value),
  }));
}

/** `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0`. */
export function parseIoV2(text: string): { bytes: IoEntry[]; operations: IoEntry[] } {
  const bytes: IoEntry[] = [];
  const operations: IoEntry[] = [];
  for (const [, major, minor, rest] of text.matchAll(/^(\d+):(\d+) (.*)$/gm)) {
    const values = new Map((rest ?? '').split(' ').map((pair) => pair.split('=') as [string, string]));
    const entry = (list: IoEntry[], op: string, key: string): void => {
      const value = values.get(key);
      if (value !== undefined) list.push({ major: Number(major), minor: Number(minor), op, value: Number(value) });
    };
    entry(bytes, 'read', 'rbytes');
    entry(bytes, 'write', 'wbytes');
    entry(operations, 'read', 'rios');
    entry(operations, 'write', 'wios');
  }
  return { bytes, operations };
}

/** Time that all processors of the host spent on anything, in nanoseconds, and how many are online. */
export interface HostCpu {
  total: number;
  online: number;
}

/** /proc/stat; a tick is 10 ms on every architecture that Linux offers programs. */
export function parseHostCpu(text: string): HostCpu {
  const [, ...fields] = (/^cpu .*$/m.exec(text)?.[0] ?? '').split(/\s+/);
  const ticks = fields.slice(0, 8).reduce((sum, field) => sum + Number(field), 0);
  return { total: ticks * 10_000_000, online: text.match(/^cpu\d+ /gm)?.length ?? 1 };
}

export function readHostCpu(): HostCpu {
  return parseHostCpu(readFileSync('/proc/stat', 'latin1'));
}

/** Bytes of memory that the host has. */
export function hostMemory(): number {
  return Number(/^MemTotal:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'latin1'))?.[1] ?? 0) * 1024;
}

export interface InterfaceCounters {
  rxBytes: number;
  rxPackets: number;
  rxErrors: number;
  rxDropped: number;
  txBytes: number;
  txPackets: number;
  txErrors: number;
  txDropped: number;
}

/** /proc/<pid>/net/dev: counters by interface, the loopback left out. */
export function parseInterfaces(text: string): Record<string, InterfaceCounters> {
  const interfaces: Record<string, InterfaceCounters> = {};
  for (const [, name, counters] of text.matchAll(/^\s*([^\s:]+):\s*(.*)$/gm)) {
    if (name === undefined || name === 'lo') continue;
    const n = (counters ?? '').trim().split(/\s+/).map(Number);
    interfaces[name] = {
      rxBytes: n[0] ?? 0,
      rxPackets: n[1] ?? 0,
      rxErrors: n[2] ?? 0,
      rxDropped: n[3] ?? 0,
      txBytes: n[8] ?? 0,
      txPackets: n[9] ?? 0,
      txErrors: n[10] ?? 0,
      txDropped: n[11] ?? 0,
    };
  }
  return interfaces;
}

/** Counters of the network namespace of `pid`; undefined when it is the host's or the process is gone. */
export function readInterfaces(pid: number): Record<string, InterfaceCounters> | undefined {
  try {
    if (readlinkSync(`/proc/${pid}/ns/net`) === readlinkSync('/proc/self/ns/net')) return undefined;
    return parseInterfaces(readFileSync(`/proc/${pid}/net/dev`, 'latin1'));
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH', 'EACCES', 'EINVAL')) return undefined;
    throw error;
  }
}
