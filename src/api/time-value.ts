import { invalid } from '#base/errors.ts';

const NANOS = 1_000_000_000n;
const unitNanos: Readonly<Record<string, number>> = { ns: 1, us: 1e3, 'µs': 1e3, 'μs': 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

/**
 * Reads `since` and `until`: unix seconds with an optional fraction (`1795487530.446428761`), RFC 3339 down to a date
 * (local time when it has no offset), or a Go duration (`10m`, `1h30m`) counted back from now. Gives nanoseconds since the epoch.
 */
export function parseTime(text: string, now: number): bigint {
  const unix = /^(-?\d{1,12})(?:\.(\d{0,9})\d*)?$/.exec(text);
  if (unix) return BigInt(unix[1]!) * NANOS + BigInt((unix[2] ?? '').padEnd(9, '0'));

  const duration = parseDuration(text);
  if (duration !== undefined) return BigInt(now) * 1_000_000n - duration;

  const date = /^(\d{4}-\d{2}-\d{2})(?:T(\d{2}:\d{2})(:\d{2})?(?:\.(\d{1,9})\d*)?)?(Z|[+-]\d{2}:\d{2})?$/.exec(text);
  if (date) {
    // A date alone would be read as UTC, so the time is always spelt out.
    const millis = Date.parse(`${date[1]}T${date[2] ?? '00:00'}${date[3] ?? ':00'}${date[5] ?? ''}`);
    if (!Number.isNaN(millis)) return BigInt(millis) * 1_000_000n + BigInt((date[4] ?? '').padEnd(9, '0'));
  }
  throw invalid(`invalid time ${JSON.stringify(text.slice(0, 60))}: expected unix seconds, RFC 3339 or a duration such as 10m`);
}

/** A Go duration in nanoseconds, or undefined when the text is none. */
export function parseDuration(text: string): bigint | undefined {
  const whole = /^([+-]?)((?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.exec(text);
  if (!whole) return undefined;
  let nanos = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)) nanos += Number(amount) * unitNanos[unit!]!;
  const rounded = BigInt(Math.round(nanos));
  return whole[1] === '-' ? -rounded : rounded;
}

/** `seconds.nanoseconds`, which every engine understands. */
export function renderTime(nanos: bigint): string {
  const seconds = nanos / NANOS;
  return `${seconds}.${(nanos - seconds * NANOS).toString().padStart(9, '0')}`;
}
