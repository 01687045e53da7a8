import type { Cli } from '../command/cli.ts';
import { humanSize, shortId } from '../format/units.ts';
import { isDangling } from './row.ts';

interface Line {
  name: string;
  id: string;
  disk: string;
  content: string;
  used: string;
}

/** `images --tree`: each image with its platforms below it. */
export async function showTree(cli: Cli, options: { all: boolean; filters: Readonly<Record<string, readonly string[]>> }): Promise<void> {
  const images = await (await cli.client()).images.list({ ...options, manifests: true });
  const lines: Line[] = [{ name: 'IMAGE', id: 'ID', disk: 'DISK USAGE', content: 'CONTENT SIZE', used: 'EXTRA' }];
  for (const image of images) {
    const manifests = (image.Manifests ?? []).filter((manifest) => manifest.Kind === 'image');
    const content = manifests.reduce((sum, manifest) => sum + manifest.Size.Content, 0);
    const name = isDangling(image) ? '<untagged>' : image.RepoTags.join('\n');
    lines.push({ name, id: shortId(image.Id), disk: humanSize(image.Size, 3), content: humanSize(content || image.Size, 3), used: (image.Containers ?? 0) > 0 ? 'U' : '' });
    for (const [at, manifest] of manifests.entries()) {
      const { os = '', architecture = '', variant } = manifest.ImageData?.Platform ?? {};
      lines.push({
        name: `${at === manifests.length - 1 ? '└─' : '├─'} ${[os, architecture, variant].filter(Boolean).join('/')}`,
        id: shortId(manifest.ID),
        disk: humanSize(manifest.Size.Total, 3),
        content: humanSize(manifest.Size.Content, 3),
        used: (manifest.ImageData?.Containers ?? []).length > 0 ? 'U' : '',
      });
    }
  }
  const wide = (key: keyof Line): number => Math.max(...lines.flatMap((line) => line[key].split('\n').map((part) => part.length)));
  const widths = { name: wide('name'), id: wide('id'), disk: wide('disk'), content: wide('content') };
  for (const line of lines) {
    const [last = '', ...before] = line.name.split('\n').reverse();
    for (const name of before.reverse()) cli.out.line(name);
    cli.out.line(`${last.padEnd(widths.name)}   ${line.id.padEnd(widths.id)}   ${line.disk.padStart(widths.disk)}   ${line.content.padStart(widths.content)}   ${line.used}`.trimEnd());
  }
}
