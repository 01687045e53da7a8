import { conflict, invalid } from '#base/errors.ts';
import type { HostFacts } from '#host/facts.ts';
import type { LinuxResources } from '#spec/oci-runtime.ts';
import type { ContainerUpdateRequest, HostConfig, Resources } from '#spec/wire/container.ts';
import { linuxResources } from './resources.ts';
import { validateResources } from './validate-resources.ts';
import { validateRestartPolicy } from './validate.ts';

export interface DecidedUpdate {
  /** The whole host configuration after the change, to be recorded. */
  hostConfig: HostConfig;
  /** For the runtime when the container runs; undefined when no limit changes. */
  resources: LinuxResources | undefined;
  warnings: string[];
}

const numbers = [
  'BlkioWeight', 'CpuShares', 'NanoCpus', 'CpuPeriod', 'CpuQuota', 'CpuRealtimePeriod', 'CpuRealtimeRuntime', 'Memory', 'MemorySwap',
  'MemoryReservation',
] as const;
const texts = ['CpusetCpus', 'CpusetMems'] as const;

/**
 * What `update` changes: fields that are zero or absent stay. Throws invalid_argument for limits that contradict each
 * other or those in force, conflict for a restart policy on a container that is removed when it ends.
 */
export function decideUpdate(current: HostConfig, request: ContainerUpdateRequest, facts: HostFacts): DecidedUpdate {
  const asked: ContainerUpdateRequest = { ...request };
  const warnings = validateResources(asked, facts, current);
  checkCpuConflicts(asked, current);
  const hostConfig: HostConfig = { ...current };
  for (const field of numbers) {
    if (asked[field]) hostConfig[field] = asked[field];
  }
  for (const field of texts) {
    if (asked[field]) hostConfig[field] = asked[field];
  }
  if (asked.PidsLimit !== undefined && asked.PidsLimit !== null) {
    hostConfig.PidsLimit = asked.PidsLimit === 0 ? undefined : Math.max(asked.PidsLimit, -1);
  }
  growSwapWithMemory(hostConfig, asked, current);
  const limits = changedResources(asked, hostConfig);
  const policy = asked.RestartPolicy;
  if (policy?.Name) {
    if (current.AutoRemove === true && policy.Name !== 'no') {
      throw conflict('Restart policy cannot be updated because AutoRemove is enabled for the container');
    }
    validateRestartPolicy(policy, false);
    hostConfig.RestartPolicy = { Name: policy.Name, MaximumRetryCount: policy.MaximumRetryCount ?? 0 };
  }
  return { hostConfig, resources: limits, warnings };
}

function checkCpuConflicts(asked: Resources, current: HostConfig): void {
  if (asked.NanoCpus && current.CpuPeriod) throw invalid('Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set');
  if (asked.NanoCpus && current.CpuQuota) throw invalid('Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set');
  if (asked.CpuPeriod && current.NanoCpus) throw invalid('Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set');
  if (asked.CpuQuota && current.NanoCpus) throw invalid('Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set');
}

/** A swap limit that Docker derived from the memory limit follows it. */
function growSwapWithMemory(next: HostConfig, asked: Resources, current: HostConfig): void {
  const derived = (current.Memory ?? 0) > 0 && current.MemorySwap === (current.Memory ?? 0) * 2;
  if (asked.Memory && !asked.MemorySwap && derived) next.MemorySwap = asked.Memory * 2;
}

/** The limits to write: those asked for, in their merged values, since the kernel checks some against each other. */
function changedResources(asked: Resources, next: HostConfig): LinuxResources | undefined {
  const changed = [...numbers, ...texts].filter((field) => asked[field]);
  const pids = asked.PidsLimit;
  if (changed.length === 0 && (pids === undefined || pids === null)) return undefined;
  const limits = linuxResources({
    ...Object.fromEntries(changed.map((field) => [field, next[field]])),
    ...(asked.Memory ? { MemorySwap: next.MemorySwap } : {}),
    ...(asked.MemorySwap ? { Memory: next.Memory } : {}),
  });
  return { ...limits, ...(pids === undefined || pids === null ? {} : { pids: { limit: pids > 0 ? pids : -1 } }) };
}
