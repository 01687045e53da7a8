/** Which part of the net an address belongs to. Registries decide where we connect to: they must not reach what only we can. */
import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import { EngineError } from '#base/errors.ts';

export type Zone = 'loopback' | 'link-local' | 'private' | 'public';

function ranges(...list: string[]): BlockList {
  const found = new BlockList();
  for (const item of list) {
    const { address, bits } = parseRange(item) ?? { address: '', bits: 0 };
    found.addSubnet(address, bits, isIP(address) === 6 ? 'ipv6' : 'ipv4');
  }
  return found;
}

const loopback = ranges('127.0.0.0/8', '0.0.0.0/8', '::1/128', '::/128');
const linkLocal = ranges('169.254.0.0/16', 'fe80::/10');
const confined = ranges('10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7');

/** `10.0.0.0/8`, `::1/128`, a bare address; undefined for anything else. */
export function parseRange(text: string): { address: string; bits: number } | undefined {
  const [address = '', bits] = text.split('/');
  const family = isIP(address);
  if (family === 0) return undefined;
  const most = family === 6 ? 128 : 32;
  const length = bits === undefined ? most : Number(bits);
  return /^\d*$/.test(bits ?? '') && Number.isInteger(length) && length <= most ? { address, bits: length } : undefined;
}

export function zoneOf(address: string): Zone {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
  const family = isIP(plain) === 6 ? 'ipv6' : 'ipv4';
  if (loopback.check(plain, family)) return 'loopback';
  if (linkLocal.check(plain, family)) return 'link-local';
  return confined.check(plain, family) ? 'private' : 'public';
}

/** A host name without the brackets of a URL. */
export const bareHost = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '');

export type Resolve = (hostname: string) => Promise<string[]>;

/** Addresses of a name; a name that is an address is its own. */
export const resolveHost: Resolve = async (hostname) =>
  isIP(hostname) === 0 ? (await lookup(hostname, { all: true })).map(({ address }) => address) : [hostname];

const reach: Readonly<Record<Zone, number>> = { public: 0, private: 1, 'link-local': 2, loopback: 3 };

/**
 * Where a registry sends us (a token server, a layer's URL) must not lie closer to us than the registry itself: from a public
 * one no way leads to this machine, the link or the private net (CVE-2026-33990). Returns the addresses that were judged:
 * connect to these, so that a second answer of the name server changes nothing.
 */
export async function requireReachable(from: URL, to: URL, what: string, resolve: Resolve = resolveHost): Promise<string[]> {
  if (to.protocol !== 'https:' && to.protocol !== 'http:') throw refused(from, to, what, 'it is not an HTTP address');
  if (to.username !== '' || to.password !== '') throw refused(from, to, what, 'it carries a user name');
  if (from.protocol === 'https:' && to.protocol === 'http:') throw refused(from, to, what, 'it would leave TLS');
  const addresses = await resolve(bareHost(to));
  if (to.host === from.host) return addresses;
  const own = await resolve(bareHost(from));
  const closest = (list: readonly string[]): Zone => list.map(zoneOf).reduce((a, b) => (reach[a] >= reach[b] ? a : b), 'public');
  const there = closest(addresses);
  if (reach[there] > reach[closest(own)]) throw refused(from, to, what, `it leads to a ${there} address`);
  return addresses;
}

function refused(from: URL, to: URL, what: string, why: string): EngineError {
  return new EngineError('forbidden', `registry ${from.host} names ${to.protocol}//${to.host} as its ${what}, which is refused: ${why}`);
}
