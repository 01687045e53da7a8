import { defineCommand } from '../command/command.ts';
import * as flag from '../command/flag.ts';
import { apiTimestamp } from '../command/timestamps.ts';

export const command = defineCommand({
  usage: '[OPTIONS] CONTAINER',
  short: 'Show the output of a container',
  flags: {
    details: flag.bool('Show the extra details of each line'),
    follow: flag.bool('Go on showing what comes', { short: 'f' }),
    since: flag.text('Start at this time (2026-01-02T13:23:37Z) or this long ago (42m)'),
    tail: flag.text('How many lines from the end', { short: 'n', default: 'all' }),
    timestamps: flag.bool('Show the time of each line', { short: 't' }),
    until: flag.text('End at this time or this long ago'),
  },
  args: { min: 1, max: 1 },
  complete: ['container'],
  async run({ cli, flags, args: [name = ''] }) {
    const now = Date.now();
    const time = (option: 'since' | 'until'): string => {
      try {
        return apiTimestamp(flags[option], now);
      } catch (error) {
        throw new Error(`invalid value for "${option}": ${error instanceof Error ? error.message : String(error)}`, { cause: error });
      }
    };
    const client = await cli.client();
    const { output } = await client.containers.logs(name, {
      stdout: true,
      stderr: true,
      follow: flags.follow,
      timestamps: flags.timestamps,
      details: flags.details,
      tail: flags.tail,
      ...(flags.since === '' ? {} : { since: time('since') }),
      ...(flags.until === '' ? {} : { until: time('until') }),
    });
    for await (const { stream, data } of output) (stream === 'stderr' ? cli.err : cli.out).write(data);
  },
});
