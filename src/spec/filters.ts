import { invalid } from '#base/errors.ts';

/** Parsed `filters` query: each key with its accepted values. Any value of a key may match; all keys must. */
export type Filters = ReadonlyMap<string, readonly string[]>;

/** Reads both forms that clients send: `{"k":["v"]}` and, from before 1.22, `{"k":{"v":true}}`. */
export function parseFilters(text: string | undefined): Filters {
  if (text === undefined || text === '') return new Map();
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw invalid(`invalid filters: ${JSON.stringify(text.slice(0, 80))} is not JSON`, { cause: error });
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw invalid('invalid filters: expected an object of lists');
  }
  const filters = new Map<string, readonly string[]>();
  for (const [key, value] of Object.entries(parsed)) {
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) filters.set(key, value);
    else if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      filters.set(key, Object.entries(value).filter(([, on]) => on === true).map(([name]) => name));
    } else throw invalid(`invalid filters: the value of ${JSON.stringify(key)} must be a list of strings`);
  }
  return filters;
}

/** Refuses keys the operation does not know, in Docker's words. */
export function requireKnownFilters(filters: Filters, known: readonly string[]): void {
  for (const key of filters.keys()) {
    if (!known.includes(key)) throw invalid(`invalid filter '${key}'`);
  }
}

/** `label` filters: `key` or `key=value`, all must hold. */
export function matchLabels(wanted: readonly string[] | undefined, labels: Readonly<Record<string, string>>): boolean {
  return (wanted ?? []).every((text) => {
    const cut = text.indexOf('=');
    return cut < 0 ? Object.hasOwn(labels, text) : labels[text.slice(0, cut)] === text.slice(cut + 1);
  });
}
