import { defineCommand } from '../command/command.ts';
import * as flag from '../command/flag.ts';
import { saveStream } from '../command/save-stream.ts';

export const command = defineCommand({
  usage: '[OPTIONS] CONTAINER',
  short: 'Write the file system of a container as a tar archive',
  flags: { output: flag.text('Write to this file instead of the standard output', { short: 'o', complete: 'file' }) },
  args: { min: 1, max: 1 },
  complete: ['container'],
  async run({ cli, flags, args: [name = ''] }) {
    const client = await cli.client();
    await saveStream(cli, flags.output, 'export container', () => client.containers.export(name));
  },
});
