import { EngineError } from '#base/errors.ts';
import { CliError, defineCommand, type Command } from '../command/command.ts';
import { confirmOrStop } from '../command/confirm.ts';
import { errorText } from '../command/error-text.ts';
import * as flag from '../command/flag.ts';
import { humanSize } from '../format/units.ts';
import { platformJson } from '../inspect/of-kind.ts';
import { requireReference } from './reference.ts';

export const tag: Command = defineCommand({
  usage: 'SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]',
  short: 'Give an image another name',
  flags: {},
  args: { min: 2, max: 2 },
  complete: ['image', 'image'],
  async run({ cli, args: [source = '', target = ''] }) {
    let parts;
    try {
      parts = requireReference(target);
    } catch (error) {
      throw new CliError(`Error parsing reference: ${JSON.stringify(target)} is not a valid repository/tag: ${errorText(error)}`);
    }
    if (parts.digest !== undefined) throw new CliError('refusing to create a tag with a digest reference');
    await (await cli.client()).images.tag(source, { repo: parts.name, tag: parts.tag ?? 'latest' });
  },
});

export const remove: Command = defineCommand({
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  short: 'Remove images',
  flags: {
    force: flag.bool('Remove also what is in use by stopped containers or has several names', { short: 'f' }),
    'no-prune': flag.bool('Keep parents that lose their last name'),
    platform: flag.csv('Remove only this platform, for example linux/arm64'),
  },
  args: { min: 1, max: undefined },
  complete: ['image'],
  async run({ cli, flags, args }) {
    const client = await cli.client();
    const failures: string[] = [];
    let fatal = false;
    for (const name of args) {
      try {
        const removed = await client.transport
          .send({
            method: 'DELETE',
            path: `/images/${encodeURIComponent(name).replaceAll('%2F', '/').replaceAll('%3A', ':')}`,
            query: { force: flags.force || undefined, noprune: flags['no-prune'] || undefined, platforms: flags.platform.flatMap((item) => platformJson(item) ?? []) },
          })
          .then((response) => response.json<{ Untagged?: string; Deleted?: string }[]>());
        for (const item of removed) cli.out.line(item.Deleted !== undefined ? `Deleted: ${item.Deleted}` : `Untagged: ${item.Untagged ?? ''}`);
      } catch (error) {
        fatal ||= !(flags.force && error instanceof EngineError && error.code === 'not_found');
        failures.push(errorText(error));
      }
    }
    if (failures.length === 0) return;
    if (fatal) throw new CliError(failures.join('\n'));
    cli.err.line(failures.join('\n'));
  },
});

export const prune: Command = defineCommand({
  usage: '[OPTIONS]',
  short: 'Remove images that nothing uses',
  flags: {
    all: flag.bool('Remove also images that have a name', { short: 'a' }),
    filter: flag.filters('Remove only what matches (until=24h, label=...)'),
    force: flag.bool('Do not ask', { short: 'f' }),
  },
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    if (!flags.force) {
      confirmOrStop(cli, flags.all
        ? 'WARNING! This will remove all images without at least one container associated to them.'
        : 'WARNING! This will remove all dangling images.');
    }
    const report = await (await cli.client()).images.prune({ ...flags.filter, dangling: [flags.all ? 'false' : 'true'] });
    const deleted = report.ImagesDeleted ?? [];
    if (deleted.length > 0) {
      const lines = deleted.map((item) => (item.Untagged ? `untagged: ${item.Untagged}\n` : `deleted: ${item.Deleted ?? ''}\n`));
      cli.out.write(`Deleted Images:\n${lines.join('')}\n`);
    }
    cli.out.line(`Total reclaimed space: ${humanSize(report.SpaceReclaimed)}`);
  },
});
