import { invalid } from '#base/errors.ts';
import { matchLabels, requireKnownFilters, type Filters } from '#spec/filters.ts';
import { parseMoment } from '#spec/timestamp.ts';
import type { ContainerRecord } from './container-record.ts';

/** Filters of prune: `until` (a time or an age), `label`, `label!`. `now` in milliseconds since the epoch. */
export function createdFilter(filters: Filters, now: number): (record: Pick<ContainerRecord, 'created' | 'config'>) => boolean {
  requireKnownFilters(filters, ['until', 'label', 'label!']);
  const untils = filters.get('until') ?? [];
  if (untils.length > 1) throw invalid('more than one until filter specified');
  const until = untils[0] === undefined ? undefined : Number(parseMoment(untils[0], BigInt(now) * 1_000_000n) / 1_000_000n);
  return ({ created, config }) =>
    (until === undefined || Date.parse(created) <= until) &&
    matchLabels(filters.get('label'), config.Labels ?? {}) &&
    !(filters.get('label!') ?? []).some((label) => matchLabels([label], config.Labels ?? {}));
}
