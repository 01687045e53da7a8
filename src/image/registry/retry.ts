import { setTimeout as sleep } from 'node:timers/promises';
import { faultOf } from './fault.ts';

export interface RetryPolicy {
  /** Tries in all. */
  attempts: number;
  /** Milliseconds before the second try; doubles from then on. */
  first: number;
  /** The longest wait between two tries that we choose ourselves. */
  longest: number;
}

export const usualRetries: RetryPolicy = { attempts: 5, first: 250, longest: 20_000 };

/**
 * Runs `task` until it succeeds, fails for good, or was tried often enough. `progressed` after a try that got further starts
 * the count anew: a line that drops now and then does not use up the tries of a long download.
 */
export async function retrying<T>(
  policy: RetryPolicy,
  signal: AbortSignal,
  task: (attempt: number) => Promise<T>,
  options: { progressed?: () => boolean; waiting?: (seconds: number) => void } = {},
): Promise<T> {
  let failures = 0;
  for (let attempt = 0; ; attempt++) {
    try {
      return await task(attempt);
    } catch (error) {
      signal.throwIfAborted();
      const fault = faultOf(error);
      if (fault?.transient !== true) throw error;
      failures = options.progressed?.() === true ? 1 : failures + 1;
      if (failures >= policy.attempts) throw error;
      const own = Math.min(policy.first * 2 ** (failures - 1), policy.longest) * (0.75 + Math.random() / 2);
      const wait = fault.retryAfter ?? own;
      if (wait >= 1000) options.waiting?.(Math.round(wait / 1000));
      await sleep(wait, undefined, { signal });
    }
  }
}
