import { OPTIONS, type Option } from '#spec/daemon/options.ts';
import * as flag from '../command/flag.ts';

/** The engine's options as flags of the CLI, passed on as they are: the engine itself checks them. */
export const engineFlags: flag.FlagTable = {
  'allow-insecure-tcp': flag.bool('Allow a tcp:// host without client certificates'),
  'config-file': flag.text('Configuration file of the engine', { complete: 'file' }),
  ...Object.fromEntries(
    Object.entries<Option>(OPTIONS).flatMap(([key, option]) => {
      if (option.flag === undefined) return [];
      const help = option.fate.fate === 'honoured' ? `Engine option ${key}` : `Engine option ${key} (${option.fate.why})`;
      const extra = { ...(option.short === undefined ? {} : { short: option.short }), hidden: option.fate.fate !== 'honoured' };
      return [[option.flag, option.kind === 'boolean' ? flag.bool(help, extra) : flag.list(help, extra)]];
    }),
  ),
};

/** The given flags as arguments for the engine. */
export function engineArguments(flags: Readonly<Record<string, unknown>>, given: ReadonlySet<string>): string[] {
  return Object.keys(engineFlags).flatMap((name) => {
    if (!given.has(name)) return [];
    const value = flags[name];
    return Array.isArray(value) ? value.map((item) => `--${name}=${String(item)}`) : [`--${name}=${String(value)}`];
  });
}
