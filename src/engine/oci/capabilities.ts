import { invalid } from '#base/errors.ts';
import type { Process } from '#spec/oci-runtime.ts';
import type { HostConfig } from '#spec/wire/container.ts';
import type { HostFacts } from '#host/facts.ts';
import { capabilityNames } from '#host/capability-names.ts';

/** What a container holds unless told otherwise. */
export const defaultCapabilities: readonly string[] = [
  'CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_FSETID', 'CAP_FOWNER', 'CAP_MKNOD', 'CAP_NET_RAW', 'CAP_SETGID', 'CAP_SETUID',
  'CAP_SETFCAP', 'CAP_SETPCAP', 'CAP_NET_BIND_SERVICE', 'CAP_SYS_CHROOT', 'CAP_KILL', 'CAP_AUDIT_WRITE',
];

/**
 * Names as users write them (`net_admin`, `CAP_NET_ADMIN`, `all`) in the kernel's spelling. Throws invalid_argument in
 * Docker's words for names that the kernel does not know and, unless `dropping`, for those that the engine cannot give.
 */
export function parseCapabilities(names: readonly string[], facts: HostFacts, dropping: boolean): string[] {
  return names.map((name) => {
    const upper = name.toUpperCase();
    if (upper === 'ALL' || upper === 'CAP_ALL') return 'ALL';
    const full = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
    const field = dropping ? 'CapDrop' : 'CapAdd';
    if (!(capabilityNames as readonly string[]).includes(full)) throw invalid(`invalid ${field}: unknown capability: "${full}"`);
    if (!dropping && !facts.capabilities.includes(full)) {
      throw invalid(`invalid ${field}: capability not supported by your kernel or not available in the current environment: "${full}"`);
    }
    return full;
  });
}

/** The capabilities a container is to hold, after additions, drops and privilege. */
export function containerCapabilities(hostConfig: HostConfig, facts: HostFacts): string[] {
  if (hostConfig.Privileged === true) return [...facts.capabilities];
  const added = parseCapabilities(hostConfig.CapAdd ?? [], facts, false);
  const dropped = parseCapabilities(hostConfig.CapDrop ?? [], facts, true);
  if (added.includes('ALL')) return facts.capabilities.filter((name) => !dropped.includes(name));
  const base = dropped.includes('ALL') ? [] : defaultCapabilities.filter((name) => !dropped.includes(name));
  return [...new Set([...base, ...added])].filter((name) => facts.capabilities.includes(name));
}

/**
 * The sets for a process. Nothing is inheritable or ambient, and a user other than root starts with none in effect,
 * as if it had been run by execve(2); the bounding set still allows what set-uid programs need.
 */
export function capabilitySets(names: readonly string[], uid: number): NonNullable<Process['capabilities']> {
  const held = uid === 0 ? [...names] : [];
  return { bounding: [...names], effective: held, permitted: held, inheritable: [], ambient: [] };
}
