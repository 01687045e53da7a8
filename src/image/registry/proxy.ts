import { isIP, BlockList } from 'node:net';
import { parseRange, bareHost } from './addresses.ts';

/** Proxies as HTTP_PROXY, HTTPS_PROXY and NO_PROXY say it; '' is none. */
export interface ProxySettings {
  http: string;
  https: string;
  no: string;
}

/** The proxy for a URL, by the rules of Go's `httpproxy`; loopback never goes through one. */
export function proxyFor(settings: ProxySettings, url: URL): URL | undefined {
  const given = url.protocol === 'https:' ? settings.https : settings.http;
  if (given === '' || bypassed(settings.no, url)) return undefined;
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(given) ? given : `http://${given}`;
  const proxy = URL.parse(text);
  return proxy === null || (proxy.protocol !== 'http:' && proxy.protocol !== 'https:') ? undefined : proxy;
}

function bypassed(list: string, url: URL): boolean {
  const host = bareHost(url).toLowerCase();
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  if (host === 'localhost' || /^127\./.test(host) || host === '::1') return true;
  return list.split(',').map((item) => item.trim().toLowerCase()).filter((item) => item !== '').some((item) => matches(item, host, port));
}

function matches(item: string, host: string, port: string): boolean {
  if (item === '*') return true;
  const range = parseRange(item);
  if (range !== undefined) {
    if (isIP(host) !== isIP(range.address)) return false;
    const within = new BlockList();
    const family = isIP(host) === 6 ? 'ipv6' : 'ipv4';
    within.addSubnet(range.address, range.bits, family);
    return within.check(host, family);
  }
  const colon = /^(.*?):(\d+)$/.exec(item);
  if (colon !== null && colon[2] !== port) return false;
  const name = (colon?.[1] ?? item).replace(/^\[|\]$/g, '').replace(/^\*(?=\.)/, '');
  return name.startsWith('.') ? host.endsWith(name) : host === name || host.endsWith(`.${name}`);
}
