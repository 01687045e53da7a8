import { statSync } from 'node:fs';
import { invalid, isErrno } from '#base/errors.ts';
import type { LinuxResources, ThrottleRate } from '#spec/oci-runtime.ts';
import type { Resources, ThrottleDevice } from '#spec/wire/container.ts';
import { deviceNumbers } from './devices.ts';

const NANO_CPU_PERIOD = 100_000;

/** Docker's resource fields in OCI terms; zero and absent mean no limit. Device rules are not among them. */
export function linuxResources(resources: Resources): LinuxResources {
  const memory = memoryResources(resources);
  const cpu = cpuResources(resources);
  const blockIO = blockIoResources(resources);
  const pids = resources.PidsLimit ?? 0;
  return {
    ...(isEmpty(memory) ? {} : { memory }),
    ...(isEmpty(cpu) ? {} : { cpu }),
    ...(pids > 0 ? { pids: { limit: pids } } : {}),
    ...(isEmpty(blockIO) ? {} : { blockIO }),
  };
}

function memoryResources(r: Resources): NonNullable<LinuxResources['memory']> {
  const swappiness = r.MemorySwappiness ?? -1;
  return {
    ...(r.Memory ? { limit: r.Memory } : {}),
    ...(r.MemoryReservation ? { reservation: r.MemoryReservation } : {}),
    ...(r.MemorySwap && (r.MemorySwap > 0 || r.Memory) ? { swap: Math.max(r.MemorySwap, -1) } : {}),
    ...(swappiness >= 0 ? { swappiness } : {}),
    ...(r.OomKillDisable === true ? { disableOOMKiller: true } : {}),
  };
}

function cpuResources(r: Resources): NonNullable<LinuxResources['cpu']> {
  const quota = r.NanoCpus ? Math.floor((r.NanoCpus * NANO_CPU_PERIOD) / 1e9) : r.CpuQuota;
  const period = r.NanoCpus ? NANO_CPU_PERIOD : r.CpuPeriod;
  return {
    ...(r.CpuShares ? { shares: r.CpuShares } : {}),
    ...(quota ? { quota } : {}),
    ...(period ? { period } : {}),
    ...(r.CpuRealtimeRuntime ? { realtimeRuntime: r.CpuRealtimeRuntime } : {}),
    ...(r.CpuRealtimePeriod ? { realtimePeriod: r.CpuRealtimePeriod } : {}),
    ...(r.CpusetCpus ? { cpus: r.CpusetCpus } : {}),
    ...(r.CpusetMems ? { mems: r.CpusetMems } : {}),
  };
}

function blockIoResources(r: Resources): NonNullable<LinuxResources['blockIO']> {
  const weights = (r.BlkioWeightDevice ?? []).map(({ Path = '', Weight = 0 }) => ({ ...numbersOf(Path), weight: Weight }));
  const throttle = (devices: ThrottleDevice[] | undefined): ThrottleRate[] =>
    (devices ?? []).map(({ Path = '', Rate = 0 }) => ({ ...numbersOf(Path), rate: Rate }));
  const lists = {
    throttleReadBpsDevice: throttle(r.BlkioDeviceReadBps),
    throttleWriteBpsDevice: throttle(r.BlkioDeviceWriteBps),
    throttleReadIOPSDevice: throttle(r.BlkioDeviceReadIOps),
    throttleWriteIOPSDevice: throttle(r.BlkioDeviceWriteIOps),
  };
  return {
    ...(r.BlkioWeight ? { weight: r.BlkioWeight } : {}),
    ...(weights.length > 0 ? { weightDevice: weights } : {}),
    ...Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0)),
  };
}

function numbersOf(path: string): { major: number; minor: number } {
  try {
    return deviceNumbers(statSync(path).rdev);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) throw invalid(`stat ${path}: no such file or directory`);
    throw error;
  }
}

const isEmpty = (value: object): boolean => Object.keys(value).length === 0;
