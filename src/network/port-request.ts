import { isIPv6 } from 'node:net';
import { invalid, notImplemented } from '#base/errors.ts';
import type { PortMap } from '#spec/wire/container.ts';
import { parseAddress } from './ipv4.ts';
import type { Protocol } from './record.ts';

/** One published port as asked for. */
export interface PortRequest {
  containerPort: number;
  protocol: Protocol;
  hostAddress: string;
  /** Inclusive; undefined lets the engine choose. */
  hostPorts: { first: number; last: number } | undefined;
}

/** Reads `80/tcp`; the protocol may be left out. */
export function parsePort(text: string): { port: number; protocol: Protocol } {
  const match = /^(\d{1,5})(?:\/(tcp|udp|sctp))?$/i.exec(text);
  const port = Number(match?.[1]);
  if (match === null || port < 1 || port > 65535) throw invalid(`invalid port specification: ${JSON.stringify(text)}`);
  return { port, protocol: (match[2]?.toLowerCase() ?? 'tcp') as Protocol };
}

/** Every binding of a PortMap in its order. `defaultAddress` stands in for an empty HostIp. */
export function parsePortMap(ports: PortMap, defaultAddress: string): PortRequest[] {
  return Object.entries(ports).flatMap(([key, bindings]) => {
    const { port, protocol } = parsePort(key);
    return (bindings ?? []).map((binding) => ({
      containerPort: port,
      protocol,
      hostAddress: parseHostAddress(binding.HostIp, defaultAddress),
      hostPorts: parseHostPorts(binding.HostPort),
    }));
  });
}

function parseHostAddress(text: string | undefined, defaultAddress: string): string {
  if (text === undefined || text === '') return defaultAddress;
  if (isIPv6(text)) {
    throw notImplemented(`publishing on the IPv6 address ${text} is not supported yet; use an IPv4 address or leave it out`);
  }
  if (parseAddress(text) === undefined) throw invalid(`invalid host IP address for a published port: ${JSON.stringify(text)}`);
  return text;
}

function parseHostPorts(text: string | undefined): PortRequest['hostPorts'] {
  if (text === undefined || text === '' || text === '0') return undefined;
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? first);
  if (match === null || first < 1 || last > 65535 || last < first) throw invalid(`invalid host port: ${JSON.stringify(text)}`);
  return { first, last };
}
