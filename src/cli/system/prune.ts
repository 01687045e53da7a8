import { EngineError } from '#base/errors.ts';
import type { EngineClient } from '#api/client/client.ts';
import { CliError, defineCommand } from '../command/command.ts';
import { confirmOrStop } from '../command/confirm.ts';
import * as flag from '../command/flag.ts';
import { humanSize } from '../format/units.ts';

export const command = defineCommand({
  usage: '[OPTIONS]',
  short: 'Remove everything that nothing uses',
  flags: {
    all: flag.bool('Remove also images that have a name', { short: 'a' }),
    filter: flag.filters('Remove only what matches (until=24h, label=...)'),
    force: flag.bool('Do not ask', { short: 'f' }),
    volumes: flag.bool('Remove anonymous volumes, too'),
  },
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const { filter } = flags;
    if (flags.volumes && filter['until'] !== undefined) throw new CliError('ERROR: The "until" filter is not supported with "--volumes"');
    if (!flags.force) confirmOrStop(cli, warning(flags));
    const client = await cli.client();
    let reclaimed = 0;
    const report = (title: string, lines: readonly string[], bytes: number): void => {
      reclaimed += bytes;
      if (lines.length > 0) cli.out.write(`${title}:\n${lines.map((line) => `${line}\n`).join('')}\n`);
    };
    const containers = await client.containers.prune(filter);
    report('Deleted Containers', containers.ContainersDeleted ?? [], containers.SpaceReclaimed);
    const networks = await client.networks.prune(filter);
    report('Deleted Networks', networks.NetworksDeleted ?? [], 0);
    if (flags.volumes) {
      const volumes = await client.volumes.prune(filter);
      report('Deleted Volumes', volumes.VolumesDeleted ?? [], volumes.SpaceReclaimed);
    }
    const images = await client.images.prune({ ...filter, dangling: [flags.all ? 'false' : 'true'] });
    report('Deleted Images', (images.ImagesDeleted ?? []).map((item) => (item.Untagged ? `untagged: ${item.Untagged}` : `deleted: ${item.Deleted ?? ''}`)), images.SpaceReclaimed);
    const cache = await pruneBuildCache(client, flags.all, filter);
    report('Deleted build cache objects', cache.CachesDeleted ?? [], cache.SpaceReclaimed ?? 0);
    cli.out.line(`Total reclaimed space: ${humanSize(reclaimed)}`);
  },
});

interface CacheReport {
  CachesDeleted?: string[] | null;
  SpaceReclaimed?: number;
}

/** An engine that does not build has no cache. */
async function pruneBuildCache(client: EngineClient, all: boolean, filters: Readonly<Record<string, readonly string[]>>): Promise<CacheReport> {
  try {
    const response = await client.transport.send({ method: 'POST', path: '/build/prune', query: { all, filters: Object.keys(filters).length > 0 ? JSON.stringify(filters) : undefined } });
    return await response.json<CacheReport>();
  } catch (error) {
    if (error instanceof EngineError && ['not_implemented', 'not_found'].includes(error.code)) return {};
    throw error;
  }
}

function warning(flags: { all: boolean; volumes: boolean; filter: Readonly<Record<string, readonly string[]>> }): string {
  const removed = [
    'all stopped containers',
    'all networks not used by at least one container',
    ...(flags.volumes ? ['all anonymous volumes not used by at least one container'] : []),
    flags.all ? 'all images without at least one container associated to them' : 'all dangling images',
    flags.all ? 'all build cache' : 'unused build cache',
  ];
  const filters = Object.entries(flags.filter).flatMap(([key, values]) => values.map((value) => `${key}=${value}`)).sort();
  const filtered = filters.length > 0 ? `\n  Items to be pruned will be filtered with:\n${filters.map((item) => `  - ${item}`).join('\n')}\n` : '';
  return `WARNING! This will remove:\n${removed.map((item) => `  - ${item}`).join('\n')}\n${filtered}`;
}
