import { defineCommand } from '../command/command.ts';
import * as flag from '../command/flag.ts';
import { formatList } from '../format/list.ts';
import { ago, ellipsis, humanSize, localRfc3339, shortId } from '../format/units.ts';
import { platformJson } from '../inspect/of-kind.ts';
import { Row } from '../template/value.ts';

export const command = defineCommand({
  usage: '[OPTIONS] IMAGE',
  short: 'Show the layers of an image and what made them',
  flags: {
    format: flag.text('How to show it: table, json, a Go template, or "table TEMPLATE"'),
    human: flag.bool('Show sizes and times for people', { short: 'H', default: true }),
    'no-trunc': flag.bool('Do not shorten anything'),
    platform: flag.text('Show this platform of the image, for example linux/arm64'),
    quiet: flag.bool('Show ids only', { short: 'q' }),
  },
  args: { min: 1, max: 1 },
  complete: ['image'],
  async run({ cli, flags, args: [name = ''] }) {
    const layers = await (await cli.client()).images.history(name, { platform: platformJson(flags.platform, 'invalid platform: ') });
    const trunc = !flags['no-trunc'];
    const rows = layers.map((layer) => {
      const createdAt = (): string => (layer.Created <= -62135596800 ? '' : localRfc3339(new Date(layer.Created * 1000)));
      return new Row('*formatter.historyContext', {
        ID: () => (trunc ? shortId(layer.Id) : layer.Id),
        CreatedAt: createdAt,
        CreatedSince: () => (layer.Created <= 0 ? 'N/A' : flags.human ? ago(layer.Created) : createdAt()),
        CreatedBy: () => {
          const by = layer.CreatedBy.replaceAll('\t', ' ');
          return trunc ? ellipsis(by, 45) : by;
        },
        Size: () => (flags.human ? humanSize(layer.Size, 3) : String(layer.Size)),
        Comment: () => layer.Comment,
      });
    });
    cli.out.write(
      formatList(
        {
          format: flags.format,
          table: flags.human
            ? '{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}'
            : '{{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}',
          quiet: flags.quiet ? '{{.ID}}' : undefined,
          headers: { ID: 'IMAGE', CreatedSince: 'CREATED', CreatedAt: 'CREATED AT', CreatedBy: 'CREATED BY', Size: 'SIZE', Comment: 'COMMENT' },
        },
        rows,
      ),
    );
  },
});
