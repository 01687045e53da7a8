import { invalid } from '#base/errors.ts';
import type { Process } from '#spec/oci-runtime.ts';
import type { HostFacts } from '#host/facts.ts';
import type { ContainerDefaults } from './input.ts';

type Ulimit = { Name?: string | undefined; Soft?: number | undefined; Hard?: number | undefined };

export const ulimitNames = [
  'as', 'core', 'cpu', 'data', 'fsize', 'locks', 'memlock', 'msgqueue', 'nice', 'nofile', 'nproc', 'rss', 'rtprio', 'rttime',
  'sigpending', 'stack',
] as const;

/**
 * The container's limits over the engine's defaults, in OCI terms; -1 is unlimited. Throws invalid_argument for what the
 * kernel would refuse: unknown names, soft above hard, and raising a limit above the engine's own without CAP_SYS_RESOURCE.
 */
export function processRlimits(
  own: readonly Ulimit[],
  defaults: ContainerDefaults['ulimits'],
  facts: HostFacts,
): NonNullable<Process['rlimits']> {
  const names = new Set(own.map((limit) => limit.Name));
  return [...defaults.filter((limit) => !names.has(limit.Name)), ...own].map((limit) => {
    const { Name: name = '', Soft: soft = 0, Hard: hard = 0 } = limit;
    if (!(ulimitNames as readonly string[]).includes(name)) throw invalid(`invalid ulimit type: ${name}`);
    if (hard !== -1 && (soft === -1 || soft > hard)) {
      throw invalid(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard} (${name})`);
    }
    const ceiling = facts.rlimits[name]?.hard ?? -1;
    if (ceiling !== -1 && (hard === -1 || hard > ceiling) && !facts.capabilities.includes('CAP_SYS_RESOURCE')) {
      throw invalid(
        `error setting rlimit ${name}=${soft}:${hard}: operation not permitted: the engine's own hard limit is ${ceiling} and it lacks CAP_SYS_RESOURCE`,
      );
    }
    return { type: `RLIMIT_${name.toUpperCase()}`, soft, hard };
  });
}
