import type { PortMap } from '#spec/wire/container.ts';
import { isIP } from 'node:net';
import { cutPair } from './csv.ts';

export interface Published {
  exposed: Record<string, Record<string, never>>;
  bindings: PortMap;
}

/** Reads `--publish` in all its forms: `80`, `8080:80/udp`, `127.0.0.1::80`, `[::1]:1-3:1-3`, `target=80,published=8080`. */
export function parsePublish(items: readonly string[]): Published {
  const result: Published = { exposed: {}, bindings: {} };
  for (const item of items) {
    for (const { port, ip, host } of parsePortSpec(standardNotation(item))) {
      result.exposed[port] = {};
      (result.bindings[port] ??= [])?.push({ HostIp: ip, HostPort: host });
    }
  }
  return result;
}

function standardNotation(item: string): string {
  if (!item.includes('=')) return item;
  const params: Record<string, string> = { protocol: 'tcp' };
  for (const param of item.split(',')) {
    const [key, value] = cutPair(param);
    if (value === undefined || key === '') throw new Error(`invalid publish opts format (should be name=value but got '${param}')`);
    params[key] = value;
  }
  return `${params['published'] ?? ''}:${params['target'] ?? ''}/${params['protocol'] ?? ''}`;
}

function parsePortSpec(spec: string): { port: string; ip: string; host: string }[] {
  const { ip: rawIp, host, container: rest } = splitParts(spec);
  const [container, proto] = splitProtocol(rest);
  if (container === '') throw new Error(`no port specified: ${spec}<empty>`);
  const ip = rawIp.startsWith('[') && rawIp.endsWith(']') ? rawIp.slice(1, -1) : rawIp;
  if (ip !== '' && isIP(ip) === 0) throw new Error(`invalid IP address: ${ip}`);
  const inside = portRange(container);
  if (!inside) throw new Error(`invalid containerPort: ${container}`);
  const outside = host === '' ? undefined : portRange(host);
  if (host !== '' && !outside) throw new Error(`invalid hostPort: ${host}`);
  if (outside && outside.last - outside.first !== inside.last - inside.first && inside.first !== inside.last) {
    throw new Error(`invalid ranges specified for container and host Ports: ${container} and ${host}`);
  }
  const ports: { port: string; ip: string; host: string }[] = [];
  for (let offset = 0; offset <= inside.last - inside.first; offset++) {
    // One port inside and a range outside: the engine picks one of the range.
    const wide = outside && inside.first === inside.last && outside.first !== outside.last;
    ports.push({
      port: `${inside.first + offset}/${proto}`,
      ip,
      host: outside ? (wide ? `${outside.first}-${outside.last}` : String(outside.first + offset)) : '',
    });
  }
  return ports;
}

function splitParts(spec: string): { ip: string; host: string; container: string } {
  const parts = spec.split(':');
  const container = parts.at(-1) ?? '';
  if (parts.length === 1) return { ip: '', host: '', container };
  if (parts.length === 2) return { ip: '', host: parts[0] ?? '', container };
  return { ip: parts.slice(0, -2).join(':'), host: parts.at(-2) ?? '', container };
}

function splitProtocol(text: string): [port: string, proto: string] {
  const [port, proto = 'tcp'] = cutPair(text, '/');
  const lower = proto === '' ? 'tcp' : proto.toLowerCase();
  if (!['tcp', 'udp', 'sctp'].includes(lower)) throw new Error(`invalid proto: ${proto}`);
  return [port, lower];
}

function portRange(text: string): { first: number; last: number } | undefined {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  if (!match) return undefined;
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  return last <= 65535 && first <= last ? { first, last } : undefined;
}

/** Reads `--expose`: a port or a range, with an optional protocol. */
export function parseExpose(items: readonly string[]): Record<string, Record<string, never>> {
  const exposed: Record<string, Record<string, never>> = {};
  for (const item of items) {
    if (item.includes(':')) throw new Error(`invalid port format for --expose: ${item}`);
    const [port, proto] = splitProtocol(item);
    const range = portRange(port);
    if (!range) throw new Error(`invalid range format for --expose: ${port}, error: ${/^\d*(-\d*)?$/.test(port) ? 'empty string specified for ports' : `strconv.ParseUint: parsing ${JSON.stringify(port)}: invalid syntax`}`);
    for (let at = range.first; at <= range.last; at++) exposed[`${at}/${proto}`] = {};
  }
  return exposed;
}
