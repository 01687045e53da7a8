import { invalid, wrap } from '#base/errors.ts';
import { replace, trimPrefix, trimSuffix } from './pattern.ts';

/** How a text is read; everything left out is false. */
export interface LexOptions {
  readonly escape: '\\' | '`';
  /** Quotes stay in the result. */
  readonly rawQuotes?: boolean;
  /** Escape characters stay in the result. */
  readonly rawEscapes?: boolean;
  /** Quotes are ordinary characters. */
  readonly noQuotes?: boolean;
  /** Variables without a value stay as they are written. */
  readonly keepUnset?: boolean;
}

export type Environment = Pick<ReadonlyMap<string, string>, 'get' | 'has'>;

export interface Expansion {
  readonly text: string;
  /** The text split at blanks that are neither quoted nor escaped. */
  readonly words: readonly string[];
  readonly matched: ReadonlySet<string>;
  readonly unmatched: ReadonlySet<string>;
}

const DEEPEST = 100;
const LONGEST = 1 << 20;

/** Expands variables as Dockerfiles do, in the manner of a shell. Throws invalid_argument: `failed to process "...": ...`. */
export function expand(text: string, env: Environment, options: LexOptions): Expansion {
  const lexer = new Lexer(text, env, options);
  try {
    const { text: result, words } = lexer.until(undefined, options.rawEscapes === true);
    return { text: result, words, matched: lexer.matched, unmatched: lexer.unmatched };
  } catch (error) {
    throw wrap(error, `failed to process ${quoted(text)}`);
  }
}

const quoted = (text: string): string => JSON.stringify(text.length > 512 ? `${text.slice(0, 512)}...` : text);
/** Has a blank in it; of a single character: is one. */
const isBlank = (text: string): boolean => /\s/u.test(text);

class Words {
  readonly list: string[] = [];
  #word = '';

  /** Characters of a word as they are: blanks split it unless they are raw. */
  add(text: string, raw: boolean): void {
    if (raw || !isBlank(text)) {
      this.#word += text;
      return;
    }
    for (const char of text) {
      if (isBlank(char)) this.end();
      else this.#word += char;
    }
  }

  end(): void {
    if (this.#word !== '') this.list.push(this.#word);
    this.#word = '';
  }
}

class Lexer {
  readonly matched = new Set<string>();
  readonly unmatched = new Set<string>();
  readonly #chars: readonly string[];
  readonly #env: Environment;
  readonly #options: LexOptions;
  #at = 0;
  #depth = 0;
  #size = 0;

  constructor(text: string, env: Environment, options: LexOptions) {
    this.#chars = Array.from(text);
    this.#env = env;
    this.#options = options;
  }

  /** Reads up to `stop`, which is consumed, or to the end. */
  until(stop: string | undefined, rawEscapes: boolean): { text: string; words: readonly string[] } {
    if (++this.#depth > DEEPEST) throw invalid('variables are nested too deeply');
    let text = '';
    const words = new Words();
    for (;;) {
      const char = this.#chars[this.#at];
      if (char === undefined) break;
      if (char === stop) {
        this.#at++;
        this.#depth--;
        words.end();
        return { text, words: words.list };
      }
      if (char === '$') {
        const value = this.#dollar(rawEscapes);
        text += value;
        words.add(value, false);
      } else if ((char === "'" || char === '"') && this.#options.noQuotes !== true) {
        const value = char === "'" ? this.#singleQuoted() : this.#doubleQuoted(rawEscapes);
        text += value;
        words.add(value, true);
      } else if (char === this.#options.escape) {
        this.#at++;
        if (rawEscapes) {
          text += char;
          words.add(char, true);
        }
        const next = this.#chars[this.#at++];
        if (next === undefined) break;
        text += next;
        words.add(next, true);
      } else {
        this.#at++;
        text += char;
        words.add(char, false);
      }
    }
    if (stop !== undefined) throw invalid(`unexpected end of statement while looking for matching ${stop}`);
    words.end();
    this.#depth--;
    return { text, words: words.list };
  }

  #singleQuoted(): string {
    const close = this.#chars.indexOf("'", this.#at + 1);
    if (close < 0) {
      this.#at = this.#chars.length;
      throw invalid('unexpected end of statement while looking for matching single-quote');
    }
    const inner = this.#chars.slice(this.#at + 1, close).join('');
    this.#at = close + 1;
    return this.#options.rawQuotes === true ? `'${inner}'` : inner;
  }

  #doubleQuoted(rawEscapes: boolean): string {
    const { escape } = this.#options;
    const quote = this.#options.rawQuotes === true ? '"' : '';
    this.#at++;
    let text = quote;
    for (;;) {
      const char = this.#chars[this.#at];
      if (char === undefined) throw invalid('unexpected end of statement while looking for matching double-quote');
      if (char === '$') {
        text += this.#dollar(rawEscapes);
        continue;
      }
      this.#at++;
      if (char === '"') return text + quote;
      if (char !== escape) {
        text += char;
        continue;
      }
      if (rawEscapes) text += char;
      const next = this.#chars[this.#at];
      if (next === undefined) continue;
      if (next === '"' || next === '$' || next === escape) {
        text += next;
        this.#at++;
      } else text += char;
    }
  }

  #dollar(rawEscapes: boolean): string {
    this.#at++;
    if (this.#chars[this.#at] !== '{') {
      const name = this.#name();
      if (name === '') return '$';
      return this.#value(name) ?? (this.#options.keepUnset === true ? `$${name}` : '');
    }
    this.#at++;
    const first = this.#chars[this.#at];
    if (first === undefined) throw invalid("syntax error: missing '}'");
    if (first === '{' || first === '}' || first === ':') throw invalid('syntax error: bad substitution');
    const name = this.#name();
    let modifier = this.#chars[this.#at++];
    if (modifier === '}') return this.#value(name) ?? (this.#options.keepUnset === true ? `\${${name}}` : '');
    if (modifier === '/') return this.#replacement(name);
    let shown = modifier ?? '\uFFFD';
    if (modifier === ':') {
      modifier = this.#chars[this.#at++];
      shown += modifier ?? '\uFFFD';
    }
    if (modifier === undefined || !'+-?#%'.includes(modifier)) {
      if (shown.startsWith(':')) this.#within('}', rawEscapes);
      throw invalid(`unsupported modifier (${shown}) in substitution`);
    }
    return this.#modified(name, shown, modifier);
  }

  #modified(name: string, shown: string, modifier: string): string {
    const word = this.#within('}', modifier === '#' || modifier === '%');
    const value = this.#value(name);
    if (value === undefined && this.#options.keepUnset === true) return `\${${name}${shown}${word}}`;
    const missing = value === undefined || (shown.startsWith(':') && value === '');
    switch (modifier) {
      case '-':
        return missing ? word : value;
      case '+':
        return missing ? '' : word;
      case '?':
        if (!missing) return value;
        throw invalid(`${name}: ${word === '' ? `is not allowed to be ${value === undefined ? 'unset' : 'empty'}` : word}`);
      default: {
        const longest = word.startsWith(modifier);
        const pattern = longest ? word.slice(1) : word;
        return modifier === '%' ? trimSuffix(value ?? '', pattern, longest) : trimPrefix(value ?? '', pattern, longest);
      }
    }
  }

  #replacement(name: string): string {
    const all = this.#chars[this.#at] === '/';
    if (all) this.#at++;
    const pattern = this.#within('/', true);
    const replacement = this.#within('}', true);
    const value = this.#value(name);
    if (value === undefined && this.#options.keepUnset === true) return `\${${name}/${pattern}/${replacement}}`;
    return this.#counted(replace(value ?? '', pattern, replacement, all));
  }

  #within(stop: string, rawEscapes: boolean): string {
    try {
      return this.until(stop, rawEscapes).text;
    } catch (error) {
      if (this.#chars[this.#at] !== undefined || this.#depth > DEEPEST) throw error;
      throw invalid(stop === '/' ? "syntax error: missing '/' in ${}" : "syntax error: missing '}'");
    }
  }

  /** A name, a run of digits or one of the shell's special parameters; empty when none follows. */
  #name(): string {
    const rest = this.#chars[this.#at] ?? '';
    if (/[@*#?\-$!]/.test(rest)) {
      this.#at++;
      return rest;
    }
    const pattern = /\p{Nd}/u.test(rest) ? /\p{Nd}/u : /[\p{L}\p{Nd}_]/u;
    let name = '';
    for (let char = rest; char !== '' && pattern.test(char); char = this.#chars[this.#at] ?? '') {
      name += char;
      this.#at++;
    }
    return name;
  }

  #value(name: string): string | undefined {
    const value = this.#env.get(name);
    (value === undefined ? this.unmatched : this.matched).add(name);
    return value === undefined ? undefined : this.#counted(value);
  }

  #counted(value: string): string {
    this.#size += value.length;
    if (this.#size > LONGEST) throw invalid('the expanded text is longer than 1 MiB');
    return value;
  }
}
