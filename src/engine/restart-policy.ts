import type { RestartPolicy } from '#spec/wire/container.ts';

const FIRST_DELAY = 100;
const LONGEST_DELAY = 60_000;
/** A run of this length ends the back-off. */
const STEADY = 10_000;

export interface EndedRun {
  exitCode: number;
  /** Milliseconds. */
  duration: number;
  /** A user stopped or killed it. */
  stoppedByUser: boolean;
  /** Restarts since the last start by a user. */
  restartCount: number;
  /** Milliseconds; 0 when there was none. */
  lastDelay: number;
}

/** Milliseconds until the next start, or undefined when the policy leaves the container alone. */
export function nextRestart(policy: RestartPolicy | undefined, run: EndedRun): number | undefined {
  if (run.stoppedByUser || !wantsRestart(policy, run)) return undefined;
  return run.duration >= STEADY || run.lastDelay === 0 ? FIRST_DELAY : Math.min(run.lastDelay * 2, LONGEST_DELAY);
}

function wantsRestart(policy: RestartPolicy | undefined, { exitCode, restartCount }: EndedRun): boolean {
  switch (policy?.Name) {
    case 'always':
    case 'unless-stopped':
      return true;
    case 'on-failure': {
      const most = policy.MaximumRetryCount ?? 0;
      return exitCode !== 0 && (most === 0 || restartCount < most);
    }
    default:
      return false;
  }
}

/** Whether a container that does not run is started when the machine (not the engine alone) came up. */
export function startsAtBoot(policy: RestartPolicy | undefined, last: { exitCode: number; stoppedByUser: boolean; ran: boolean }): boolean {
  if (!last.ran) return false;
  switch (policy?.Name) {
    case 'always':
      return true;
    case 'unless-stopped':
      return !last.stoppedByUser;
    case 'on-failure':
      return !last.stoppedByUser && last.exitCode !== 0;
    default:
      return false;
  }
}
