import { defineCommand } from '../command/command.ts';
import * as flag from '../command/flag.ts';
import { requireReference } from '../image/reference.ts';

export const command = defineCommand({
  usage: '[OPTIONS] CONTAINER [REPOSITORY[:TAG]]',
  short: 'Make an image of a container as it is now',
  flags: {
    author: flag.text('Author of the image', { short: 'a' }),
    change: flag.list('Apply a Dockerfile instruction to the image', { short: 'c' }),
    message: flag.text('Message of the commit', { short: 'm' }),
    pause: flag.bool('Freeze the container meanwhile', { short: 'p', default: true }),
  },
  args: { min: 1, max: 2 },
  complete: ['container', 'image'],
  async run({ cli, flags, args: [name = '', reference] }) {
    const parts = reference === undefined ? undefined : requireReference(reference);
    const { Id } = await (await cli.client()).containers.commit(name, {
      ...(parts ? { repo: parts.name, tag: parts.tag ?? 'latest' } : {}),
      comment: flags.message,
      author: flags.author,
      pause: flags.pause,
      changes: flags.change,
      ...(/^\d{1,12}$/.test(process.env['SOURCE_DATE_EPOCH'] ?? '') ? { epoch: Number(process.env['SOURCE_DATE_EPOCH']) } : {}),
    });
    cli.out.line(Id);
  },
});
