import type { DiskUsageReport } from '#api/client/system.ts';
import type { ContainerSummary } from '#spec/wire/container.ts';
import { defineCommand } from '../command/command.ts';
import * as flag from '../command/flag.ts';
import { containerHeaders, containerRow } from '../container/row.ts';
import { compileTemplate, formatList, runTemplate } from '../format/list.ts';
import { humanDuration, humanSize } from '../format/units.ts';
import { imageHeaders, imageRow, isDangling } from '../image/row.ts';
import { familiarName, splitReference } from '../image/reference.ts';
import { Row } from '../template/value.ts';
import { volumeHeaders, volumeRow } from '../volume/row.ts';

export const command = defineCommand({
  usage: '[OPTIONS]',
  short: 'Show how much disk space is used',
  flags: {
    format: flag.text('How to show it: table, json, a Go template, or "table TEMPLATE"'),
    verbose: flag.bool('Show each thing', { short: 'v' }),
  },
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const usage = await (await cli.client()).system.diskUsage();
    cli.out.write(flags.verbose ? verbose(usage, flags.format) : summary(usage, flags.format));
  },
});

const row = (type: string, values: { count: number; active: number; size: number; free: number; percent: boolean }): Row =>
  new Row('*formatter.diskUsageContext', {
    Type: () => type,
    TotalCount: () => String(values.count),
    Active: () => String(values.active),
    Size: () => humanSize(values.size),
    Reclaimable: () => (values.percent && values.size > 0 ? `${humanSize(values.free)} (${Math.trunc((values.free * 100) / values.size)}%)` : humanSize(values.free)),
  });

const isActive = (container: ContainerSummary): boolean => ['running', 'paused', 'restarting'].includes((container.State ?? '').toLowerCase());
const sum = <T>(items: readonly T[], size: (item: T) => number): number => items.reduce((total, item) => total + size(item), 0);

function summary(usage: DiskUsageReport, format: string): string {
  const { images, containers, volumes, buildCache } = usage;
  const usedByImages = sum(images.filter((image) => image.Containers !== 0 && image.Size !== -1 && image.SharedSize !== -1), (image) => image.Size - image.SharedSize);
  const volumeSize = (wanted: (links: number) => boolean): number =>
    sum(volumes.filter((volume) => (volume.UsageData?.Size ?? -1) !== -1 && wanted(volume.UsageData?.RefCount ?? 0)), (volume) => volume.UsageData?.Size ?? 0);
  const rows = [
    row('Images', { count: images.length, active: images.filter((image) => (image.Containers ?? 0) > 0).length, size: usage.layersSize, free: usage.layersSize - usedByImages, percent: true }),
    row('Containers', {
      count: containers.length,
      active: containers.filter(isActive).length,
      size: sum(containers, (container) => container.SizeRw ?? 0),
      free: sum(containers.filter((container) => !isActive(container)), (container) => container.SizeRw ?? 0),
      percent: true,
    }),
    row('Local Volumes', {
      count: volumes.length,
      active: volumes.filter((volume) => (volume.UsageData?.RefCount ?? 0) > 0).length,
      size: volumeSize(() => true),
      free: volumeSize((links) => links === 0),
      percent: true,
    }),
    row('Build Cache', {
      count: buildCache.length,
      active: buildCache.filter((item) => item.InUse === true).length,
      size: sum(buildCache.filter((item) => item.Shared !== true), (item) => item.Size ?? 0),
      free: sum(buildCache.filter((item) => item.Shared !== true && item.InUse !== true), (item) => item.Size ?? 0),
      percent: false,
    }),
  ];
  const headers = { Type: 'TYPE', TotalCount: 'TOTAL', Active: 'ACTIVE', Size: 'SIZE', Reclaimable: 'RECLAIMABLE' };
  return formatList({ format, table: '{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}', headers }, rows);
}

function verbose(usage: DiskUsageReport, format: string): string {
  const trunc = format === '' || format.startsWith('table');
  const images = usage.images.map((image) => {
    const { name, tag } = splitReference(image.RepoTags?.[0] ?? '');
    const named = !isDangling(image) && (image.RepoTags ?? []).length > 0;
    return imageRow(image, { repository: named ? familiarName(name) : '<none>', tag: named ? (tag ?? '<none>') : '<none>', digest: '' }, trunc);
  });
  const containers = usage.containers.map((container) => containerRow(container, { trunc, virtualSize: false }).row);
  const volumes = usage.volumes.map(volumeRow);
  const cache = usage.buildCache.map((item) => {
    const ago = (text: string | null | undefined): string => (text ? `${humanDuration(Date.now() - Date.parse(text))} ago` : '');
    return new Row('*formatter.buildCacheContext', {
      ID: () => (trunc ? (item.ID ?? '').slice(0, 12) : (item.ID ?? '')) + (item.InUse === true ? '*' : ''),
      Parent: () => (item.Parents ?? []).join(', '),
      CacheType: () => item.Type ?? '',
      Description: () => item.Description ?? '',
      Size: () => humanSize(item.Size ?? 0, 3),
      CreatedAt: () => item.CreatedAt ?? '',
      CreatedSince: () => ago(item.CreatedAt),
      LastUsedAt: () => item.LastUsedAt ?? '',
      LastUsedSince: () => ago(item.LastUsedAt),
      UsageCount: () => String(item.UsageCount ?? 0),
      InUse: () => String(item.InUse ?? false),
      Shared: () => String(item.Shared ?? false),
    });
  });
  if (format !== '' && format !== 'table') {
    const data = { Images: images, Containers: containers, Volumes: volumes, BuildCache: cache };
    return `${runTemplate(compileTemplate(format === 'json' ? '{{json .}}' : format), data)}${format === 'json' ? '\n' : ''}`;
  }
  const cacheSize = humanSize(sum(usage.buildCache.filter((item) => item.Shared !== true), (item) => item.Size ?? 0));
  const cacheHeaders = { ID: 'CACHE ID', CacheType: 'CACHE TYPE', Size: 'SIZE', CreatedSince: 'CREATED', LastUsedSince: 'LAST USED', UsageCount: 'USAGE', Shared: 'SHARED' };
  return [
    'Images space usage:\n\n',
    formatList({ format: '', headers: imageHeaders, table: '{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}' }, images),
    '\nContainers space usage:\n\n',
    formatList({ format: '', headers: containerHeaders, table: '{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}' }, containers),
    '\nLocal Volumes space usage:\n\n',
    formatList({ format: '', headers: volumeHeaders, table: '{{.Name}}\t{{.Links}}\t{{.Size}}' }, volumes),
    `\nBuild cache usage: ${cacheSize}\n\n`,
    formatList({ format: '', headers: cacheHeaders, table: '{{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}\t{{.UsageCount}}\t{{.Shared}}' }, cache),
  ].join('');
}
