import type { ContainerSummary } from '#spec/wire/container.ts';
import { familiarName, splitReference } from '../image/reference.ts';
import type { ListFormat } from '../format/list.ts';
import { ago, ellipsis, goTime, humanSize, portList, shortId } from '../format/units.ts';
import { goQuote, Printed, Row } from '../template/value.ts';

export const containerHeaders: Readonly<Record<string, string>> = {
  ID: 'CONTAINER ID',
  Names: 'NAMES',
  Image: 'IMAGE',
  Command: 'COMMAND',
  CreatedAt: 'CREATED AT',
  RunningFor: 'CREATED',
  Ports: 'PORTS',
  State: 'STATE',
  Status: 'STATUS',
  Size: 'SIZE',
  Labels: 'LABELS',
  Mounts: 'MOUNTS',
  LocalVolumes: 'LOCAL VOLUMES',
  Networks: 'NETWORKS',
  Platform: 'PLATFORM',
};

const table = '{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}';
const raw = `container_id: {{.ID}}
image: {{.Image}}
command: {{.Command}}
created_at: {{.CreatedAt}}
state: {{- pad .State 1 0}}
status: {{- pad .Status 1 0}}
names: {{.Names}}
labels: {{- pad .Labels 1 0}}
ports: {{- pad .Ports 1 0}}
`;

export function containerFormat(options: { format: string; quiet: boolean; size: boolean }): ListFormat {
  return {
    format: options.format,
    table: options.size ? `${table}\t{{.Size}}` : table,
    raw: options.quiet ? 'container_id: {{.ID}}' : options.size ? `${raw}size: {{.Size}}\n` : raw,
    quiet: options.quiet ? '{{.ID}}' : undefined,
    quietAlways: true,
    headers: containerHeaders,
  };
}

/** A row of `ps`. `usedSize` tells whether a template looked at the size. */
export function containerRow(container: ContainerSummary, options: { trunc: boolean; virtualSize?: boolean }): { row: Row; usedSize(): boolean } {
  const { trunc } = options;
  let sized = false;
  const labels = container.Labels ?? {};
  const platform = container.ImageManifestDescriptor?.platform;
  const row = new Row(
    '*formatter.ContainerContext',
    {
      ID: () => (trunc ? shortId(container.Id ?? '') : (container.Id ?? '')),
      Names: () => names(container, trunc),
      Image: () => image(container, trunc),
      Command: () => goQuote(trunc ? ellipsis(container.Command ?? '', 20) : (container.Command ?? '')),
      CreatedAt: () => goTime(container.Created ?? 0),
      RunningFor: () => ago(container.Created ?? 0),
      Platform: () => (platform ? new Printed([platform.os, platform.architecture, platform.variant].filter(Boolean).join('/'), platform) : null),
      Ports: () => portList(container.Ports ?? []),
      State: () => container.State ?? '',
      Status: () => container.Status ?? '',
      Size: () => {
        sized = true;
        const own = humanSize(container.SizeRw ?? 0, 3);
        return (container.SizeRootFs ?? 0) > 0 && options.virtualSize !== false ? `${own} (virtual ${humanSize(container.SizeRootFs ?? 0, 3)})` : own;
      },
      Labels: () => Object.entries(labels).map(([key, value]) => `${key}=${value}`).sort().join(','),
      Mounts: () => (container.Mounts ?? []).map((mount) => (trunc ? ellipsis(mount.Name || (mount.Source ?? ''), 15) : mount.Name || (mount.Source ?? ''))).join(','),
      LocalVolumes: () => String((container.Mounts ?? []).filter((mount) => mount.Driver === 'local').length),
      Networks: () => Object.keys(container.NetworkSettings?.Networks ?? {}).join(','),
    },
    { Label: (name) => labels[String(name)] ?? '' },
  );
  return { row, usedSize: () => sized };
}

function names(container: ContainerSummary, trunc: boolean): string {
  const all = (container.Names ?? []).map((name) => name.replace(/^\//, ''));
  return trunc ? (all.find((name) => !name.includes('/')) ?? '') : all.join(',');
}

function image(container: ContainerSummary, trunc: boolean): string {
  const name = container.Image ?? '';
  if (name === '') return '<no image>';
  if (!trunc) return name;
  const short = shortId(container.ImageID ?? '');
  if (short !== '' && short === shortId(name)) return short;
  const parts = splitReference(name);
  return `${familiarName(parts.name)}${parts.tag === undefined ? '' : `:${parts.tag}`}`;
}
