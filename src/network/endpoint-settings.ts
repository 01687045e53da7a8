/** What a client may ask of an endpoint, checked in Docker's words. */
import { isIPv4, isIPv6 } from 'node:net';
import { invalid } from '#base/errors.ts';
import type { EndpointSettings } from '#spec/wire/network.ts';
import { canonical, contains, parseAddress, parseSubnet, type Family } from './ip.ts';
import { isInterfaceName, refuseAll } from './option-text.ts';
import type { NetworkRecord } from './record.ts';

/** Names are a matter of networks of one's own. */
export const ALIAS_CONFLICT = 'network-scoped alias is supported only for containers in user defined networks';

const SYSCTLS = 'com.docker.network.endpoint.sysctls';
const IFNAME = 'com.docker.network.endpoint.ifname';

/** Throws invalid_argument with everything that cannot be done on the network. */
export function checkEndpointSettings(network: NetworkRecord, settings: EndpointSettings): void {
  const { IPv4Address: four = '', IPv6Address: six = '', LinkLocalIPs: local = [] } = settings.IPAMConfig ?? {};
  const isDefault = network.name === 'bridge';
  const faults: string[] = [];
  if (isDefault && (four !== '' || six !== '')) faults.push('user specified IP address is supported on user defined networks only');
  if (isDefault && (settings.Aliases?.length ?? 0) > 0) faults.push(ALIAS_CONFLICT);
  if (four !== '' && !isIPv4(four)) faults.push(`invalid IPv4 address: ${four}`);
  // An IPv4 address in IPv6's clothes is none.
  if (six !== '' && (!isIPv6(six) || canonical(six).startsWith('::ffff:'))) faults.push(`invalid IPv6 address: ${six}`);
  for (const address of local) if (address !== '' && !isLinkLocal(address)) faults.push(`invalid link-local IP address: ${address}`);
  faults.push(...poolFaults(network, 4, four), ...poolFaults(network, 6, six));
  refuseAll('invalid endpoint settings', faults);
  const mac = settings.MacAddress ?? '';
  if (mac !== '' && (!/^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(mac) || (parseInt(mac.slice(0, 2), 16) & 1) === 1)) throw invalid(`invalid MAC address ${JSON.stringify(mac)}`);
  interfaceName(settings);
  interfaceSysctls(settings, 'eth0');
}

function isLinkLocal(text: string): boolean {
  const address = parseAddress(text);
  return address !== undefined && ['169.254.0.0/16', 'fe80::/10'].some((range) => {
    const subnet = parseSubnet(range);
    return subnet !== undefined && contains(subnet, address);
  });
}

function poolFaults({ pools, ipamDriver }: NetworkRecord, family: Family, wanted: string): string[] {
  if (wanted === '' || ipamDriver !== 'default') return [];
  const own = pools.filter((pool) => pool.family === family && pool.given);
  if (own.length === 0) return ['user specified IP address is supported only when connecting to networks with user configured subnets'];
  const address = parseAddress(wanted);
  const inside = own.some(({ subnet }) => {
    const parsed = parseSubnet(subnet);
    return parsed !== undefined && address !== undefined && contains(parsed, address);
  });
  return inside ? [] : [`no configured subnet or ip-range contain the IP address ${wanted}`];
}

/** The name that the interface is to have inside, if one was asked for. */
export function interfaceName(settings: EndpointSettings): string | undefined {
  const name = settings.DriverOpts?.[IFNAME] ?? '';
  if (name === '') return undefined;
  if (!isInterfaceName(name) || name === 'lo') throw invalid(`invalid interface name ${JSON.stringify(name)} in ${IFNAME}: at most 15 characters without spaces, "/", ":", "%" and quotes`);
  return name;
}

/** `net.ipv4.conf.IFNAME.log_martians=1,...` as files below /proc/sys/net, for the interface of that name. */
export function interfaceSysctls(settings: EndpointSettings, name: string): { path: string; value: string }[] {
  const text = settings.DriverOpts?.[SYSCTLS] ?? '';
  if (text === '') return [];
  return text.split(',').map((item) => {
    const cut = item.indexOf('=');
    const parts = item.slice(0, cut).split('.');
    const [net = '', family = '', group = '', place = '', ...key] = parts;
    const sound = cut > 0 && net === 'net' && ['ipv4', 'ipv6', 'mpls'].includes(family) && place === 'IFNAME' && key.length === 1 && [group, key[0] ?? ''].every((word) => /^\w+$/.test(word));
    if (!sound) throw invalid(`unrecognised network interface sysctl '${item}'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V'`);
    return { path: `${family}/${group}/${name}/${key.join('')}`, value: item.slice(cut + 1) };
  });
}
