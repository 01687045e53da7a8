/** Go's views of plain JSON values: how they print, whether they are true, how they compare. */

/**
 * A thing whose fields are computed: a row of a list. `fields` take no argument and make up its JSON; `methods` take
 * arguments and do not.
 */
export class Row {
  /** Go's name of the type, for error texts. */
  readonly typeName: string;
  readonly fields: Readonly<Record<string, () => unknown>>;
  readonly methods: Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;

  /** Unknown fields are "<no value>" instead of an error. */
  readonly lenient: boolean;

  constructor(typeName: string, fields: Row['fields'], methods: Row['methods'] = {}, options: { lenient?: boolean } = {}) {
    this.lenient = options.lenient ?? false;
    this.typeName = typeName;
    this.fields = fields;
    this.methods = methods;
  }

  toJSON(): Record<string, unknown> {
    return Object.fromEntries(Object.keys(this.fields).sort().map((name) => [name, this.fields[name]?.()]));
  }

  toString(): string {
    return goPrint(this.toJSON());
  }
}

/** A value that prints differently from its JSON. */
export class Printed {
  readonly text: string;
  readonly json: unknown;
  constructor(text: string, json: unknown) {
    this.text = text;
    this.json = json;
  }
  toJSON(): unknown {
    return this.json;
  }
}

export type Dictionary = Readonly<Record<string, unknown>>;

export function isDictionary(value: unknown): value is Dictionary {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Row) && !(value instanceof Printed);
}

/** As fmt's %v. */
export function goPrint(value: unknown, nested = false): string {
  if (value === undefined) return '<no value>';
  if (value === null) return nested ? '<nil>' : '<no value>';
  if (value instanceof Printed) return value.text;
  if (value instanceof Row) return value.toString();
  if (Array.isArray(value)) return `[${value.map((item) => goPrint(item, true)).join(' ')}]`;
  if (isDictionary(value)) {
    return `map[${Object.keys(value).sort().map((key) => `${key}:${goPrint(value[key], true)}`).join(' ')}]`;
  }
  if (typeof value === 'number') return goNumber(value);
  return String(value);
}

function goNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e21) return value.toFixed(0);
  return String(value).replace(/e([+-])(\d)$/, 'e$10$2');
}

export function truth(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === 0 || value === '') return false;
  if (value instanceof Printed || value instanceof Row) return true;
  if (Array.isArray(value)) return value.length > 0;
  if (isDictionary(value)) return Object.keys(value).length > 0;
  return true;
}

declare global {
  interface JSON {
    /** A primitive that JSON.stringify writes as it is. */
    rawJSON(text: string): unknown;
  }
}

/** As Docker's `json` function: HTML is escaped in rows, whose JSON Go makes in two steps, and nowhere else. */
export function goJson(value: unknown): string {
  const text = JSON.stringify(value ?? null, (_key, item: unknown) => (typeof item === 'bigint' ? JSON.rawJSON(item.toString()) : item));
  const escaped = value instanceof Row ? /[<>&\u2028\u2029]/g : /[\u2028\u2029]/g;
  return text.replace(escaped, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** As strconv.Quote. */
export function goQuote(text: string): string {
  if (/^[\x20\x21\x23-\x5b\x5d-\x7e]*$/.test(text)) return `"${text}"`;
  let out = '"';
  for (const char of text) {
    const code = char.codePointAt(0) ?? 0;
    const named = { '\x07': '\\a', '\b': '\\b', '\f': '\\f', '\n': '\\n', '\r': '\\r', '\t': '\\t', '\v': '\\v', '\\': '\\\\', '"': '\\"' }[char];
    if (named !== undefined) out += named;
    else if (code < 0x20 || code === 0x7f) out += `\\x${code.toString(16).padStart(2, '0')}`;
    else if (/[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(char)) out += char;
    else out += code > 0xffff ? `\\U${code.toString(16).padStart(8, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
  }
  return `${out}"`;
}
