import { invalid } from '#base/errors.ts';
import { parseCpuList, type HostFacts } from '#host/facts.ts';
import type { Resources } from '#spec/wire/container.ts';
import { hasSwapAccounting } from './host-config.ts';

const MIN_MEMORY = 6 << 20;

/**
 * Limits in Docker's order and words. Limits that the kernel cannot keep are dropped from `resources` with a warning, as
 * Docker does; what contradicts itself throws invalid_argument. `previous` holds the values in force
 * (none: `{}`); without it limits are not compared with each other across fields, as `update` does before it knows them.
 */
export function validateResources(
  resources: Resources & { OomScoreAdj?: number | undefined; ShmSize?: number | undefined },
  facts: HostFacts,
  previous?: Resources,
): string[] {
  const score = resources.OomScoreAdj ?? 0;
  if (score < -1000 || score > 1000) throw invalid(`Invalid value ${score}, range for oom score adj is [-1000, 1000]`);
  if ((resources.ShmSize ?? 0) < 0) throw invalid('SHM size can not be less than 0');
  const warnings = [
    ...validateMemory(resources, facts, previous),
    ...validatePids(resources, facts),
    ...validateCpu(resources, facts),
    ...validateCpuset(resources, facts),
    ...validateBlkio(resources, facts),
  ];
  if (resources.CpuCount) {
    warnings.push('linux does not support CPU count. CPU count discarded.');
    resources.CpuCount = 0;
  }
  if (resources.IOMaximumBandwidth) throw invalid('Invalid QoS settings: linux does not support configuration of maximum bandwidth');
  if (resources.IOMaximumIOps) throw invalid('Invalid QoS settings: linux does not support configuration of maximum IOPs');
  return warnings;
}

/** Names a control file by cgroup version. */
const offers = (facts: HostFacts, v1: string, v2: string): boolean => facts.controlFiles.includes(facts.cgroupVersion === 2 ? v2 : v1);

function validateMemory(r: Resources, facts: HostFacts, previous: Resources | undefined): string[] {
  const warnings: string[] = [];
  const discard = (what: string, result: string): void => {
    warnings.push(`Your kernel does not support ${what} capabilities or the cgroup is not mounted. ${result}`);
  };
  const memory = r.Memory ?? 0;
  if (memory !== 0 && memory < MIN_MEMORY) throw invalid('Minimum memory limit allowed is 6MB');
  if (memory > 0 && !facts.controllers.includes('memory')) {
    discard('memory limit', 'Limitation discarded.');
    r.Memory = 0;
    r.MemorySwap = -1;
  }
  if ((r.Memory ?? 0) > 0 && r.MemorySwap !== -1 && !hasSwapAccounting(facts)) {
    discard('swap limit', 'Memory limited without swap.');
    r.MemorySwap = -1;
  }
  const limit = r.Memory ?? 0;
  const swap = r.MemorySwap ?? 0;
  const limitInForce = limit || previous?.Memory || 0;
  const swapInForce = swap || previous?.MemorySwap || 0;
  if (limit > 0 && swapInForce > 0 && swapInForce < limit) {
    throw invalid(
      swap > 0
        ? 'Minimum memoryswap limit should be larger than memory limit, see usage'
        : 'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time',
    );
  }
  if (swap > 0 && limit === 0 && limitInForce > swap) throw invalid('Minimum memoryswap limit should be larger than memory limit, see usage');
  if (limitInForce === 0 && swap > 0 && previous !== undefined) throw invalid('You should always set the Memory limit when using Memoryswap limit, see usage');
  const swappiness = r.MemorySwappiness ?? -1;
  if (swappiness !== -1) {
    if (swappiness < -1 || swappiness > 100) throw invalid(`Invalid value: ${swappiness}, valid memory swappiness range is 0-100`);
    if (!offers(facts, 'memory.swappiness', 'memory.swappiness')) {
      discard('memory swappiness', 'Memory swappiness discarded.');
      r.MemorySwappiness = undefined;
    }
  }
  const reservation = r.MemoryReservation ?? 0;
  if (reservation !== 0 && reservation < MIN_MEMORY) throw invalid('Minimum memory reservation allowed is 6MB');
  if (reservation > 0 && !offers(facts, 'memory.soft_limit_in_bytes', 'memory.low')) {
    discard('memory soft limit', 'Limitation discarded.');
    r.MemoryReservation = 0;
  }
  if (limit > 0 && reservation > limit) throw invalid('Minimum memory limit can not be less than memory reservation limit, see usage');
  if (r.OomKillDisable === true) {
    // Nothing of v2 can switch the OOM killer off.
    if (!offers(facts, 'memory.oom_control', '')) {
      warnings.push('Your kernel does not support OomKillDisable. OomKillDisable discarded.');
      r.OomKillDisable = false;
    } else if (limit === 0) {
      warnings.push('OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.');
    }
  }
  return warnings;
}

function validatePids(r: Resources, facts: HostFacts): string[] {
  if ((r.PidsLimit ?? 0) <= 0 || facts.controllers.includes('pids')) return [];
  r.PidsLimit = undefined;
  return ['Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.'];
}

function validateCpu(r: Resources, facts: HostFacts): string[] {
  const warnings: string[] = [];
  const nano = r.NanoCpus ?? 0;
  if (nano !== 0 && r.CpuPeriod) throw invalid('Conflicting options: Nano CPUs and CPU Period cannot both be set');
  if (nano !== 0 && r.CpuQuota) throw invalid('Conflicting options: Nano CPUs and CPU Quota cannot both be set');
  const hasQuota = offers(facts, 'cpu.cfs_quota_us', 'cpu.max');
  if (nano !== 0 && !hasQuota) throw invalid('NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted');
  if (nano < 0 || nano > facts.cpus * 1e9) {
    throw invalid(`Range of CPUs is from 0.01 to ${facts.cpus.toFixed(2)}, as there are only ${facts.cpus} CPUs available`);
  }
  if (r.CpuShares && !offers(facts, 'cpu.shares', 'cpu.weight')) {
    warnings.push('Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.');
    r.CpuShares = 0;
  }
  if ((r.CpuPeriod || r.CpuQuota) && !hasQuota) {
    warnings.push('Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.');
    r.CpuPeriod = 0;
    r.CpuQuota = 0;
  }
  const period = r.CpuPeriod ?? 0;
  if (period !== 0 && (period < 1000 || period > 1_000_000)) {
    throw invalid('CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)');
  }
  const quota = r.CpuQuota ?? 0;
  if (quota > 0 && quota < 1000) throw invalid('CPU cfs quota can not be less than 1ms (i.e. 1000)');
  if (r.CpuPercent) {
    warnings.push('linux does not support CPU percent. Percent discarded.');
    r.CpuPercent = 0;
  }
  validateRealtime(r, facts);
  return warnings;
}

function validateRealtime(r: Resources, facts: HostFacts): void {
  const { CpuRealtimePeriod: period = 0, CpuRealtimeRuntime: runtime = 0 } = r;
  if (period === 0 && runtime === 0) return;
  if (!offers(facts, 'cpu.rt_runtime_us', '')) {
    throw invalid('Your kernel does not support CPU real-time scheduler');
  }
  if (runtime !== 0 && period !== 0 && runtime > period) throw invalid('cpu real-time runtime cannot be higher than cpu real-time period');
}

function validateCpuset(r: Resources, facts: HostFacts): string[] {
  if ((r.CpusetCpus || r.CpusetMems) && !facts.controllers.includes('cpuset')) {
    r.CpusetCpus = '';
    r.CpusetMems = '';
    return ['Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.'];
  }
  checkSet(r.CpusetCpus ?? '', facts.cpusetCpus, 'cpus', 'CPUs');
  checkSet(r.CpusetMems ?? '', facts.cpusetMems, 'mems', 'memory nodes');
  return [];
}

function checkSet(asked: string, available: string, kind: 'cpus' | 'mems', noun: string): void {
  if (asked === '') return;
  const list = (text: string): number[] => {
    try {
      return parseCpuList(text);
    } catch (error) {
      throw invalid(`Invalid value ${asked} for cpuset ${kind}: ${(error as Error).message}`);
    }
  };
  if (asked.split(',').includes('')) throw invalid(`Invalid value ${asked} for cpuset ${kind}: invalid format: ${asked}`);
  const offered = new Set(list(available));
  if (list(asked).some((id) => !offered.has(id))) {
    throw invalid(`Requested ${noun} are not available - requested ${asked}, available: ${available}`);
  }
}

function validateBlkio(r: Resources, facts: HostFacts): string[] {
  const warnings: string[] = [];
  const weight = r.BlkioWeight ?? 0;
  if (weight !== 0 && !offers(facts, 'blkio.weight', 'io.weight') && !offers(facts, 'blkio.bfq.weight', 'io.bfq.weight')) {
    warnings.push('Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.');
    r.BlkioWeight = 0;
  } else if (weight !== 0 && (weight < 10 || weight > 1000)) {
    throw invalid('Range of blkio weight is from 10 to 1000');
  }
  if (r.BlkioWeightDevice?.length && !offers(facts, 'blkio.weight_device', 'io.weight') && !offers(facts, 'blkio.bfq.weight_device', 'io.bfq.weight')) {
    warnings.push('Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.');
    r.BlkioWeightDevice = [];
  }
  for (const { Weight = 0, Path = '' } of r.BlkioWeightDevice ?? []) {
    if (Weight < 10 || Weight > 1000) throw invalid(`Range of blkio weight is from 10 to 1000: ${Path}:${Weight}`);
  }
  const limits = [
    ['BlkioDeviceReadBps', 'blkio.throttle.read_bps_device', 'BPS Block I/O read limit'],
    ['BlkioDeviceWriteBps', 'blkio.throttle.write_bps_device', 'BPS Block I/O write limit'],
    ['BlkioDeviceReadIOps', 'blkio.throttle.read_iops_device', 'IOPS Block read limit'],
    ['BlkioDeviceWriteIOps', 'blkio.throttle.write_iops_device', 'IOPS Block I/O write limit'],
  ] as const;
  for (const [field, file, name] of limits) {
    if (r[field]?.length && !offers(facts, file, 'io.max')) {
      warnings.push(`Your kernel does not support ${name} or the cgroup is not mounted. Block I/O ${name} discarded.`);
      r[field] = [];
    }
  }
  return warnings;
}
