import { BlockList, isIP } from 'node:net';
import { invalid } from '#base/errors.ts';
import { bareHost, parseRange, resolveHost, zoneOf, type Resolve } from './addresses.ts';

/** One place where a repository may be found. */
export interface Endpoint {
  /** Scheme and host; requests go below `/v2/`. */
  base: URL;
  /** False: any certificate will do. */
  verify: boolean;
  /** Serves only pulls, and must not be taken at its word about tags that it does not have. */
  mirror: boolean;
}

export interface EndpointOptions {
  /** URLs that are asked before docker.io. */
  mirrors: readonly string[];
  /** Hosts (`host`, `host:port`) and ranges of addresses that may speak plain HTTP or show any certificate. */
  insecure: readonly string[];
  resolve?: Resolve;
}

/** Docker Hub's name in image names, and the host that serves it. */
export const HUB = 'docker.io';
const HUB_HOST = 'registry-1.docker.io';

export interface Endpoints {
  /** In the order in which they are tried. */
  of(domain: string, purpose: 'pull' | 'push'): Promise<Endpoint[]>;
}

/** Throws invalid_argument for settings that name no registry. */
export function createEndpoints({ mirrors, insecure, resolve = resolveHost }: EndpointOptions): Endpoints {
  const hosts = new Set<string>();
  const ranges = new BlockList();
  for (const item of insecure) {
    const range = item.includes('/') ? parseRange(item) : undefined;
    if (range !== undefined) ranges.addSubnet(range.address, range.bits, isIP(range.address) === 6 ? 'ipv6' : 'ipv4');
    else if (/^https?:\/\//i.test(item)) hosts.add(item.replace(/^https?:\/\//i, '').replace(/\/$/, '').toLowerCase());
    else if (/^[\w.[\]:-]+$/.test(item)) hosts.add(item.toLowerCase());
    else throw invalid(`insecure registry ${item} is not valid: expected host[:port] or a range such as 10.0.0.0/8`);
  }
  const mirrorBases = mirrors.map((text) => parseMirror(text));

  const isInsecure = async (base: URL): Promise<boolean> => {
    if (hosts.has(base.host.toLowerCase()) || hosts.has(bareHost(base).toLowerCase())) return true;
    const addresses = await resolve(bareHost(base)).catch(() => []);
    return addresses.some((address) => zoneOf(address) === 'loopback' || ranges.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4'));
  };

  return {
    async of(domain, purpose) {
      const base = baseOf(domain);
      const found: Endpoint[] = [];
      if (domain === HUB && purpose === 'pull') {
        for (const mirror of mirrorBases) found.push({ base: mirror, verify: !(await isInsecure(mirror)), mirror: true });
      }
      const lax = domain !== HUB && (await isInsecure(base));
      found.push({ base, verify: !lax, mirror: false });
      if (lax) found.push({ base: new URL(`http://${base.host}`), verify: true, mirror: false });
      return found;
    },
  };
}

function baseOf(domain: string): URL {
  const base = URL.parse(`https://${domain === HUB ? HUB_HOST : domain}`);
  if (base === null) throw invalid(`invalid registry name ${JSON.stringify(domain)}`);
  return base;
}

function parseMirror(text: string): URL {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) throw invalid(`invalid mirror: unsupported scheme in ${JSON.stringify(text)}: expected http:// or https://`);
  if (url.username !== '' || url.password !== '') throw invalid(`invalid mirror: username/password not allowed in URI ${JSON.stringify(`${url.protocol}//xxxxx:xxxxx@${url.host}/`)}`);
  if ((url.pathname !== '/' && url.pathname !== '') || url.search !== '' || url.hash !== '') {
    throw invalid(`invalid mirror: path, query, or fragment at end of the URI ${JSON.stringify(text)}`);
  }
  return url;
}
