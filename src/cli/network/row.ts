import type { Network } from '#spec/wire/network.ts';
import { goTime, shortId } from '../format/units.ts';
import { Row } from '../template/value.ts';

export const networkHeaders: Readonly<Record<string, string>> = {
  ID: 'NETWORK ID',
  Name: 'NAME',
  Driver: 'DRIVER',
  Scope: 'SCOPE',
  IPv4: 'IPV4',
  IPv6: 'IPV6',
  Internal: 'INTERNAL',
  Labels: 'LABELS',
  CreatedAt: 'CREATED AT',
};

export function networkRow(network: Network, trunc: boolean): Row {
  const labels = network.Labels ?? {};
  return new Row(
    '*network.networkContext',
    {
      ID: () => (trunc ? shortId(network.Id ?? '') : (network.Id ?? '')),
      Name: () => network.Name ?? '',
      Driver: () => network.Driver ?? '',
      Scope: () => network.Scope ?? '',
      IPv4: () => String(network.EnableIPv4 ?? false),
      IPv6: () => String(network.EnableIPv6 ?? false),
      Internal: () => String(network.Internal ?? false),
      Labels: () => Object.entries(labels).map(([key, value]) => `${key}=${value}`).join(','),
      CreatedAt: () => created(network.Created ?? ''),
    },
    { Label: (name) => labels[String(name)] ?? '' },
  );
}

/** Go's time.Time.String with the fraction as it came: `2026-11-24 02:00:11.123456789 +0000 UTC`. */
function created(text: string): string {
  const seconds = Date.parse(text) / 1000;
  if (Number.isNaN(seconds)) return text;
  const fraction = (/\.(\d+)/.exec(text)?.[1] ?? '').replace(/0+$/, '');
  const plain = goTime(Math.floor(seconds));
  return fraction === '' ? plain : `${plain.slice(0, 19)}.${fraction}${plain.slice(19)}`;
}
