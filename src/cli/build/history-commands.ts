import type { NativeHistoryEntry } from '#spec/wire/native-build.ts';
import { CliError, defineCommand, type Command } from '../command/command.ts';
import * as flag from '../command/flag.ts';
import { formatList } from '../format/list.ts';
import { humanDuration } from '../format/units.ts';
import { Row } from '../template/value.ts';
import { PlainProgress } from './progress/plain.ts';
import { RawProgress } from './progress/raw.ts';

const builder = flag.text('Name of the builder', { hidden: true });

const duration = ({ createdAt, completedAt }: NativeHistoryEntry): string => {
  const total = (Date.parse(completedAt) - Date.parse(createdAt)) / 1000;
  return total < 60 ? `${total.toFixed(1)}s` : `${Math.floor(total / 60)}m ${Math.round(total % 60)}s`;
};
const statusText = ({ status }: NativeHistoryEntry): string => ({ completed: 'Completed', error: 'Error', canceled: 'Canceled' })[status];

export const historyLs: Command = defineCommand({
  usage: '[OPTIONS]',
  short: 'List builds',
  flags: { builder, filter: flag.list('Only builds that fit: status=error, ref=...'), format: flag.text('How to show it: table, json or a Go template'), 'no-trunc': flag.bool('Shorten nothing') },
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const entries = (await (await cli.client()).builds.history()).filter((entry) => flags.filter.every((item) => fits(entry, item)));
    const rows = entries.map((entry) => new Row('*history.lsContext', {
      ID: () => entry.ref, Ref: () => entry.ref, Name: () => entry.name, Status: () => statusText(entry), CreatedAt: () => `${humanDuration(Date.now() - Date.parse(entry.createdAt))} ago`, Duration: () => duration(entry),
    }));
    const headers = { ID: 'BUILD ID', Ref: 'BUILD ID', Name: 'NAME', Status: 'STATUS', CreatedAt: 'CREATED AT', Duration: 'DURATION' };
    cli.out.write(formatList({ format: flags.format, table: '{{.ID}}\t{{.Name}}\t{{.Status}}\t{{.CreatedAt}}\t{{.Duration}}', headers }, rows));
  },
});

function fits(entry: NativeHistoryEntry, item: string): boolean {
  const [key = '', value = ''] = item.split('=', 2);
  if (key === 'status') return entry.status === value || (value === 'failed' && entry.status === 'error');
  if (key === 'ref') return entry.ref.startsWith(value);
  throw new CliError(`invalid filter ${JSON.stringify(key)}`);
}

export const historyInspect: Command = defineCommand({
  usage: '[OPTIONS] [REF]',
  short: 'Show what is known of a build; of the last one when none is named',
  flags: { builder, format: flag.text('How to show it: json') },
  args: { min: 0, max: 1 },
  async run({ cli, flags, args: [ref = '^0'] }) {
    const { entry } = await (await cli.client()).builds.historyOf(ref);
    if (flags.format === 'json') {
      cli.out.line(JSON.stringify(entry, undefined, 2));
      return;
    }
    const rows: [string, string][] = [
      ['Name', entry.name], ['Target', entry.target], ['Platforms', entry.platforms.join(', ')], ['Created', entry.createdAt], ['Duration', duration(entry)],
      ['Status', entry.error === '' ? statusText(entry) : `${statusText(entry)}: ${entry.error}`], ['Build Steps', `${entry.totalSteps} (${entry.totalSteps === 0 ? 0 : Math.round((entry.cachedSteps * 100) / entry.totalSteps)}% cached)`],
      ['Image', entry.imageId], ['Tags', entry.tags.join(', ')],
    ];
    for (const [name, value] of rows) if (value !== '') cli.out.line(`${`${name}:`.padEnd(16)}${value}`);
    const args = Object.entries(entry.buildArgs);
    if (args.length > 0) cli.out.line(`\nBUILD ARG\tVALUE\n${args.map(([name, value]) => `${name}\t${value}`).join('\n')}`);
  },
});

export const historyLogs: Command = defineCommand({
  usage: '[OPTIONS] [REF]',
  short: 'Print what a build said',
  flags: { builder, progress: flag.text('How to show it: plain or rawjson', { default: 'plain' }) },
  args: { min: 0, max: 1 },
  async run({ cli, flags, args: [ref = '^0'] }) {
    const { events } = await (await cli.client()).builds.historyOf(ref);
    const view = flags.progress === 'rawjson' ? new RawProgress(cli.out) : new PlainProgress(cli.out);
    for (const event of events) view.take(event);
    view.end();
  },
});

export const historyRm: Command = defineCommand({
  usage: '[OPTIONS] [REF...]',
  short: 'Forget builds',
  flags: { all: flag.bool('All of them'), builder },
  args: { min: 0, max: undefined },
  async run({ cli, flags, args }) {
    const { builds } = await cli.client();
    if (flags.all) await builds.forget();
    else if (args.length === 0) throw new CliError('rm requires at least one build, or --all');
    for (const ref of args) await builds.forget(ref);
  },
});
