import { EngineError } from '#base/errors.ts';
import { CliError, defineCommand, type Command } from '../command/command.ts';
import { confirmOrStop } from '../command/confirm.ts';
import { errorText } from '../command/error-text.ts';
import * as flag from '../command/flag.ts';
import { labelItem } from '../container/options/environment.ts';
import { pairs } from '../container/options/csv.ts';
import { formatList } from '../format/list.ts';
import { humanSize } from '../format/units.ts';
import { naturalOrder } from '../format/order.ts';
import { volumeHeaders, volumeRow } from './row.ts';

export const ls: Command = defineCommand({
  usage: '[OPTIONS]',
  short: 'List volumes',
  flags: {
    cluster: flag.bool('Show cluster volumes only'),
    filter: flag.filters('Show only what matches (dangling=true, driver=..., label=..., name=...)', { short: 'f' }),
    format: flag.text('How to show it: table, json, a Go template, or "table TEMPLATE"'),
    quiet: flag.bool('Show names only', { short: 'q' }),
  },
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const { Volumes } = await (await cli.client()).volumes.list(flags.filter);
    const volumes = (flags.cluster ? (Volumes ?? []).filter((volume) => volume.ClusterVolume !== undefined) : (Volumes ?? []))
      .sort((a, b) => naturalOrder(a.Name, b.Name));
    const format = flags.format || (flags.quiet ? '' : (cli.config.volumesFormat ?? ''));
    const quiet = flags.quiet ? '{{.Name}}' : undefined;
    cli.out.write(formatList({ format, table: '{{.Driver}}\t{{.Name}}', raw: quiet === undefined ? 'name: {{.Name}}\ndriver: {{.Driver}}\n' : 'name: {{.Name}}', quiet, headers: volumeHeaders }, volumes.map(volumeRow)));
  },
});

const cluster = ['availability', 'group', 'limit-bytes', 'required-bytes', 'scope', 'secret', 'sharing', 'topology-preferred', 'topology-required', 'type'];

export const create: Command = defineCommand({
  usage: '[OPTIONS] [VOLUME]',
  short: 'Make a volume',
  flags: {
    availability: flag.text('Availability of a cluster volume', { default: 'active', hidden: true }),
    driver: flag.text('Driver of the volume', { short: 'd', default: 'local' }),
    group: flag.text('Group of a cluster volume', { hidden: true }),
    label: flag.list('Label the volume (KEY=VALUE)', { check: labelItem }),
    'limit-bytes': flag.bytes('Size of a cluster volume', { hidden: true }),
    name: flag.text('Name of the volume', { hidden: true }),
    opt: flag.map('Set an option of the driver (KEY=VALUE)', { short: 'o' }),
    'required-bytes': flag.bytes('Size of a cluster volume', { hidden: true }),
    scope: flag.text('Scope of a cluster volume', { default: 'single', hidden: true }),
    secret: flag.map('Secret of a cluster volume', { hidden: true }),
    sharing: flag.text('Sharing of a cluster volume', { default: 'none', hidden: true }),
    'topology-preferred': flag.list('Topology of a cluster volume', { hidden: true }),
    'topology-required': flag.list('Topology of a cluster volume', { hidden: true }),
    type: flag.text('Access type of a cluster volume', { default: 'block', hidden: true }),
  },
  args: { min: 0, max: 1 },
  async run({ cli, flags, given, args: [name] }) {
    if (name !== undefined && given.has('name')) throw new CliError('conflicting options: cannot specify a volume-name through both --name and as a positional arg');
    const wanted = cluster.find((option) => given.has(option));
    if (wanted !== undefined) throw new CliError(`--${wanted} is for cluster volumes, which this engine does not have`);
    const volume = await (await cli.client()).volumes.create({
      Name: name ?? flags.name,
      Driver: flags.driver,
      DriverOpts: flags.opt,
      Labels: pairs(flags.label),
    });
    cli.out.line(volume.Name);
  },
});

export const update: Command = defineCommand({
  usage: '[OPTIONS] [VOLUME]',
  short: 'Change a cluster volume',
  flags: { availability: flag.text('Availability: active, pause, drain', { default: 'active' }) },
  args: { min: 1, max: 1 },
  complete: ['volume'],
  async run({ cli, args: [name = ''] }) {
    await (await cli.client()).volumes.inspect(name);
    throw new CliError('Can only update cluster volumes');
  },
});

export const remove: Command = defineCommand({
  usage: '[OPTIONS] VOLUME [VOLUME...]',
  short: 'Remove volumes that no container uses',
  flags: { force: flag.bool('Do not mind when there is none', { short: 'f' }) },
  args: { min: 1, max: undefined },
  complete: ['volume'],
  async run({ cli, flags, args }) {
    const client = await cli.client();
    const failures: string[] = [];
    for (const name of args) {
      try {
        await client.volumes.remove(name, { force: flags.force });
        cli.out.line(name);
      } catch (error) {
        if (flags.force && error instanceof EngineError && error.code === 'not_found') continue;
        failures.push(errorText(error));
      }
    }
    if (failures.length > 0) throw new CliError(failures.join('\n'));
  },
});

export const prune: Command = defineCommand({
  usage: '[OPTIONS]',
  short: 'Remove anonymous volumes that no container uses',
  flags: {
    all: flag.bool('Remove also volumes that have a name', { short: 'a' }),
    filter: flag.filters('Remove only what matches (label=...)'),
    force: flag.bool('Do not ask', { short: 'f' }),
  },
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    if (flags.all && flags.filter['all'] !== undefined) throw new CliError('conflicting options: cannot specify both --all and --filter all=1');
    if (!flags.force) {
      confirmOrStop(cli, flags.all
        ? 'WARNING! This will remove all local volumes not used by at least one container.'
        : 'WARNING! This will remove anonymous local volumes not used by at least one container.');
    }
    const report = await (await cli.client()).volumes.prune(flags.all ? { ...flags.filter, all: ['true'] } : flags.filter);
    const deleted = report.VolumesDeleted ?? [];
    if (deleted.length > 0) cli.out.write(`Deleted Volumes:\n${deleted.map((name) => `${name}\n`).join('')}\n`);
    cli.out.line(`Total reclaimed space: ${humanSize(report.SpaceReclaimed)}`);
  },
});
