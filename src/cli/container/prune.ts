import { defineCommand } from '../command/command.ts';
import { confirmOrStop } from '../command/confirm.ts';
import * as flag from '../command/flag.ts';
import { humanSize } from '../format/units.ts';

export const command = defineCommand({
  usage: '[OPTIONS]',
  short: 'Remove all containers that do not run',
  flags: {
    filter: flag.filters('Remove only what matches (until=24h, label=...)'),
    force: flag.bool('Do not ask', { short: 'f' }),
  },
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    if (!flags.force) confirmOrStop(cli, 'WARNING! This will remove all stopped containers.');
    const { ContainersDeleted, SpaceReclaimed } = await (await cli.client()).containers.prune(flags.filter);
    if ((ContainersDeleted ?? []).length > 0) cli.out.write(`Deleted Containers:\n${(ContainersDeleted ?? []).map((id) => `${id}\n`).join('')}\n`);
    cli.out.line(`Total reclaimed space: ${humanSize(SpaceReclaimed)}`);
  },
});
