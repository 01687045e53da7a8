import { invalid } from '#base/errors.ts';
import { OPTIONS, type Option, type OptionKey, type Settings } from './options.ts';
import { valueFromFlag } from './option-values.ts';

export interface CommandLine {
  settings: Settings;
  /** `--config-file`. */
  configFile: string | undefined;
  /** `--allow-insecure-tcp`: the second word that a TCP socket without TLS needs. */
  allowInsecureTcp: boolean;
  /** `--validate`: check the configuration and end. */
  validate: boolean;
}

interface FlagTarget {
  key: OptionKey | 'config-file' | 'allow-insecure-tcp' | 'validate';
  boolean: boolean;
}

const flags = new Map<string, FlagTarget>([
  ['--config-file', { key: 'config-file', boolean: false }],
  ['--allow-insecure-tcp', { key: 'allow-insecure-tcp', boolean: true }],
  ['--validate', { key: 'validate', boolean: true }],
]);
for (const [key, option] of Object.entries(OPTIONS) as [OptionKey, Option][]) {
  const target = { key, boolean: option.kind === 'boolean' };
  if (option.flag !== undefined) flags.set(`--${option.flag}`, target);
  if (option.short !== undefined) flags.set(`-${option.short}`, target);
}

/** Reads the engine's own arguments: `--flag value`, `--flag=value`, `-H value`, `-H=value`; booleans need no value. */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const texts = new Map<FlagTarget['key'], string[]>();
  const queue = [...args];
  for (let word = queue.shift(); word !== undefined; word = queue.shift()) {
    const at = word.startsWith('-') ? word.indexOf('=') : -1;
    const name = at < 0 ? word : word.slice(0, at);
    const target = flags.get(name);
    if (target === undefined) throw invalid(name.startsWith('-') ? `unknown flag: ${name}` : `unexpected argument: ${name}`);
    const value = at >= 0 ? word.slice(at + 1) : target.boolean ? 'true' : queue.shift();
    if (value === undefined) throw invalid(`flag needs an argument: ${name}`);
    texts.set(target.key, [...(texts.get(target.key) ?? []), value]);
  }
  const settings: Record<string, unknown> = {};
  const switches = { 'allow-insecure-tcp': false, validate: false };
  let configFile: string | undefined;
  for (const [key, values] of texts) {
    if (key === 'config-file') configFile = values.at(-1);
    else if (key === 'allow-insecure-tcp' || key === 'validate') switches[key] = values.at(-1) === 'true';
    else {
      const option: Option = OPTIONS[key];
      settings[key] = valueFromFlag(option, values, `--${option.flag ?? key}`);
    }
  }
  return { settings, configFile, allowInsecureTcp: switches['allow-insecure-tcp'], validate: switches.validate };
}
