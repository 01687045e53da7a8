import { invalid } from '#base/errors.ts';

const units: Readonly<Record<string, number>> = { ns: 1, us: 1e3, 'µs': 1e3, 'μs': 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

/** Go's durations (`1m30s`, `-1.5h`, `0`) in nanoseconds. Throws `time: ...` as Go does. */
export function parseGoDuration(text: string): number {
  const match = /^([+-]?)(.*)$/s.exec(text);
  const body = match?.[2] ?? '';
  if (body === '0') return 0;
  if (body === '') throw invalid(`time: invalid duration ${JSON.stringify(text)}`);
  let total = 0;
  let rest = body;
  while (rest !== '') {
    const part = /^(\d*)(\.\d*)?([^.\d]*)/.exec(rest);
    const digits = (part?.[1] ?? '') + (part?.[2] ?? '').replace(/\.$/, '');
    if (!part || digits === '' || digits === '.') throw invalid(`time: invalid duration ${JSON.stringify(text)}`);
    const unit = part[3] ?? '';
    if (unit === '') throw invalid(`time: missing unit in duration ${JSON.stringify(text)}`);
    const size = Object.hasOwn(units, unit) ? units[unit] : undefined;
    if (size === undefined) throw invalid(`time: unknown unit ${JSON.stringify(unit)} in duration ${JSON.stringify(text)}`);
    total += Number(digits) * size;
    rest = rest.slice(part[0].length);
  }
  if (total > Number(2n ** 63n - 1n)) throw invalid(`time: invalid duration ${JSON.stringify(text)}`);
  return Math.trunc(match?.[1] === '-' ? -total : total);
}

/** As Go prints one: `1m30s`, `1.5ms`, `0s`. */
export function formatGoDuration(nanoseconds: number): string {
  if (nanoseconds === 0) return '0s';
  const sign = nanoseconds < 0 ? '-' : '';
  const value = Math.abs(nanoseconds);
  const decimal = (number: number, divisor: number): string => {
    const fraction = (number % divisor).toString().padStart(divisor.toString().length - 1, '0').replace(/0+$/, '');
    return `${Math.floor(number / divisor)}${fraction === '' ? '' : `.${fraction}`}`;
  };
  if (value < 1e3) return `${sign}${value}ns`;
  if (value < 1e6) return `${sign}${decimal(value, 1e3)}µs`;
  if (value < 1e9) return `${sign}${decimal(value, 1e6)}ms`;
  const seconds = `${decimal(value % 60e9, 1e9)}s`;
  const minutes = Math.floor(value / 60e9);
  if (minutes === 0) return sign + seconds;
  return `${sign}${minutes < 60 ? '' : `${Math.floor(minutes / 60)}h`}${minutes % 60}m${seconds}`;
}
