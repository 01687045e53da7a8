import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** The profile of containers that name none. */
export const defaultApparmorProfile = 'gantry-default';

const LOAD_TIMEOUT_MS = 10_000;

/**
 * AppArmor's second line behind masks and read-only binds: everything a program usually does is allowed, changing the
 * kernel's state through /proc and /sys and mounting are not.
 */
export const apparmorProfileText = `#include <tunables/global>

profile ${defaultApparmorProfile} flags=(attach_disconnected,mediate_deleted) {
  #include <abstractions/base>

  network,
  capability,
  file,
  umount,

  # The engine, its monitors and the runtime stop and inspect containers.
  signal (receive) peer=unconfined,
  signal (receive) peer={crun,runc,conmon},
  signal (send,receive) peer=${defaultApparmorProfile},
  ptrace (trace,read,tracedby,readby) peer=${defaultApparmorProfile},

  deny mount,

  # Of /proc, a process may write what belongs to processes, and shared memory's limits below sys/kernel.
  deny @{PROC}/* w,
  deny @{PROC}/{[^1-9],[^1-9][^0-9],[^1-9s][^0-9y][^0-9s],[^1-9][^0-9][^0-9][^0-9/]*}/** w,
  deny @{PROC}/sys/[^k]** w,
  deny @{PROC}/sys/kernel/{?,??,[^s][^h][^m]**} w,
  deny @{PROC}/sysrq-trigger rwklx,
  deny @{PROC}/kcore rwklx,

  # Of /sys, only cgroups.
  deny /sys/[^f]*/** wklx,
  deny /sys/f[^s]*/** wklx,
  deny /sys/fs/[^c]*/** wklx,
  deny /sys/fs/c[^g]*/** wklx,
  deny /sys/fs/cg[^r]*/** wklx,
  deny /sys/firmware/** rwklx,
  deny /sys/devices/virtual/powercap/** rwklx,
  deny /sys/kernel/security/** rwklx,
}
`;

/** Whether the kernel enforces AppArmor. */
export function apparmorEnabled(): boolean {
  try {
    return readFileSync('/sys/module/apparmor/parameters/enabled', 'utf8').startsWith('Y');
  } catch {
    return false;
  }
}

/**
 * Loads (or replaces) the default profile, once at the engine's start. Returns its name, or undefined when the kernel has
 * no AppArmor, the parser is missing or refuses: containers then run without a profile.
 */
export function loadDefaultApparmorProfile(): string | undefined {
  if (!apparmorEnabled()) return undefined;
  const { status } = spawnSync('apparmor_parser', ['-Kr'], { input: apparmorProfileText, timeout: LOAD_TIMEOUT_MS, stdio: ['pipe', 'ignore', 'ignore'] });
  return status === 0 ? defaultApparmorProfile : undefined;
}
