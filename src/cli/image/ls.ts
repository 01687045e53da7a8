import { CliError, defineCommand } from '../command/command.ts';
import * as flag from '../command/flag.ts';
import { formatList } from '../format/list.ts';
import { imageFormat, imageRows } from './row.ts';

export const command = defineCommand({
  usage: '[OPTIONS] [REPOSITORY[:TAG]]',
  short: 'List images',
  flags: {
    all: flag.bool('Show intermediate images, too', { short: 'a' }),
    digests: flag.bool('Show digests'),
    filter: flag.filters('Show only what matches (dangling=true, label=..., before=..., reference=...)', { short: 'f' }),
    format: flag.text('How to show it: table, json, a Go template, or "table TEMPLATE"'),
    'no-trunc': flag.bool('Do not shorten anything'),
    quiet: flag.bool('Show ids only', { short: 'q' }),
    tree: flag.bool('Show the platforms of each image'),
  },
  args: { min: 0, max: 1 },
  complete: ['image'],
  async run({ cli, flags, args: [wanted] }) {
    const format = flags.format || (flags.quiet ? '' : (cli.config.imagesFormat ?? ''));
    const filters = wanted === undefined ? flags.filter : { ...flags.filter, reference: [...(flags.filter['reference'] ?? []), wanted] };
    if (flags.tree) {
      for (const [name, chosen] of Object.entries({ quiet: flags.quiet, 'no-trunc': flags['no-trunc'], 'show-digest': flags.digests, format: flags.format !== '' })) {
        if (chosen) throw new CliError(`--${name} is not yet supported with --tree`);
      }
      const { showTree } = await import('./tree.ts');
      return showTree(cli, { all: flags.all, filters });
    }
    const images = await (await cli.client()).images.list({ all: flags.all, filters });
    const wantsDigest = flags.digests || format.includes('{{.Digest}}');
    const rows = images.flatMap((image) => imageRows(image, { trunc: !flags['no-trunc'], digests: flags.digests, wantsDigest }));
    cli.out.write(formatList(imageFormat({ format, quiet: flags.quiet, digests: flags.digests }), rows));
  },
});
