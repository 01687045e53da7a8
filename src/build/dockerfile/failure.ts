import { EngineError, invalid } from '#base/errors.ts';
import type { LineRange } from '../frontend.ts';

const LOCATION = 'dockerfileRanges';

/** Refused, with the lines that are to blame in `details`. An error that has lines already keeps them. */
export function located(error: unknown, ranges: readonly LineRange[]): unknown {
  if (!(error instanceof EngineError) || error.details[LOCATION] !== undefined) return error;
  return new EngineError(error.code, error.message, { cause: error.cause, details: { ...error.details, [LOCATION]: ranges } });
}

/** The lines that an error of this room is about; none for other errors. */
export function rangesOf(error: unknown): readonly LineRange[] {
  const ranges = error instanceof EngineError ? error.details[LOCATION] : undefined;
  return Array.isArray(ranges) ? (ranges as readonly LineRange[]) : [];
}

export const refusal = (message: string, ranges: readonly LineRange[]): unknown => located(invalid(message), ranges);

const UNPARSED = 'dockerfileUnparsed';

/** The file could not be cut into instructions; other failures are about what they say. */
export const isParseFailure = (error: unknown): boolean => error instanceof EngineError && error.details[UNPARSED] === true;

export function parseFailure(error: unknown): unknown {
  return error instanceof EngineError ? new EngineError(error.code, error.message, { cause: error.cause, details: { ...error.details, [UNPARSED]: true } }) : error;
}

/** Runs `work`; what it throws is about these lines. */
export function onLines<T>(ranges: readonly LineRange[], work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw located(error, ranges);
  }
}

/** `message (did you mean X?)` where one of the options is at most two edits away. */
export function withSuggestion(message: string, value: string, options: readonly string[], caseSensitive = true): string {
  const match = nearest(value, options, caseSensitive);
  return match === undefined ? message : `${message} (did you mean ${match}?)`;
}

/** Suggestions are not worth more comparisons than this. */
const MOST_OPTIONS = 500;

/** The nearest option; undefined when none is near or one is equal (then the value was not what was wrong). */
export function nearest(value: string, options: readonly string[], caseSensitive = true): string | undefined {
  const wanted = caseSensitive ? value : value.toLowerCase();
  let best: string | undefined;
  let least = 3;
  for (const option of options.slice(0, MOST_OPTIONS)) {
    const candidate = caseSensitive ? option : option.toLowerCase();
    if (candidate === wanted) return undefined;
    const distance = editDistance(wanted, candidate, least);
    if (distance >= least) continue;
    least = distance;
    best = !caseSensitive && value === value.toUpperCase() ? candidate.toUpperCase() : candidate;
  }
  return best;
}

/** Levenshtein's; `limit` when it is that or more. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? limit;
}
