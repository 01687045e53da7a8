import { defineCommand } from '../command/command.ts';
import * as flag from '../command/flag.ts';
import { compileList, formatList, runTemplate } from '../format/list.ts';
import { containerRow, containerFormat } from './row.ts';

export const command = defineCommand({
  usage: '[OPTIONS]',
  short: 'List containers',
  flags: {
    all: flag.bool('Show those that do not run, too', { short: 'a' }),
    filter: flag.filters('Show only what matches (status=exited, name=..., label=..., ...)', { short: 'f' }),
    format: flag.text('How to show it: table, json, a Go template, or "table TEMPLATE"'),
    last: flag.int('Show the last n made, whatever their state', { short: 'n', default: -1 }),
    latest: flag.bool('Show the last one made, whatever its state', { short: 'l' }),
    'no-trunc': flag.bool('Do not shorten anything'),
    quiet: flag.bool('Show ids only', { short: 'q' }),
    size: flag.bool('Show sizes', { short: 's' }),
  },
  args: { min: 0, max: 0 },
  async run({ cli, flags, given }) {
    const format = flags.format || (flags.quiet ? '' : (cli.config.psFormat ?? ''));
    const list = containerFormat({ format, quiet: flags.quiet, size: flags.size });
    const limit = flags.latest && flags.last === -1 ? 1 : flags.last;
    let size = flags.size;
    if (!size && format !== '' && format !== 'json' && !given.has('size')) {
      // A template that shows the size asks for it.
      const { template } = compileList(list);
      const probe = containerRow({}, { trunc: true });
      runTemplate(template, probe.row);
      size = probe.usedSize();
    }
    const client = await cli.client();
    const containers = await client.containers.list({
      all: flags.all,
      ...(limit > 0 ? { limit } : {}),
      size,
      filters: flags.filter,
    });
    cli.out.write(formatList(list, containers.map((container) => containerRow(container, { trunc: !flags['no-trunc'] }).row)));
  },
});
