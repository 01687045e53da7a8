/**
 * The declarative flag table that the parser, the help pages and the completion scripts share. Semantics and error
 * texts are those of pflag, which Docker's CLI uses; they are the product, hence no argument library.
 */
import { invalidSyntax, parseBool, parseBytes, parseCpus, parseDuration, parseInteger } from './values.ts';

/** What the shell completes after a flag or as an argument. */
export type Completion = 'container' | 'running' | 'stopped' | 'paused' | 'image' | 'volume' | 'network' | 'context' | 'file' | 'none' | readonly string[];

export interface Flag<T = unknown> {
  /** One letter, or undefined. */
  short: string | undefined;
  /** The word that help shows for the value: `string`, `list`, `bytes`; empty for switches. */
  word: string;
  help: string;
  initial: T;
  /** Shown in help as `(default ...)` when not empty. */
  shownDefault: string;
  hidden: boolean;
  /** The value when the flag stands alone; undefined when a value must follow. */
  alone: string | undefined;
  /** Returns the new value; throws an Error whose message pflag would put after the colon. */
  parse(text: string, before: T, first: boolean): T;
  complete: Completion;
}

export type FlagTable = Readonly<Record<string, Flag<never> | Flag<unknown>>>;
export type FlagValues<F> = { readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never };

export interface FlagOptions<T> {
  short?: string;
  default?: T;
  hidden?: boolean;
  word?: string;
  complete?: Completion;
}

function make<T>(word: string, help: string, initial: T, options: FlagOptions<T>, parse: Flag<T>['parse']): Flag<T> {
  return {
    short: options.short,
    word: options.word ?? word,
    help,
    initial: options.default ?? initial,
    shownDefault: '',
    hidden: options.hidden ?? false,
    alone: undefined,
    parse,
    complete: options.complete ?? 'none',
  };
}

/** A switch: `--rm`, `--rm=false`. */
export function bool(help: string, options: FlagOptions<boolean> = {}): Flag<boolean> {
  const flag = make('', help, false, options, parseBool);
  return { ...flag, alone: 'true', shownDefault: flag.initial ? 'true' : '' };
}

export function text(help: string, options: FlagOptions<string> = {}): Flag<string> {
  const flag = make('string', help, '', options, (value) => value);
  return { ...flag, shownDefault: flag.initial === '' ? '' : JSON.stringify(flag.initial) };
}

export function int(help: string, options: FlagOptions<number> = {}): Flag<number> {
  const flag = make('int', help, 0, options, parseInteger);
  return { ...flag, shownDefault: flag.initial === 0 ? '' : String(flag.initial) };
}

/** Unsigned with an upper bound, as Go's uint16 and uint64. */
export function uint(help: string, bits: 16 | 64, options: FlagOptions<number> = {}): Flag<number> {
  return make(bits === 16 ? 'uint16' : 'uint', help, 0, options, (value) => {
    if (!/^\d+$/.test(value)) throw invalidSyntax('ParseUint', value);
    const number = Number(value);
    if (bits === 16 && number > 65535) throw new Error(`strconv.ParseUint: parsing ${JSON.stringify(value)}: value out of range`);
    return number;
  });
}

/** Repeatable; each occurrence is one item. `check` may rewrite the item or throw. */
export function list(help: string, options: FlagOptions<readonly string[]> & { check?: (item: string) => string } = {}): Flag<readonly string[]> {
  const check = options.check ?? ((item: string): string => item);
  return make<readonly string[]>('list', help, [], options, (value, before) => [...before, check(value)]);
}

/** Repeatable; each occurrence may hold several items, separated by commas. */
export function csv(help: string, options: FlagOptions<readonly string[]> = {}): Flag<readonly string[]> {
  return make<readonly string[]>('strings', help, [], options, (value, before) => [...before, ...(value === '' ? [] : value.split(','))]);
}

/** Repeatable `key=value`; the last one of a key wins. */
export function map(help: string, options: FlagOptions<Readonly<Record<string, string>>> & { check?: (item: string) => string } = {}): Flag<Readonly<Record<string, string>>> {
  return make<Readonly<Record<string, string>>>('map', help, {}, options, (value, before) => {
    const item = options.check ? options.check(value) : value;
    const cut = item.indexOf('=');
    return { ...before, ...(cut < 0 ? { [item]: '' } : { [item.slice(0, cut)]: item.slice(cut + 1) }) };
  });
}

/** Repeatable `--filter key=value`, as the API's filters object. */
export function filters(help: string, options: FlagOptions<Readonly<Record<string, readonly string[]>>> = {}): Flag<Readonly<Record<string, readonly string[]>>> {
  return make<Readonly<Record<string, readonly string[]>>>('filter', help, {}, options, (value, before) => {
    const item = value.trim();
    if (item === '') return before;
    const cut = item.indexOf('=');
    if (cut < 0) throw new Error('bad format of filter (expected name=value)');
    const key = item.slice(0, cut).trim().toLowerCase();
    const wanted = item.slice(cut + 1).trim();
    const others = before[key] ?? [];
    return { ...before, [key]: others.includes(wanted) ? others : [...others, wanted] };
  });
}

/** `512m`, `2g`, plain bytes. */
export function bytes(help: string, options: FlagOptions<number> & { allowMinusOne?: boolean } = {}): Flag<number> {
  return make('bytes', help, 0, options, (value) => (options.allowMinusOne === true && value === '-1' ? -1 : parseBytes(value)));
}

/** Go durations (`1m30s`), in nanoseconds. */
export function duration(help: string, options: FlagOptions<number> = {}): Flag<number> {
  return make('duration', help, 0, options, parseDuration);
}

/** Decimal CPUs, in billionths. */
export function cpus(help: string, options: FlagOptions<number> = {}): Flag<number> {
  return make('decimal', help, 0, options, parseCpus);
}

/** Anything else: `parse` gets the text and what was there before. */
export function custom<T>(word: string, help: string, initial: T, parse: (value: string, before: T) => T, options: FlagOptions<T> = {}): Flag<T> {
  return make(word, help, initial, options, parse);
}
