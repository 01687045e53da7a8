import type { HostFacts } from '#host/facts.ts';
import type { HostConfig } from '#spec/wire/container.ts';
import { parseSecurityOptions } from './security-options.ts';

/** The AppArmor profile of a container, as inspect shows it: a name, `unconfined`, or empty where the kernel has no AppArmor. */
export function apparmorProfile(hostConfig: Pick<HostConfig, 'SecurityOpt' | 'Privileged'>, facts: HostFacts): string {
  if (!facts.apparmor) return '';
  const asked = parseSecurityOptions(hostConfig.SecurityOpt ?? []).apparmor;
  if (asked) return asked;
  return hostConfig.Privileged === true ? 'unconfined' : (facts.apparmorDefault ?? 'unconfined');
}
