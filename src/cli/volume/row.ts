import type { Volume } from '#spec/wire/volume.ts';
import { humanSize } from '../format/units.ts';
import { Row } from '../template/value.ts';

export const volumeHeaders: Readonly<Record<string, string>> = {
  Name: 'VOLUME NAME',
  Driver: 'DRIVER',
  Scope: 'SCOPE',
  Availability: 'AVAILABILITY',
  Mountpoint: 'MOUNTPOINT',
  Labels: 'LABELS',
  Links: 'LINKS',
  Size: 'SIZE',
  Group: 'GROUP',
  Status: 'STATUS',
};

export function volumeRow(volume: Volume): Row {
  const labels = volume.Labels ?? {};
  return new Row(
    '*formatter.volumeContext',
    {
      Name: () => volume.Name,
      Driver: () => volume.Driver,
      Scope: () => volume.Scope,
      Mountpoint: () => volume.Mountpoint,
      Labels: () => Object.entries(labels).map(([key, value]) => `${key}=${value}`).join(','),
      Links: () => (volume.UsageData ? String(volume.UsageData.RefCount) : 'N/A'),
      Size: () => (volume.UsageData ? humanSize(volume.UsageData.Size) : 'N/A'),
      Group: () => 'N/A',
      Status: () => 'N/A',
      Availability: () => 'N/A',
    },
    { Label: (name) => labels[String(name)] ?? '' },
  );
}
