import { invalid } from '#base/errors.ts';

const units: Readonly<Record<string, bigint>> = {
  h: 3_600_000_000_000n, m: 60_000_000_000n, s: 1_000_000_000n, ms: 1_000_000n, us: 1000n, µs: 1000n, ns: 1n,
};

/**
 * A moment as the Engine API's clients write it: Unix seconds with an optional fraction, RFC 3339 (also shortened to
 * days, hours, minutes; local time when it names no zone), or a Go duration before `now`. Nanoseconds since the epoch.
 */
export function parseMoment(text: string, now: bigint): bigint {
  const unix = /^(-?\d{1,12})(?:\.(\d{1,9}))?$/.exec(text);
  if (unix) return BigInt(unix[1] ?? '0') * 1_000_000_000n + BigInt((unix[2] ?? '').padEnd(9, '0'));
  if (/^\d{4}-\d\d-\d\d/.test(text)) {
    const match = /^(\d{4}-\d\d-\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?)?(Z|[+-]\d\d:\d\d)?$/.exec(text);
    if (match) {
      const [, day = '', hour = '00', minute = '00', second = '00', fraction = '', zone = ''] = match;
      const at = Date.parse(`${day}T${hour}:${minute}:${second}${zone}`);
      if (!Number.isNaN(at)) return BigInt(at) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
    }
  }
  const duration = parseGoDuration(text);
  if (duration === undefined) throw invalid(`failed to parse value as time or duration: ${JSON.stringify(text)}`);
  return now - duration;
}

/** `1h30m`, `-1.5s`, `0`: nanoseconds, or undefined when it is not a duration. */
export function parseGoDuration(text: string): bigint | undefined {
  if (/^[+-]?0$/.test(text)) return 0n;
  if (!/^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:h|ms|m|s|us|µs|ns))+$/.test(text)) return undefined;
  let total = 0n;
  for (const [, count = '', unit = ''] of text.matchAll(/(\d+\.?\d*|\.\d+)(h|ms|m|s|us|µs|ns)/g)) {
    const scale = units[unit] ?? 0n;
    const [whole = '', fraction = ''] = count.split('.');
    total += BigInt(whole || '0') * scale;
    if (fraction !== '') total += (BigInt(fraction.slice(0, 18)) * scale) / 10n ** BigInt(Math.min(fraction.length, 18));
  }
  return text.startsWith('-') ? -total : total;
}
