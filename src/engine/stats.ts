import type { Clock } from '#base/clock.ts';
import { rfc3339Nano, ZERO_TIME } from '#base/clock.ts';
import type { ContainerCPUStats, ContainerStatsResponse } from '#spec/wire/stats.ts';
import type { CgroupHierarchies } from '#host/cgroup.ts';
import { hostMemory, readCgroupStats, readHostCpu, readInterfaces, type CgroupStats, type HostCpu, type InterfaceCounters } from '#host/cgroup-stats.ts';

/** One reading of a running container and of the host at that moment. */
export interface StatsReading {
  /** Nanoseconds since the epoch. */
  at: bigint;
  cgroup: CgroupStats;
  host: HostCpu;
  hostMemory: number;
  interfaces: Record<string, InterfaceCounters> | undefined;
}

/** Reads a container's cgroup and network namespace; undefined when it does not run. */
export function readStats(hierarchies: CgroupHierarchies, clock: Clock, container: { pid: number; cgroupPath: string } | undefined): StatsReading | undefined {
  if (container === undefined) return undefined;
  const cgroup = readCgroupStats(hierarchies, container.cgroupPath);
  if (cgroup === undefined) return undefined;
  return { at: clock.nowNanos(), cgroup, host: readHostCpu(), hostMemory: hostMemory(), interfaces: readInterfaces(container.pid) };
}

export interface StatsRequest {
  id: string;
  /** Without the leading slash. */
  name: () => string;
  /** A reading now; undefined while the container does not run. */
  read: () => StatsReading | undefined;
  clock: Clock;
  stream: boolean;
  /** Without streaming: answers at once, without a previous reading to compare with. */
  oneShot: boolean;
  /** False once the container is removed: the stream ends. */
  exists: () => boolean;
}

/**
 * Docker's statistics: every second until aborted when streaming, else once. A container that does not run has empty ones.
 */
export async function* statsOf(request: StatsRequest, signal: AbortSignal): AsyncGenerator<ContainerStatsResponse> {
  const { clock, read } = request;
  const render = (now: StatsReading | undefined, before: StatsReading | undefined): ContainerStatsResponse =>
    renderStats({ id: request.id, name: request.name() }, now, before);
  let before: StatsReading | undefined;
  if (!request.stream) {
    const first = read();
    if (first === undefined || request.oneShot) {
      yield render(first, undefined);
      return;
    }
    before = first;
    if (!(await slept(clock, signal))) return;
    yield render(read(), before);
    return;
  }
  while (!signal.aborted && request.exists()) {
    const now = read();
    yield render(now, before);
    before = now;
    if (!(await slept(clock, signal))) return;
  }
}

async function slept(clock: Clock, signal: AbortSignal): Promise<boolean> {
  try {
    await clock.sleep(1000, signal);
    return true;
  } catch {
    return false;
  }
}

/** The wire form of a reading and the one before it. */
export function renderStats(container: { id: string; name: string }, now: StatsReading | undefined, before: StatsReading | undefined): ContainerStatsResponse {
  const { cgroup, hostMemory: hostTotal } = now ?? {};
  return {
    name: `/${container.name}`,
    id: container.id,
    os_type: 'linux',
    read: now === undefined ? ZERO_TIME : rfc3339Nano(now.at),
    preread: before === undefined || now === undefined ? ZERO_TIME : rfc3339Nano(before.at),
    num_procs: 0,
    storage_stats: {},
    pids_stats: cgroup === undefined ? {} : { current: cgroup.pids.current, ...(cgroup.pids.limit === undefined ? {} : { limit: cgroup.pids.limit }) },
    cpu_stats: renderCpu(now),
    precpu_stats: renderCpu(now === undefined ? undefined : before),
    memory_stats: cgroup === undefined ? {} : renderMemory(cgroup, hostTotal ?? 0),
    blkio_stats: renderIo(cgroup),
    ...(now?.interfaces === undefined || Object.keys(now.interfaces).length === 0 ? {} : { networks: renderNetworks(now.interfaces) }),
  };
}

function renderCpu(reading: StatsReading | undefined): ContainerCPUStats {
  const cpu = reading?.cgroup.cpu;
  return {
    cpu_usage: {
      total_usage: cpu?.total ?? 0,
      usage_in_kernelmode: cpu?.kernel ?? 0,
      usage_in_usermode: cpu?.user ?? 0,
      ...(cpu?.perCpu === undefined ? {} : { percpu_usage: cpu.perCpu }),
    },
    ...(reading === undefined ? {} : { system_cpu_usage: reading.host.total, online_cpus: reading.host.online }),
    throttling_data: {
      periods: cpu?.periods ?? 0,
      throttled_periods: cpu?.throttledPeriods ?? 0,
      throttled_time: cpu?.throttledTime ?? 0,
    },
  };
}

function renderMemory({ memory }: CgroupStats, hostTotal: number): ContainerStatsResponse['memory_stats'] {
  return {
    usage: memory.usage,
    ...(memory.peak === undefined ? {} : { max_usage: memory.peak }),
    stats: memory.detail,
    ...(memory.failures === undefined ? {} : { failcnt: memory.failures }),
    limit: memory.limit === undefined ? hostTotal : Math.min(memory.limit, hostTotal),
  };
}

function renderIo(cgroup: CgroupStats | undefined): ContainerStatsResponse['blkio_stats'] {
  const unknown = {
    io_queue_recursive: null,
    io_service_time_recursive: null,
    io_wait_time_recursive: null,
    io_merged_recursive: null,
    io_time_recursive: null,
    sectors_recursive: null,
  };
  return {
    io_service_bytes_recursive: cgroup?.io.bytes ?? [],
    io_serviced_recursive: cgroup === undefined || cgroup.version === 2 ? null : cgroup.io.operations,
    ...unknown,
  };
}

function renderNetworks(interfaces: Record<string, InterfaceCounters>): ContainerStatsResponse['networks'] {
  return Object.fromEntries(
    Object.entries(interfaces).map(([name, counters]) => [
      name,
      {
        rx_bytes: counters.rxBytes,
        rx_packets: counters.rxPackets,
        rx_errors: counters.rxErrors,
        rx_dropped: counters.rxDropped,
        tx_bytes: counters.txBytes,
        tx_packets: counters.txPackets,
        tx_errors: counters.txErrors,
        tx_dropped: counters.txDropped,
      },
    ]),
  );
}
