import { defineCommand, type Command } from '../command/command.ts';
import { confirmOrStop } from '../command/confirm.ts';
import * as flag from '../command/flag.ts';
import { formatList } from '../format/list.ts';
import { humanDuration, humanSize } from '../format/units.ts';
import { Row } from '../template/value.ts';

const ago = (text: string | null | undefined): string => (text ? `${humanDuration(Date.now() - Date.parse(text))} ago` : '');

export const prune: Command = defineCommand({
  usage: '',
  short: 'Remove build cache',
  flags: {
    all: flag.bool('Remove what images are made of, too', { short: 'a' }),
    builder: flag.text('Name of the builder', { hidden: true }),
    filter: flag.filters('Only what fits, for example until=24h or type=exec.cachemount'),
    force: flag.bool('Do not ask', { short: 'f' }),
    'keep-storage': flag.bytes('Keep this much'),
    'max-used-space': flag.bytes('Keep no more than this'),
    'min-free-space': flag.bytes('Remove until this much of the disk is free'),
    'reserved-space': flag.bytes('Keep this much, always'),
    verbose: flag.bool('Say more', { hidden: true }),
  },
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const what = flags.all ? 'all build cache' : 'all dangling build cache';
    if (!flags.force) confirmOrStop(cli, `WARNING! This will remove ${what}.`);
    const answer = await (await cli.client()).builds.prune({
      all: flags.all,
      reservedSpace: flags['reserved-space'] || flags['keep-storage'] || undefined,
      maxUsedSpace: flags['max-used-space'] || undefined,
      minFreeSpace: flags['min-free-space'] || undefined,
      filters: flags.filter,
    });
    for (const id of answer.CachesDeleted ?? []) cli.out.line(id);
    cli.out.line(`Total:\t${humanSize(answer.SpaceReclaimed)}`);
  },
});

export const du: Command = defineCommand({
  usage: '',
  short: 'Show how much disk space the build cache uses',
  flags: {
    builder: flag.text('Name of the builder', { hidden: true }),
    filter: flag.filters('Only what fits', { hidden: true }),
    format: flag.text('How to show it: table, json or a Go template'),
    verbose: flag.bool('Say more of each'),
  },
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const records = await (await cli.client()).builds.diskUsage();
    const rows = records.map((record) => new Row('*formatter.diskusageContext', {
      ID: () => `${record.ID ?? ''}${record.InUse === true ? '*' : ''}`,
      Parents: () => (record.Parents ?? []).join(', '),
      Type: () => record.Type ?? '',
      Description: () => record.Description ?? '',
      Reclaimable: () => String(record.InUse !== true),
      Mutable: () => String(record.Type === 'exec.cachemount' || record.Type === 'source.local'),
      Shared: () => String(record.Shared ?? false),
      Size: () => humanSize(record.Size ?? 0),
      CreatedAt: () => record.CreatedAt ?? '',
      LastUsedAt: () => ago(record.LastUsedAt),
      UsageCount: () => String(record.UsageCount ?? 0),
    }));
    const headers = { ID: 'ID', Type: 'TYPE', Description: 'DESCRIPTION', Reclaimable: 'RECLAIMABLE', Mutable: 'MUTABLE', Shared: 'SHARED', Size: 'SIZE', LastUsedAt: 'LAST ACCESSED', CreatedAt: 'CREATED', UsageCount: 'USAGE', Parents: 'PARENTS' };
    const table = flags.verbose ? '{{.ID}}\t{{.Type}}\t{{.Description}}\t{{.Reclaimable}}\t{{.Shared}}\t{{.Size}}\t{{.UsageCount}}\t{{.LastUsedAt}}' : '{{.ID}}\t{{.Reclaimable}}\t{{.Size}}\t{{.LastUsedAt}}';
    cli.out.write(formatList({ format: flags.format, table, headers }, rows));
    if (flags.format !== '') return;
    const sum = (wanted: (record: (typeof records)[number]) => boolean): number => records.filter(wanted).reduce((total, record) => total + (record.Size ?? 0), 0);
    const lines = { Shared: sum(({ Shared }) => Shared === true), Private: sum(({ Shared }) => Shared !== true), Reclaimable: sum(({ InUse }) => InUse !== true), Total: sum(() => true) };
    for (const [name, size] of Object.entries(lines)) cli.out.line(`${name}:\t${humanSize(size)}`);
  },
});
