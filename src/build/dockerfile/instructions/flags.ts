import { invalid } from '#base/errors.ts';
import { withSuggestion } from '../failure.ts';

export type FlagKind = 'text' | 'list' | 'switch';
export interface FlagValues {
  text(name: string): string | undefined;
  list(name: string): readonly string[];
  /** Undefined where the flag was not given. */
  on(name: string): boolean | undefined;
}

/** Reads `--name=value` words against what an instruction knows. Throws invalid_argument in Docker's words. */
export function readFlags(flags: readonly string[], known: Readonly<Record<string, FlagKind>> = {}): FlagValues {
  const values = new Map<string, string[]>();
  for (const flag of flags) {
    const equals = flag.indexOf('=');
    const name = equals < 0 ? flag.slice(2) : flag.slice(2, equals);
    const kind = Object.hasOwn(known, name) ? known[name] : undefined;
    if (kind === undefined) throw invalid(withSuggestion(`unknown flag: ${name}`, name, Object.keys(known)));
    const before = values.get(name);
    if (before !== undefined && kind !== 'list') throw invalid(`duplicate flag specified: ${name}`);
    values.set(name, [...(before ?? []), flagValue(name, kind, equals < 0 ? undefined : flag.slice(equals + 1))]);
  }
  return {
    text: (name) => values.get(name)?.[0],
    list: (name) => values.get(name) ?? [],
    on: (name) => {
      const value = values.get(name)?.[0];
      return value === undefined ? undefined : value === 'true';
    },
  };
}

function flagValue(name: string, kind: FlagKind, value: string | undefined): string {
  if (kind !== 'switch') {
    if (value === undefined) throw invalid(`missing a value on flag: ${name}`);
    return value;
  }
  if (value === '') throw invalid(`missing a value on flag: ${name}`);
  const lower = value?.toLowerCase() ?? 'true';
  if (lower !== 'true' && lower !== 'false') throw invalid(`expecting boolean value for flag ${name}, not: ${value}`);
  return lower;
}
