import { invalid } from '#base/errors.ts';
import type { BuildWarning, LineRange } from '../../frontend.ts';
import { rules } from './rules.ts';
import type { RuleName } from './rules.ts';

interface CheckOptions {
  readonly skip: ReadonlySet<string>;
  readonly skipAll: boolean;
  readonly error: boolean;
  readonly experimental: ReadonlySet<string>;
  readonly experimentalAll: boolean;
}

/** Collects findings as `# check=skip=...;error=true;experimental=...` asks. */
export class Linter {
  readonly warnings: BuildWarning[] = [];
  readonly #options: CheckOptions;
  readonly #warn: (warning: BuildWarning) => void;
  readonly #seen = new Set<string>();

  /** Throws invalid_argument for options that do not parse. */
  constructor(directive: string, warn: (warning: BuildWarning) => void) {
    this.#options = parseCheckOptions(directive);
    this.#warn = warn;
  }

  report<R extends RuleName>(name: R, range: LineRange, ...facts: Parameters<(typeof rules)[R]['detail']>): void {
    const rule = rules[name];
    const { skip, skipAll, experimental, experimentalAll } = this.#options;
    if ('experimental' in rule ? !(experimentalAll || experimental.has(name)) : skipAll || skip.has(name)) return;
    const detail = (rule.detail as (...facts: readonly string[]) => string)(...facts);
    const key = `${name} ${range.start} ${detail}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    const warning: BuildWarning = { rule: name, description: rule.description, url: rule.slug === undefined ? '' : `https://docs.docker.com/go/dockerfile/rule/${rule.slug}/`, detail, ranges: [range] };
    this.warnings.push(warning);
    this.#warn(warning);
  }

  /** Throws when there were findings and `error=true` makes them fail the build. */
  conclude(): void {
    if (!this.#options.error || this.warnings.length === 0) return;
    const names = [...new Set(this.warnings.map(({ rule }) => rule))];
    throw invalid(`lint violation found for rules: ${names.join(', ')}`);
  }
}

function parseCheckOptions(directive: string): CheckOptions {
  const text = directive.trim();
  const skip = new Set<string>();
  const experimental = new Set<string>();
  const options = { skip, experimental, skipAll: false, experimentalAll: false, error: false };
  if (text === '') return options;
  for (const part of text.split(';', 3)) {
    const equals = part.indexOf('=');
    if (equals < 0) throw invalid(`failed to parse check options: invalid check option ${JSON.stringify(part)}`);
    const key = part.slice(0, equals).trim();
    const value = part.slice(equals + 1).trim();
    if (key === 'skip' || key === 'experimental') {
      if (value === 'all') options[key === 'skip' ? 'skipAll' : 'experimentalAll'] = true;
      else for (const rule of value.split(',')) options[key].add(rule.trim());
    } else if (key === 'error') options.error = parseBool(part, value);
    else throw invalid(`failed to parse check options: invalid check option ${JSON.stringify(key)}`);
  }
  return options;
}

function parseBool(part: string, value: string): boolean {
  if (/^(?:1|t|T|TRUE|true|True)$/.test(value)) return true;
  if (/^(?:0|f|F|FALSE|false|False)$/.test(value)) return false;
  throw invalid(`failed to parse check options: failed to parse check option ${JSON.stringify(part)}: strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`);
}
