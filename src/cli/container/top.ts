import { defineCommand } from '../command/command.ts';
import { alignTabs } from '../format/tabwriter.ts';

export const command = defineCommand({
  usage: 'CONTAINER [ps OPTIONS]',
  short: 'Show the processes of a container',
  flags: {},
  args: { min: 1, max: undefined },
  stopAtFirstArg: true,
  complete: ['running', 'none'],
  async run({ cli, args: [name = '', ...words] }) {
    const client = await cli.client();
    const { Titles = [], Processes = [] } = await client.containers.top(name, words.length > 0 ? words.join(' ') : undefined);
    cli.out.write(alignTabs([Titles, ...(Processes ?? [])].map((cells) => `${cells.join('\t')}\n`).join(''), 20));
  },
});
