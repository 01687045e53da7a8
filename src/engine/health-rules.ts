import type { Health, HealthcheckResult, HealthConfig } from '#spec/wire/container.ts';

const KEPT_RESULTS = 5;
const NANOS = 1e6;

/** The durations of a check in milliseconds, Docker's defaults filled in. */
export function healthTimes(check: HealthConfig): { interval: number; timeout: number; startPeriod: number; startInterval: number } {
  return {
    interval: (check.Interval || 30e9) / NANOS,
    timeout: (check.Timeout || 30e9) / NANOS,
    startPeriod: (check.StartPeriod || 0) / NANOS,
    startInterval: (check.StartInterval || 5e9) / NANOS,
  };
}

/**
 * The health after one more probe. Exit code 0 is healthy at once; failures count from the end of the start period on,
 * and `Retries` of them in a row are unhealthy. The last five results are kept.
 */
export function afterProbe(before: Health, result: HealthcheckResult, context: { check: HealthConfig; sinceStart: number }): Health {
  const log = [...(before.Log ?? []), result].slice(-KEPT_RESULTS);
  if (result.ExitCode === 0) return { Status: 'healthy', FailingStreak: 0, Log: log };
  const { startPeriod } = healthTimes(context.check);
  if (before.Status === 'starting' && context.sinceStart < startPeriod) return { ...before, Log: log };
  const streak = (before.FailingStreak ?? 0) + 1;
  return { Status: streak >= (context.check.Retries || 3) ? 'unhealthy' : (before.Status ?? 'starting'), FailingStreak: streak, Log: log };
}
