/** Parsers of flag values with Go's and Docker's words for what they refuse. */

export function invalidSyntax(func: string, value: string): Error {
  return new Error(`strconv.${func}: parsing ${JSON.stringify(value)}: invalid syntax`);
}

export function parseBool(value: string): boolean {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(value)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value)) return false;
  throw invalidSyntax('ParseBool', value);
}

/** Go's base-0 integers: decimal, 0x, 0o, 0b and leading-zero octal. */
export function parseInteger(value: string): number {
  const match = /^([+-]?)(0[xX][0-9a-fA-F]+|0[oO]?[0-7]+|0[bB][01]+|[1-9][0-9]*|0)$/.exec(value);
  if (!match) throw invalidSyntax('ParseInt', value);
  const digits = match[2] ?? '0';
  const number = /^0[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  if (number > 2 ** 63) throw new Error(`strconv.ParseInt: parsing ${JSON.stringify(value)}: value out of range`);
  return match[1] === '-' ? -number : number;
}

const binaryUnits: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40, p: 2 ** 50 };

/** Docker's RAMInBytes: a number, then an optional unit in powers of 1024 (`k`, `kb`, `kib`, any case). */
export function parseBytes(value: string): number {
  const match = /^(\d+(?:\.\d+)?) ?([kKmMgGtTpP])?(?:[iI])?(?:[bB])?$/.exec(value);
  if (!match) throw new Error(`invalid size: '${value}'`);
  return Math.trunc(Number(match[1]) * (binaryUnits[(match[2] ?? '').toLowerCase()] ?? 1));
}

const nanos: Readonly<Record<string, number>> = {
  ns: 1, us: 1e3, 'µs': 1e3, 'μs': 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9,
};

/** Go's time.ParseDuration, in nanoseconds. */
export function parseDuration(value: string): number {
  const quoted = JSON.stringify(value);
  const sign = value.startsWith('-') ? -1 : 1;
  let rest = value.replace(/^[+-]/, '');
  if (rest === '0') return 0;
  if (rest === '') throw new Error(`time: invalid duration ${quoted}`);
  let total = 0;
  while (rest !== '') {
    const number = /^(\d+(?:\.\d*)?|\.\d+)/.exec(rest)?.[0];
    if (number === undefined) throw new Error(`time: invalid duration ${quoted}`);
    rest = rest.slice(number.length);
    const unit = /^[^\d.]+/.exec(rest)?.[0];
    if (unit === undefined) throw new Error(`time: missing unit in duration ${quoted}`);
    const scale = nanos[unit];
    if (scale === undefined) throw new Error(`time: unknown unit ${JSON.stringify(unit)} in duration ${quoted}`);
    total += Number(number) * scale;
    rest = rest.slice(unit.length);
  }
  return sign * Math.round(total);
}

/** `1.5` CPUs as NanoCpus. */
export function parseCpus(value: string): number {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?$/.exec(value);
  if (!match || ((match[2] ?? '') === '' && (match[3] ?? '') === '')) throw new Error(`failed to parse ${value} as a rational number`);
  if (/[1-9]/.test((match[3] ?? '').slice(9))) throw new Error('value is too precise');
  const number = Number(match[2] ?? 0) * 1e9 + Number((match[3] ?? '').slice(0, 9).padEnd(9, '0'));
  return match[1] === '-' ? -number : number;
}
