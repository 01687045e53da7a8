import type { Flag, FlagTable } from './flag.ts';
import { parseBool } from './values.ts';

export interface Parsed {
  values: Record<string, unknown>;
  given: Set<string>;
  args: string[];
  help: boolean;
  /** `-h` was used for help, which Docker calls deprecated. */
  shortHelp: boolean;
}

/** A flag that pflag would refuse; the message is pflag's. */
export class FlagError extends Error {
  override readonly name = 'FlagError';
}

type AnyFlag = Flag<unknown>;

function helpValue(text: string): boolean {
  try {
    return parseBool(text);
  } catch (error) {
    throw new FlagError(`invalid argument ${JSON.stringify(text)} for "--help" flag: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/**
 * Parses `argv` against `table` with pflag's rules: `--name value`, `--name=value`, `-nvalue`, `-n=value`, joined
 * switches `-itd`, `--` ends the flags. With `stopAtFirstArg` so does the first positional argument.
 */
export function parseFlags(table: FlagTable, argv: readonly string[], options: { stopAtFirstArg: boolean }): Parsed {
  const flags = table as Readonly<Record<string, AnyFlag>>;
  const parsed: Parsed = { values: {}, given: new Set(), args: [], help: false, shortHelp: false };
  for (const [name, flag] of Object.entries(flags)) parsed.values[name] = flag.initial;
  const byShort = new Map(Object.entries(flags).flatMap(([name, flag]) => (flag.short === undefined ? [] : [[flag.short, name] as const])));

  const set = (name: string, value: string): void => {
    const flag = flags[name];
    if (!flag) return;
    try {
      parsed.values[name] = flag.parse(value, parsed.values[name], !parsed.given.has(name));
    } catch (error) {
      const shown = flag.short === undefined ? `--${name}` : `-${flag.short}, --${name}`;
      throw new FlagError(`invalid argument ${JSON.stringify(value)} for "${shown}" flag: ${error instanceof Error ? error.message : String(error)}`);
    }
    parsed.given.add(name);
  };

  let at = 0;
  const long = (word: string): void => {
    const cut = word.indexOf('=');
    const name = cut < 0 ? word : word.slice(0, cut);
    if (name === '' || name.startsWith('-')) throw new FlagError(`bad flag syntax: --${word}`);
    const flag = Object.hasOwn(flags, name) ? flags[name] : undefined;
    if (!flag) {
      if (name === 'help') parsed.help = cut < 0 || helpValue(word.slice(cut + 1));
      else throw new FlagError(`unknown flag: --${name}`);
    } else if (cut >= 0) set(name, word.slice(cut + 1));
    else if (flag.alone !== undefined) set(name, flag.alone);
    else {
      const next = argv[at];
      if (next === undefined) throw new FlagError(`flag needs an argument: --${name}`);
      at++;
      set(name, next);
    }
  };
  const short = (word: string): void => {
    for (let index = 0; index < word.length; index++) {
      const letter = word[index] ?? '';
      const name = byShort.get(letter);
      const flag = name === undefined ? undefined : flags[name];
      if (name === undefined || !flag) {
        if (letter !== 'h') throw new FlagError(`unknown shorthand flag: '${letter}' in -${word.slice(index)}`);
        parsed.help = true;
        parsed.shortHelp = true;
        return;
      }
      const rest = word.slice(index + 1);
      if (rest.startsWith('=')) return set(name, rest.slice(1));
      if (flag.alone !== undefined) {
        set(name, flag.alone);
        continue;
      }
      if (rest !== '') return set(name, rest);
      const next = argv[at];
      if (next === undefined) throw new FlagError(`flag needs an argument: '${letter}' in -${word.slice(index)}`);
      at++;
      return set(name, next);
    }
  };

  while (at < argv.length) {
    const word = argv[at] ?? '';
    at++;
    if (word === '--') {
      parsed.args.push(...argv.slice(at));
      break;
    }
    if (word.startsWith('--')) long(word.slice(2));
    else if (word.startsWith('-') && word !== '-') short(word.slice(1));
    else {
      parsed.args.push(word);
      if (options.stopAtFirstArg) {
        parsed.args.push(...argv.slice(at));
        break;
      }
    }
    if (parsed.help) break;
  }
  return parsed;
}
