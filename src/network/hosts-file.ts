/** Contents of /etc/hosts for containers, as Docker writes them. */
import { isIP } from 'node:net';
import { invalid } from '#base/errors.ts';

export interface HostsRequest {
  hostname: string;
  domainname: string;
  /** `name:address` or `name=address`; the address may be `host-gateway`. */
  extraHosts: readonly string[];
  /** The container turns IPv6 off: its loopback has no ::1. */
  withoutIpv6?: boolean | undefined;
}

const LOCALHOST = '127.0.0.1\tlocalhost\n';
const BASE_HOSTS = `${LOCALHOST}::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
`;

/** `addresses` are the container's own. */
export function renderHosts(request: HostsRequest, addresses: readonly string[], hostGateways: readonly string[]): string {
  return (request.withoutIpv6 === true ? LOCALHOST : BASE_HOSTS) + renderExtraHosts(request.extraHosts, hostGateways) + ownHosts(request, addresses);
}

/** The lines that name the container itself, one an address. */
export function ownHosts({ hostname, domainname, withoutIpv6 }: Omit<HostsRequest, 'extraHosts'>, addresses: readonly string[]): string {
  const full = domainname === '' ? hostname : `${hostname}.${domainname}`;
  const cut = full.indexOf('.');
  const names = cut < 0 ? full : `${full} ${full.slice(0, cut)}`;
  return addresses.filter((address) => withoutIpv6 !== true || isIP(address) === 4).map((address) => `${address}\t${names}\n`).join('');
}

/** A hosts file that may hold what a user wrote, without the lines of `former` and with those of `added`. */
export function editHosts(text: string, former: string, added: string): string {
  const gone = new Set(former.split('\n').filter((line) => line !== ''));
  const kept = text.split('\n').filter((line) => !gone.has(line)).join('\n');
  return kept + (added === '' || kept === '' || kept.endsWith('\n') ? '' : '\n') + added;
}

/** For containers in the host's network: the host's own file, or, as Docker does it, one of their own when they add to it. */
export function renderHostHosts(own: string | undefined, extraHosts: readonly string[], hostGateways: readonly string[]): string {
  return extraHosts.length > 0 ? BASE_HOSTS + renderExtraHosts(extraHosts, hostGateways) : (own ?? BASE_HOSTS);
}

export function renderExtraHosts(extraHosts: readonly string[], hostGateways: readonly string[]): string {
  return extraHosts
    .map((entry) => {
      const cut = /[:=]/.exec(entry)?.index ?? -1;
      const name = entry.slice(0, cut);
      const given = entry.slice(cut + 1).replace(/^\[(.*)\]$/, '$1');
      const addresses = given === 'host-gateway' ? hostGateways : [given];
      if (addresses.length === 0) throw invalid('unable to derive the IP value for host-gateway: there is no default bridge network');
      if (cut < 1 || addresses.some((address) => isIP(address) === 0)) throw invalid(`bad format for add-host: ${JSON.stringify(entry)}`);
      return addresses.map((address) => `${address}\t${name}\n`).join('');
    })
    .join('');
}

