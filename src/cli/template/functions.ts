import { goJson, goPrint, goQuote, isDictionary, Printed, Row, truth } from './value.ts';

export type TemplateFunction = (...args: readonly unknown[]) => unknown;

const str = (value: unknown): string => {
  if (typeof value === 'string') return value;
  if (value instanceof Printed) return value.text;
  throw new Error(`wrong type for value; expected string; got ${kindName(value)}`);
};

export function kindName(value: unknown): string {
  if (value === null || value === undefined) return 'nil';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int' : 'float64';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'string') return 'string';
  if (Array.isArray(value)) return '[]interface {}';
  return value instanceof Row ? value.typeName : 'map[string]interface {}';
}

const plain = (value: unknown): unknown => (value instanceof Printed ? value.text : value);

function equal(a: unknown, b: unknown): boolean {
  const [left, right] = [plain(a), plain(b)];
  if (left === null || left === undefined || right === null || right === undefined) return (left ?? null) === (right ?? null);
  if (typeof left !== typeof right) throw new Error('incompatible types for comparison');
  if (typeof left === 'object') throw new Error(`non-comparable type ${goPrint(left)}: ${kindName(left)}`);
  return left === right;
}

function less(a: unknown, b: unknown): boolean {
  const [left, right] = [plain(a), plain(b)];
  if (typeof left !== typeof right) throw new Error('incompatible types for comparison');
  if (typeof left === 'number' && typeof right === 'number') return left < right;
  if (typeof left === 'string' && typeof right === 'string') return Buffer.compare(Buffer.from(left), Buffer.from(right)) < 0;
  throw new Error('invalid type for comparison');
}

function index(collection: unknown, ...keys: readonly unknown[]): unknown {
  let value = collection;
  for (const key of keys) {
    if (value === null || value === undefined) throw new Error('index of untyped nil');
    if (Array.isArray(value) || typeof value === 'string') {
      if (typeof key !== 'number') throw new Error(`cannot index slice/array with type ${kindName(key)}`);
      const length = typeof value === 'string' ? Buffer.byteLength(value) : value.length;
      if (key < 0 || key >= length) throw new Error(`index out of range: ${key}`);
      value = typeof value === 'string' ? Buffer.from(value)[key] : (value as unknown[])[key];
    } else if (isDictionary(value)) {
      if (typeof key !== 'string') throw new Error(`value has type ${kindName(key)}; should be string`);
      value = Object.hasOwn(value, key) ? value[key] : undefined;
    } else throw new Error(`can't index item of type ${kindName(value)}`);
  }
  return value;
}

function slice(item: unknown, ...at: readonly unknown[]): unknown {
  const source = plain(item);
  if (typeof source !== 'string' && !Array.isArray(source)) throw new Error(`can't slice item of type ${kindName(item)}`);
  const value = typeof source === 'string' ? Buffer.from(source) : source;
  const [from = 0, to = value.length] = at.map((bound) => {
    if (typeof bound !== 'number') throw new Error(`cannot index slice/array with type ${kindName(bound)}`);
    if (bound < 0 || bound > value.length) throw new Error(`index out of range: ${bound}`);
    return bound;
  });
  if (from > to) throw new Error(`invalid slice index: ${from} > ${to}`);
  return Array.isArray(value) ? value.slice(from, to) : value.subarray(from, to).toString();
}

function length(value: unknown): number {
  const item = plain(value);
  if (typeof item === 'string') return Buffer.byteLength(item);
  if (Array.isArray(item)) return item.length;
  if (isDictionary(item)) return Object.keys(item).length;
  throw new Error(item === null || item === undefined ? 'len of nil pointer' : `len of type ${kindName(value)}`);
}

/** fmt.Sprint: spaces between operands when neither is a string. */
function sprint(args: readonly unknown[]): string {
  return args.map((arg, at) => (at > 0 && typeof arg !== 'string' && typeof args[at - 1] !== 'string' ? ' ' : '') + goPrint(arg, true)).join('');
}

/** fmt.Sprintf for the verbs that templates use. */
export function sprintf(format: string, ...args: readonly unknown[]): string {
  let next = 0;
  const out = format.replace(/%([-+# 0]*)(\*|\d+)?(?:\.(\d+))?(.)/gs, (whole, flags: string, width: string | undefined, precision: string | undefined, verb: string) => {
    if (verb === '%') return '%';
    const wide = width === '*' ? Number(args[next++]) : Number(width ?? 0);
    if (next >= args.length) return `%!${verb}(MISSING)`;
    const body = one(verb, plain(args[next++]), precision === undefined ? undefined : Number(precision), flags);
    if (body === undefined) return whole;
    if (flags.includes('-')) return body.padEnd(wide);
    return flags.includes('0') && verb !== 's' ? body.padStart(wide, '0') : body.padStart(wide);
  });
  if (next >= args.length) return out;
  return `${out}%!(EXTRA ${args.slice(next).map((arg) => `${kindName(arg)}=${goPrint(arg, true)}`).join(', ')})`;
}

function one(verb: string, value: unknown, precision: number | undefined, flags: string): string | undefined {
  const bad = (): string => `%!${verb}(${kindName(value)}=${goPrint(value, true)})`;
  switch (verb) {
    case 'v':
      return flags.includes('#') && typeof value === 'string' ? goQuote(value) : goPrint(value, true);
    case 's': {
      if (typeof value === 'number' || typeof value === 'boolean') return bad();
      const text = goPrint(value, true);
      return precision === undefined ? text : [...text].slice(0, precision).join('');
    }
    case 'q':
      return typeof value === 'string' ? goQuote(value) : Array.isArray(value) ? `[${value.map((item) => goQuote(goPrint(item, true))).join(' ')}]` : bad();
    case 'd':
      return typeof value === 'number' ? (flags.includes('+') && value >= 0 ? '+' : '') + value.toFixed(0) : bad();
    case 't':
      return typeof value === 'boolean' ? String(value) : bad();
    case 'x':
    case 'X': {
      const hex = typeof value === 'number' ? value.toString(16) : typeof value === 'string' ? Buffer.from(value).toString('hex') : undefined;
      return hex === undefined ? bad() : verb === 'X' ? hex.toUpperCase() : hex;
    }
    case 'o':
      return typeof value === 'number' ? value.toString(8) : bad();
    case 'c':
      return typeof value === 'number' ? String.fromCodePoint(value) : bad();
    case 'f':
    case 'F':
      return typeof value === 'number' ? value.toFixed(precision ?? 6) : bad();
    case 'e':
      return typeof value === 'number' ? value.toExponential(precision ?? 6) : bad();
    case 'g':
      return typeof value === 'number' ? goPrint(precision === undefined ? value : Number(value.toPrecision(precision))) : bad();
    case 'T':
      return kindName(value);
    default:
      return `%!${verb}(${kindName(value)}=${goPrint(value, true)})`;
  }
}

const html: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;', '\0': '\uFFFD' };

/** Go's built-ins and Docker's additions. `and` and `or` are evaluated lazily by the executor. */
export const functions: Readonly<Record<string, TemplateFunction>> = {
  and: (...args) => args.find((arg) => !truth(arg)) ?? args.at(-1),
  or: (...args) => args.find(truth) ?? args.at(-1),
  not: (value) => !truth(value),
  len: length,
  index,
  slice,
  print: (...args) => sprint(args),
  printf: (format, ...args) => sprintf(str(format), ...args),
  println: (...args) => `${args.map((arg) => goPrint(arg, true)).join(' ')}\n`,
  html: (...args) => sprint(args).replace(/[&<>"'\0]/g, (char) => html[char] ?? char),
  js: (...args) => sprint(args).replace(/[\\'"<>&=\n\r\t]/g, (char) => ({ '\\': '\\\\', "'": "\\'", '"': '\\"' })[char] ?? `\\u${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`),
  urlquery: (...args) => encodeURIComponent(sprint(args)).replaceAll('%20', '+'),
  eq: (first, ...others) => {
    if (others.length === 0) throw new Error('missing argument for comparison');
    return others.some((other) => equal(first, other));
  },
  ne: (a, b) => !equal(a, b),
  lt: less,
  le: (a, b) => less(a, b) || equal(a, b),
  gt: (a, b) => !less(a, b) && !equal(a, b),
  ge: (a, b) => !less(a, b),
  json: goJson,
  split: (text, separator) => str(text).split(str(separator)),
  join: (items, separator) => {
    if (!Array.isArray(items)) throw new Error(`wrong type for value; expected []string; got ${kindName(items)}`);
    return items.map((item) => goPrint(item, true)).join(str(separator));
  },
  title: (text) => str(text).replace(/(^|[^\p{L}\p{N}_'’])(\p{L})/gu, (_, before: string, letter: string) => before + letter.toUpperCase()),
  lower: (text) => str(text).toLowerCase(),
  upper: (text) => str(text).toUpperCase(),
  pad: (text, before, after) => (text === '' ? '' : ' '.repeat(Number(before)) + str(text) + ' '.repeat(Number(after))),
  truncate: (text, size) => (Number(size) < str(text).length ? str(text).slice(0, Number(size)) : str(text)),
};

export const functionNames: ReadonlySet<string> = new Set(Object.keys(functions));

/** For the header line of a table: what formats a value leaves a header as it is. */
export const headerFunctions: Readonly<Record<string, TemplateFunction>> = {
  ...functions,
  json: (value) => value,
  title: (value) => value,
  lower: (value) => value,
  upper: (value) => value,
  truncate: (value) => value,
  join: (value) => value,
  split: (value) => value,
};
