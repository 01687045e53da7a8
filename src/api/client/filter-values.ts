/** Filters as callers write them, e.g. `{ label: ['a=b'], status: ['running'] }`. */
export type FilterValues = Readonly<Record<string, readonly string[]>>;

/** The `filters` query value, or undefined when there is nothing to filter. */
export function renderFilters(filters: FilterValues | undefined): string | undefined {
  return filters !== undefined && Object.keys(filters).length > 0 ? JSON.stringify(filters) : undefined;
}
