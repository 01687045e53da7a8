import { invalid } from '#base/errors.ts';

/**
 * Reads one JSON value as Go's encoding/json would: field names in any case, null counts as absent, unknown fields are
 * ignored, and a wrong type is an invalid_argument that names the field and the type it wants.
 */
export interface Decoder<T> {
  /** Go's name of the type, for messages. */
  readonly type: string;
  /** What null becomes inside a list. */
  readonly zero: T;
  /** `at` is the path of the value, e.g. `HostConfig.Memory`. */
  read(value: unknown, at: string): T;
}

/** A decoder for every field of T: a wire type that gains a field does not compile until it is read. */
export type Fields<T> = { readonly [K in keyof T]-?: Decoder<NonNullable<T[K]>> };

export const text: Decoder<string> = {
  type: 'string',
  zero: '',
  read: (value, at) => (typeof value === 'string' ? value : mismatch(value, at, 'string')),
};

export const flag: Decoder<boolean> = {
  type: 'bool',
  zero: false,
  read: (value, at) => (typeof value === 'boolean' ? value : mismatch(value, at, 'bool')),
};

/** The largest double below 2^63: what no limit at all rounds to, and still prints as an int64. */
const LARGEST_INT64 = 9223372036854774784;

function integerOf(type: string, min: number, max: number): Decoder<number> {
  return {
    type,
    zero: 0,
    read: (value, at) => {
      if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) return mismatch(value, at, type);
      return Math.min(value, LARGEST_INT64);
    },
  };
}

export const int64 = integerOf('int64', -(2 ** 63), 2 ** 63);
export const int = integerOf('int', -(2 ** 63), 2 ** 63);
export const uint16 = integerOf('uint16', 0, 2 ** 16 - 1);
export const uint32 = integerOf('uint32', 0, 2 ** 32 - 1);
export const uint64 = integerOf('uint64', 0, 2 ** 64);

/** Any JSON value, taken as it is. */
export const anything: Decoder<unknown> = { type: 'interface {}', zero: undefined, read: (value) => value };

export function list<T>(item: Decoder<T>): Decoder<T[]> {
  const type = `[]${item.type}`;
  return {
    type,
    zero: [],
    read: (value, at) => {
      if (!Array.isArray(value)) return mismatch(value, at, type);
      return value.map((element: unknown) => (element === null ? item.zero : item.read(element, at)));
    },
  };
}

/** Go's strslice: one string stands for a list of one. */
export const textOrList: Decoder<string[]> = {
  type: '[]string',
  zero: [],
  read: (value, at) => (typeof value === 'string' ? [value] : list(text).read(value, at)),
};

/** A JSON object with keys of the client's own. */
export function map<T>(item: Decoder<T>): Decoder<Record<string, T>> {
  const type = `map[string]${item.type}`;
  return {
    type,
    zero: {},
    read: (value, at) => {
      if (!isObject(value)) return mismatch(value, at, type);
      // fromEntries defines own properties, so that a key `__proto__` is only a key.
      return Object.fromEntries(
        Object.entries(value).map(([key, element]) => [key, element === null ? item.zero : item.read(element, `${at}.${key}`)]),
      );
    },
  };
}

/** null inside stays null. */
export function nullable<T>(item: Decoder<T>): Decoder<T | null> {
  return { type: item.type, zero: null, read: (value, at) => (value === null ? null : item.read(value, at)) };
}

/** An object with the fields of T. Fields that are absent or null are left out of the result. */
export function object<T extends object>(type: string, fields: Fields<T>): Decoder<T> {
  const known = new Map<string, [name: string, decoder: Decoder<unknown>]>();
  for (const [name, decoder] of Object.entries<Decoder<unknown>>(fields)) known.set(name.toLowerCase(), [name, decoder]);
  return {
    type,
    zero: {} as T,
    read: (value, at) => {
      if (!isObject(value)) return mismatch(value, at, type);
      const result: Record<string, unknown> = {};
      for (const key in value) {
        const element = (value as Record<string, unknown>)[key];
        const field = known.get(key.toLowerCase());
        if (field === undefined || element === null) continue;
        const [name, decoder] = field;
        // A name in the exact case wins over the same name in another case.
        if (name !== key && Object.hasOwn(value, name)) continue;
        result[name] = decoder.read(element, at === '' ? name : `${at}.${name}`);
      }
      return result as T;
    },
  };
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function mismatch(value: unknown, at: string, type: string): never {
  const found = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value === 'number' ? `number ${value}` : typeof value;
  throw invalid(
    at === ''
      ? `invalid JSON: json: cannot unmarshal ${found} into Go value of type ${type}`
      : `invalid JSON: json: cannot unmarshal ${found} into Go struct field ${at} of type ${type}`,
  );
}
