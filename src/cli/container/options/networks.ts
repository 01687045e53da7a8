import { parseInteger } from '../../command/values.ts';
import type { EndpointSettings } from '#spec/wire/network.ts';
import { csvFields, cutPair } from './csv.ts';

export interface NetworkOption {
  target: string;
  aliases: string[];
  driverOpts: Record<string, string>;
  links: string[];
  linkLocalIps: string[];
  ip: string;
  ip6: string;
  mac: string;
  priority: number;
}

const blank = (target: string): NetworkOption => ({
  target, aliases: [], driverOpts: {}, links: [], linkLocalIps: [], ip: '', ip6: '', mac: '', priority: 0,
});

/** Reads one `--network` value: a name, or `name=NET,alias=A,ip=IP,...`. */
export function parseNetwork(value: string): NetworkOption {
  if (!/\w+=\w*(,\w+=\w+)*/.test(value)) return blank(value);
  const option = blank('');
  for (const field of csvFields(value)) {
    const [rawKey, rawText] = cutPair(field.toLowerCase());
    if (rawText === undefined || rawKey === '') throw new Error(`invalid field ${field}`);
    const key = rawKey.trim();
    const text = rawText.trim();
    if (key === 'name') option.target = text;
    else if (key === 'alias') option.aliases.push(text);
    else if (key === 'driver-opt') {
      const [name, setting] = cutPair(text);
      if (setting === undefined || name === '') throw new Error('invalid key value pair format in driver options');
      option.driverOpts[name.trim()] = setting.trim();
    } else if (key === 'ip') option.ip = text;
    else if (key === 'ip6') option.ip6 = text;
    else if (key === 'mac-address') option.mac = text;
    else if (key === 'link-local-ip') option.linkLocalIps.push(text);
    else if (key === 'gw-priority') option.priority = priority(text);
    else throw new Error(`invalid field key ${key}`);
  }
  if (option.target === '') throw new Error('network name/id is not specified');
  return option;
}

function priority(text: string): number {
  try {
    return parseInteger(text);
  } catch (error) {
    throw new Error(`invalid gw-priority: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/** What flags other than `--network` say about the first network. */
export interface FirstNetworkFlags {
  aliases: readonly string[];
  links: readonly string[];
  linkLocalIps: readonly string[];
  ip: string;
  ip6: string;
  mac: string;
}

export interface ParsedNetworks {
  mode: string;
  endpoints: Record<string, EndpointSettings>;
}

const builtIn = (name: string): boolean => ['default', 'bridge', 'host', 'none'].includes(name) || name.startsWith('container:');

export function parseNetworks(networks: readonly NetworkOption[], flags: FirstNetworkFlags): ParsedNetworks {
  const first = merge(networks[0] ?? blank('default'), flags);
  const all = [first, ...networks.slice(1)];
  const endpoints: Record<string, EndpointSettings> = {};
  for (const network of all) {
    if (Object.hasOwn(endpoints, network.target)) throw new Error(`network ${JSON.stringify(network.target)} is specified multiple times`);
    endpoints[network.target] = endpointOf(network);
  }
  if (all.some((network) => builtIn(network.target)) && all.some((network) => !builtIn(network.target))) {
    throw new Error('conflicting options: cannot attach both user-defined and non-user-defined network-modes');
  }
  if (all.length === 1 && Object.keys(endpoints[first.target] ?? {}).length === 0) return { mode: first.target, endpoints: {} };
  return { mode: first.target, endpoints };
}

function merge(network: NetworkOption, flags: FirstNetworkFlags): NetworkOption {
  const clash = (both: boolean, flag: string, field: string): void => {
    if (both) throw new Error(`conflicting options: cannot specify both --${flag} and per-network ${field}`);
  };
  clash(network.aliases.length > 0 && flags.aliases.length > 0, 'network-alias', 'alias');
  clash(network.ip !== '' && flags.ip !== '', 'ip', 'IPv4 address');
  clash(network.ip6 !== '' && flags.ip6 !== '', 'ip6', 'IPv6 address');
  clash(network.mac !== '' && flags.mac !== '', 'mac-address', 'MAC address');
  clash(network.linkLocalIps.length > 0 && flags.linkLocalIps.length > 0, 'link-local-ip', 'link-local IP addresses');
  return {
    ...network,
    aliases: [...network.aliases, ...flags.aliases],
    links: [...flags.links],
    linkLocalIps: [...network.linkLocalIps, ...flags.linkLocalIps],
    ip: network.ip || flags.ip,
    ip6: network.ip6 || flags.ip6,
    mac: network.mac || flags.mac,
  };
}

/** Empty when nothing was asked for. */
function endpointOf(network: NetworkOption): EndpointSettings {
  const user = !builtIn(network.target);
  if (network.target.trim() === '') throw new Error('no name set for network');
  if (!user && network.aliases.length > 0) throw new Error('network-scoped aliases are only supported for user-defined networks');
  if (!user && network.linkLocalIps.length > 0) throw new Error('link-local IP addresses are only supported for user-defined networks');
  const ipam = network.ip !== '' || network.ip6 !== '' || network.linkLocalIps.length > 0;
  return {
    ...(network.aliases.length > 0 ? { Aliases: network.aliases } : {}),
    ...(user && network.links.length > 0 ? { Links: network.links } : {}),
    ...(Object.keys(network.driverOpts).length > 0 ? { DriverOpts: network.driverOpts } : {}),
    ...(network.mac !== '' ? { MacAddress: network.mac } : {}),
    ...(network.priority !== 0 ? { GwPriority: network.priority } : {}),
    ...(ipam
      ? {
          IPAMConfig: {
            ...(network.ip !== '' ? { IPv4Address: network.ip } : {}),
            ...(network.ip6 !== '' ? { IPv6Address: network.ip6 } : {}),
            ...(network.linkLocalIps.length > 0 ? { LinkLocalIPs: network.linkLocalIps } : {}),
          },
        }
      : {}),
  };
}
