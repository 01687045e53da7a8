import { invalid } from '#base/errors.ts';

export interface Arguments {
  readonly args: readonly string[];
  readonly json: boolean;
}

const words = (args: readonly string[]): Arguments => ({ args, json: false });
const blanks = /[\t\v\f\r ]+/;
const isSpace = (char: string): boolean => /\s/u.test(char);

/** The keyword, the flags that follow it and the rest. */
export function splitKeyword(line: string): { keyword: string; flags: string[]; rest: string } {
  const text = line.trim();
  const match = blanks.exec(text);
  if (!match) return { keyword: text, flags: [], rest: '' };
  const { flags, rest } = splitFlags(text.slice(match.index + match[0].length));
  return { keyword: text.slice(0, match.index), flags, rest: rest.trim() };
}

/** `--name=value` words at the start. Quotes and backslashes in them are taken off here. `--` alone ends them. */
function splitFlags(line: string): { flags: string[]; rest: string } {
  const flags: string[] = [];
  let at = 0;
  for (;;) {
    while (at < line.length && isSpace(line[at] ?? '')) at++;
    if (at >= line.length) return { flags, rest: '' };
    if (!line.startsWith('--', at)) return { flags, rest: line.slice(at) };
    let word = '';
    let quote = '';
    for (; at < line.length; at++) {
      const char = line[at] ?? '';
      if (quote === '' && isSpace(char)) break;
      if (quote === '' && (char === "'" || char === '"')) quote = char;
      else if (quote !== '' && char === quote) quote = '';
      else if (char === '\\') {
        at++;
        word += line[at] ?? '';
      } else word += char;
    }
    if (word === '--') return { flags, rest: line.slice(at) };
    flags.push(word);
  }
}

/** Words as in a shell, quotes and escapes kept. */
function shellWords(rest: string, escape: string): string[] {
  const out: string[] = [];
  let word = '';
  let begun = false;
  let quote = '';
  for (let at = 0; at < rest.length; at++) {
    const char = rest[at] ?? '';
    if (quote === '' && isSpace(char)) {
      if (begun || word !== '') out.push(word);
      word = '';
      begun = false;
      continue;
    }
    if (quote === '' && (char === "'" || char === '"')) {
      quote = char;
      begun = true;
    } else if (char === quote) quote = '';
    if (char === escape && quote !== "'") {
      if (at + 1 === rest.length) continue;
      word += char + (rest[++at] ?? '');
      continue;
    }
    word += char;
  }
  if (begun || word !== '') out.push(word);
  return out;
}

function pairs(rest: string, keyword: string, escape: string): Arguments {
  const list = shellWords(rest, escape);
  const first = list[0];
  if (first === undefined) return words([]);
  if (!first.includes('=')) {
    const match = blanks.exec(rest);
    if (!match) throw invalid(`${keyword} must have two arguments`);
    return words([rest.slice(0, match.index), rest.slice(match.index + match[0].length), '']);
  }
  const out: string[] = [];
  for (const word of list) {
    const equals = word.indexOf('=');
    if (equals < 0) throw invalid(`Syntax error - can't find = in ${JSON.stringify(word)}. Must be of the form: name=value`);
    out.push(word.slice(0, equals), word.slice(equals + 1), '=');
  }
  return words(out);
}

/** The strings of a JSON list; undefined for what is none. Throws for lists of other things. */
function jsonList(rest: string): readonly string[] | undefined {
  const text = rest.trimStart();
  if (!text.startsWith('[')) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(value)) return undefined;
  if (!value.every((item): item is string => typeof item === 'string')) {
    throw invalid('when using JSON array syntax, arrays must be comprised of strings only');
  }
  return value;
}

const delimited = (rest: string): Arguments => words(rest === '' ? [] : rest.split(new RegExp(blanks, 'g')));
const whole = (rest: string): Arguments => words(rest === '' ? [] : [rest]);

function jsonOr(rest: string, otherwise: (rest: string) => Arguments): Arguments {
  const list = jsonList(rest);
  return list === undefined ? otherwise(rest) : { args: list, json: true };
}

function healthcheck(rest: string): Arguments {
  const match = /^(\S+)\s*/u.exec(rest);
  if (!match) return words([]);
  const { args, json } = jsonOr(rest.slice(match[0].length), whole);
  return { args: [match[1] ?? '', ...args], json };
}

/** Cuts what follows a keyword into arguments, each keyword in its own way; unknown ones have none. */
export function splitArguments(keyword: string, rest: string, escape: string): Arguments {
  switch (keyword.toLowerCase()) {
    case 'add':
    case 'copy':
    case 'volume':
      return jsonOr(rest, delimited);
    case 'arg':
      return words(shellWords(rest, escape));
    case 'cmd':
    case 'entrypoint':
    case 'run':
    case 'shell':
      return jsonOr(rest, whole);
    case 'env':
      return pairs(rest, 'ENV', escape);
    case 'label':
      return pairs(rest, 'LABEL', escape);
    case 'expose':
    case 'from':
      return delimited(rest);
    case 'healthcheck':
      return healthcheck(rest);
    case 'maintainer':
    case 'stopsignal':
    case 'user':
    case 'workdir':
      return whole(rest);
    default:
      return words([]);
  }
}
