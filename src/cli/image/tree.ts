import type { ImageSummary } from '#spec/wire/image.ts';
import type { Cli } from '../command/cli.ts';
import { humanSize, shortId } from '../format/units.ts';
import { isDangling } from './row.ts';

interface Line {
  name: string;
  cells: { id: string; disk: string; content: string };
  used: boolean;
  /** Its content is here. */
  available: boolean;
}

interface Block {
  /** All names but the last, each on a line of its own. */
  names: string[];
  top: Line;
  platforms: Line[];
}

type Paint = (text: string, ...codes: string[]) => string;

const colour = { heading: ['39', '1'], name: ['34', '1'], plain: ['39'], missing: ['39', '2'], used: ['38;5;0', '48;5;14'], warning: ['93'] } as const;
const SPACE = 3;
const widths = { id: 12, disk: 10, content: 12, extra: 5 } as const;

/** `images --tree`: each image with its platforms below it, as docker 28 draws it. */
export async function showTree(cli: Cli, options: { all: boolean; filters: Readonly<Record<string, readonly string[]>> }): Promise<void> {
  const images = await (await cli.client()).images.list({ ...options, manifests: true });
  const blocks = images.filter((image) => options.all || !isDangling(image)).map(blockOf);
  const { terminal } = cli.out;
  const paint: Paint = (text, ...codes) => (terminal ? painted(text, ...codes) : text);
  const width = cli.out.size?.width ?? 80;
  cli.out.line(paint("WARNING: This is an experimental feature. The output may change and shouldn't be depended on.", ...colour.warning));
  const legend = terminal ? `\x1b[1m\x1b[106m\x1b[30mi\x1b[0m\x1b[0m \x1b[96mInfo → \x1b[0m\x1b[0m ${painted(' U ', ...colour.used)} In Use ` : 'Info ->  U In Use ';
  cli.out.line(`${' '.repeat(Math.max(0, width - (terminal ? 21 : 18)))}${legend}\n`);

  const wanted = Math.max(5, ...blocks.flatMap(({ names, top, platforms }) => [...names.map((name) => name.length), top.name.length, ...platforms.map(({ name }) => name.length + 4)]));
  const room = width - (widths.id + widths.disk + widths.content + widths.extra + 4 * SPACE);
  const nameWidth = Math.max(5, Math.min(wanted, room));
  cli.out.line(
    [pad('IMAGE', nameWidth), pad('ID', widths.id), 'DISK USAGE', 'CONTENT SIZE', 'EXTRA']
      .map((text) => text.replace(/^\S+(?: \S+)?/, (word) => painted(word, ...colour.heading)))
      .join(' '.repeat(SPACE)),
  );
  const row = ({ name, cells, used, available }: Line, codes: readonly string[], cellCodes: readonly string[]): string =>
    [
      padded(paint(name, ...(available ? codes : colour.missing)), name, nameWidth),
      padded(paint(cells.id, ...(available ? cellCodes : colour.missing)), cells.id, widths.id),
      ...(['disk', 'content'] as const).map((key) => `${' '.repeat(Math.max(0, widths[key] - cells[key].length))}${paint(cells[key], ...(available ? cellCodes : colour.missing))}`),
      used ? (terminal ? `${painted(' U ', ...colour.used)}  ` : 'U    ') : ' '.repeat(widths.extra),
    ].join(' '.repeat(SPACE));
  for (const { names, top, platforms } of blocks) {
    for (const name of names) cli.out.line(paint(name, ...colour.name));
    cli.out.line(row(top, colour.name, colour.plain));
    for (const platform of platforms) cli.out.line(row(platform, colour.plain, colour.plain));
    cli.out.line('');
  }
}

const painted: Paint = (text, ...codes) => `${codes.map((code) => `\x1b[${code}m`).join('')}${text}\x1b[0m`;
const pad = (text: string, width: number): string => text.padEnd(width);
const padded = (shown: string, text: string, width: number): string => `${shown}${' '.repeat(Math.max(0, width - text.length))}`;

function blockOf(image: ImageSummary): Block {
  const manifests = (image.Manifests ?? []).filter((manifest) => manifest.Kind === 'image');
  const names = isDangling(image) ? ['<untagged>'] : image.RepoTags.toSorted((a, b) => b.length - a.length);
  const last = manifests.length - 1;
  return {
    names: names.slice(0, -1),
    top: {
      name: names.at(-1) ?? '<untagged>',
      cells: { id: shortId(image.Id), disk: humanSize(image.Size, 3), content: humanSize(manifests.reduce((sum, { Size }) => sum + Size.Content, 0), 3) },
      used: (image.Containers ?? 0) > 0 || manifests.some(({ ImageData }) => (ImageData?.Containers ?? []).length > 0),
      available: true,
    },
    platforms: manifests.map(({ ID, Size, ImageData, Available }, at) => {
      const { os = '', architecture = '', variant } = ImageData?.Platform ?? {};
      return {
        name: `${at === last ? '└─' : '├─'} ${[os, architecture, variant].filter(Boolean).join('/')}`,
        cells: { id: shortId(ID), disk: humanSize(Size.Total, 3), content: humanSize(Size.Content, 3) },
        used: (ImageData?.Containers ?? []).length > 0,
        available: Available,
      };
    }),
  };
}
