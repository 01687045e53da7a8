import { messageOf } from '#base/errors.ts';
import { parseMoment } from '#spec/timestamp.ts';

/**
 * `--since` and `--until` as the API takes them: seconds since the epoch with a fraction. A Go duration counts back from
 * `now` (milliseconds); a date without a zone is local.
 */
export function apiTimestamp(text: string, now: number): string {
  let nanos: bigint;
  try {
    nanos = parseMoment(text, BigInt(now) * 1_000_000n);
  } catch (error) {
    throw new Error(messageOf(error), { cause: error });
  }
  return `${nanos / 1_000_000_000n}.${(nanos % 1_000_000_000n).toString().padStart(9, '0')}`;
}
