import { CliError, defineCommand } from '../command/command.ts';
import * as flag from '../command/flag.ts';
import { formatList } from '../format/list.ts';
import { Row } from '../template/value.ts';

const kinds = ['C', 'A', 'D'];

export const command = defineCommand({
  usage: 'CONTAINER',
  short: 'Show which files a container changed',
  flags: { format: flag.text('How to show it', { hidden: true }) },
  args: { min: 1, max: 1 },
  complete: ['container'],
  async run({ cli, flags, args: [name = ''] }) {
    if (name === '') throw new CliError('Container name cannot be empty');
    const changes = await (await cli.client()).containers.changes(name);
    const rows = changes.map((change) => new Row('*container.diffContext', { Type: () => kinds[change.Kind] ?? '', Path: () => change.Path }));
    const format = flags.format === '' ? '{{.Type}} {{.Path}}' : flags.format;
    cli.out.write(formatList({ format, table: '{{.Type}}\t{{.Path}}', headers: { Type: 'CHANGE TYPE', Path: 'PATH' } }, rows));
  },
});
