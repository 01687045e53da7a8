import { invalid } from '#base/errors.ts';
import { parseGoDuration } from './duration.ts';
import { readFlags } from './flags.ts';
import type { Health } from './instruction.ts';

const options = { interval: 'text', timeout: 'text', 'start-period': 'text', 'start-interval': 'text', retries: 'text' } as const;

/** `args` begins with the type: `NONE` or `CMD`. */
export function readHealthcheck(args: readonly string[], json: boolean, given: readonly string[]): Health {
  const type = args[0]?.toUpperCase() ?? '';
  const command = args.slice(1);
  const none: Health = { Test: ['NONE'], Interval: 0, Timeout: 0, StartPeriod: 0, StartInterval: 0, Retries: 0 };
  if (type === 'NONE') {
    if (command.length > 0) throw invalid('HEALTHCHECK NONE takes no arguments');
    return none;
  }
  const flags = readFlags(given, options);
  if (type !== 'CMD') throw invalid(`Unknown type ${JSON.stringify(type)} in HEALTHCHECK (try CMD)`);
  if (command.length === 0) throw invalid('Missing command after HEALTHCHECK CMD');
  const duration = (name: string): number => {
    const text = flags.text(name) ?? '';
    const value = text === '' ? 0 : parseGoDuration(text);
    if (value !== 0 && value < 1e6) throw invalid(`Interval ${JSON.stringify(name)} cannot be less than 1ms`);
    return value;
  };
  return {
    Test: [json ? 'CMD' : 'CMD-SHELL', ...command],
    Interval: duration('interval'),
    Timeout: duration('timeout'),
    StartPeriod: duration('start-period'),
    StartInterval: duration('start-interval'),
    Retries: retries(flags.text('retries') ?? ''),
  };
}

function retries(text: string): number {
  if (text === '') return 0;
  if (!/^[+-]?\d+$/.test(text)) throw invalid(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  const value = Number(text);
  if (Math.abs(value) > 2_147_483_647) throw invalid(`strconv.ParseInt: parsing ${JSON.stringify(text)}: value out of range`);
  if (value < 0) throw invalid(`--retries cannot be negative (${value})`);
  return value;
}
