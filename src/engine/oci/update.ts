import { conflict, invalid, wrap } from '#base/errors.ts';
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
export function decideUpdate(options: {
  id: string;
  current: HostConfig;
  request: ContainerUpdateRequest;
  facts: HostFacts;
}): DecidedUpdate {
  const { id, current, facts } = options;
  const asked: ContainerUpdateRequest = { ...options.request };
  const warnings = validateResources(asked, facts);
  validateRestartPolicy(asked.RestartPolicy, false);
  try {
    checkAgainstCurrent(asked, current, facts);
  } catch (error) {
    throw wrap(error, `Cannot update container ${id}`);
  }
  const hostConfig: HostConfig = { ...current };
  for (const field of numbers) {
    if (asked[field]) hostConfig[field] = asked[field];
  }
  for (const field of texts) {
    if (asked[field]) hostConfig[field] = asked[field];
  }
  if (asked.PidsLimit !== undefined && asked.PidsLimit !== null) {
    hostConfig.PidsLimit = Math.max(asked.PidsLimit, 0);
  }
  const limits = changedResources(asked, hostConfig);
  const policy = asked.RestartPolicy;
  if (policy?.Name) hostConfig.RestartPolicy = { Name: policy.Name, MaximumRetryCount: policy.MaximumRetryCount ?? 0 };
  return { hostConfig, resources: limits, warnings };
}

function checkAgainstCurrent(asked: ContainerUpdateRequest, current: HostConfig, facts: HostFacts): void {
  const policy = asked.RestartPolicy?.Name;
  if (current.AutoRemove === true && policy && policy !== 'no') {
    throw conflict('Restart policy cannot be updated because AutoRemove is enabled for the container');
  }
  validateResources({ ...asked }, facts, current);
  if (asked.NanoCpus && current.CpuPeriod) throw invalid('Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set');
  if (asked.NanoCpus && current.CpuQuota) throw invalid('Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set');
  if (asked.CpuPeriod && current.NanoCpus) throw invalid('Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set');
  if (asked.CpuQuota && current.NanoCpus) throw invalid('Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set');
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
