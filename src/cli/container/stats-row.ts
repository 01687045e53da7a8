import type { ContainerStatsResponse } from '#spec/wire/stats.ts';
import { binarySize, humanSize, shortId } from '../format/units.ts';
import { Row } from '../template/value.ts';

export const statsTable = '{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}';
export const statsHeaders: Readonly<Record<string, string>> = {
  Container: 'CONTAINER',
  Name: 'NAME',
  ID: 'CONTAINER ID',
  CPUPerc: 'CPU %',
  MemUsage: 'MEM USAGE / LIMIT',
  MemPerc: 'MEM %',
  NetIO: 'NET I/O',
  BlockIO: 'BLOCK I/O',
  PIDs: 'PIDS',
};

/** A row of `stats`; `reading` undefined when none has come. */
export function statsRow(container: string, reading: ContainerStatsResponse | undefined, trunc: boolean): Row {
  const id = reading?.id ?? '';
  const memory = usedMemory(reading);
  const limit = reading?.memory_stats?.limit ?? 0;
  const shown = (text: () => string, none = '--') => (): string => (reading ? text() : none);
  return new Row('*container.statsContext', {
    Container: () => container,
    Name: () => ((reading?.name ?? '').length > 1 ? (reading?.name ?? '').slice(1) : '--'),
    ID: () => (trunc ? shortId(id) : id),
    CPUPerc: shown(() => `${cpuPercent(reading).toFixed(2)}%`),
    MemUsage: shown(() => `${binarySize(memory)} / ${binarySize(limit)}`, '-- / --'),
    MemPerc: shown(() => `${(limit === 0 ? 0 : (memory / limit) * 100).toFixed(2)}%`),
    NetIO: shown(() => {
      const networks = Object.values(reading?.networks ?? {});
      const sum = (key: 'rx_bytes' | 'tx_bytes'): number => networks.reduce((total, network) => total + (network[key] ?? 0), 0);
      return `${humanSize(sum('rx_bytes'), 3)} / ${humanSize(sum('tx_bytes'), 3)}`;
    }),
    BlockIO: shown(() => `${humanSize(blockBytes(reading, 'r'), 3)} / ${humanSize(blockBytes(reading, 'w'), 3)}`),
    PIDs: shown(() => String(reading?.pids_stats?.current ?? 0)),
  });
}

/** Without the page cache that the kernel would give up first. */
function usedMemory(reading: ContainerStatsResponse | undefined): number {
  const usage = reading?.memory_stats?.usage ?? 0;
  const stats = reading?.memory_stats?.stats ?? {};
  for (const key of ['total_inactive_file', 'inactive_file']) {
    const cache = stats[key];
    if (typeof cache === 'number' && cache < usage) return usage - cache;
  }
  return usage;
}

function cpuPercent(reading: ContainerStatsResponse | undefined): number {
  const now = reading?.cpu_stats;
  const before = reading?.precpu_stats;
  const used = (now?.cpu_usage?.total_usage ?? 0) - (before?.cpu_usage?.total_usage ?? 0);
  const whole = (now?.system_cpu_usage ?? 0) - (before?.system_cpu_usage ?? 0);
  const cpus = now?.online_cpus || (now?.cpu_usage?.percpu_usage ?? []).length;
  return used > 0 && whole > 0 ? (used / whole) * cpus * 100 : 0;
}

function blockBytes(reading: ContainerStatsResponse | undefined, kind: 'r' | 'w'): number {
  const entries = reading?.blkio_stats?.io_service_bytes_recursive ?? [];
  return entries.reduce((sum, entry) => sum + ((entry.op ?? '')[0]?.toLowerCase() === kind ? (entry.value ?? 0) : 0), 0);
}
