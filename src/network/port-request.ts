import { isIP } from 'node:net';
import { invalid } from '#base/errors.ts';
import type { PortMap } from '#spec/wire/container.ts';
import { canonical, type Family } from './ip.ts';
import type { Protocol } from './record.ts';

/** One published port as asked for; the same number on each of the addresses. */
export interface PortRequest {
  containerPort: number;
  protocol: Protocol;
  hostAddresses: readonly string[];
  /** Inclusive; undefined lets the engine choose. */
  hostPorts: { first: number; last: number } | undefined;
}

/** How the sandbox can be reached. */
export interface PortSurroundings {
  /** Of the network: stands in for an empty HostIp; `0.0.0.0` means all addresses of both families. */
  defaultAddress: string;
  /** Families of the endpoint that serves the ports, `routed` without translation. */
  ways: Readonly<Record<Family, 'nat' | 'routed' | undefined>>;
  /** The engine may forward from the host's IPv6 to the container's IPv4. */
  forwards: boolean;
}

/** Reads `80/tcp`; the protocol may be left out. */
export function parsePort(text: string): { port: number; protocol: Protocol } {
  const match = /^(\d{1,5})(?:\/(tcp|udp|sctp))?$/i.exec(text);
  const port = Number(match?.[1]);
  if (match === null || port < 1 || port > 65535) throw invalid(`invalid port specification: ${JSON.stringify(text)}`);
  return { port, protocol: (match[2]?.toLowerCase() ?? 'tcp') as Protocol };
}

/** Every binding of a PortMap in its order, without those that no family of the container's can serve. */
export function parsePortMap(ports: PortMap, around: PortSurroundings): { requests: PortRequest[]; routed: { containerPort: number; protocol: Protocol; hostAddress: string }[] } {
  const requests: PortRequest[] = [];
  const routed: { containerPort: number; protocol: Protocol; hostAddress: string }[] = [];
  for (const [key, bindings] of Object.entries(ports)) {
    const { port: containerPort, protocol } = parsePort(key);
    for (const binding of bindings ?? []) {
      const hostPorts = parseHostPorts(binding.HostPort);
      const wanted = hostAddressesOf(binding.HostIp, around.defaultAddress);
      const translated = wanted.filter((address) => serves(around, address, protocol));
      if (translated.length > 0) requests.push({ containerPort, protocol, hostPorts, hostAddresses: translated });
      for (const hostAddress of wanted) if (around.ways[familyOf(hostAddress)] === 'routed') routed.push({ containerPort, protocol, hostAddress });
    }
  }
  return { requests, routed };
}

export const familyOf = (address: string): Family => (address.includes(':') ? 6 : 4);

function serves({ ways, forwards }: PortSurroundings, address: string, protocol: Protocol): boolean {
  const family = familyOf(address);
  if (ways[family] !== undefined) return ways[family] === 'nat';
  return family === 6 && ways[4] === 'nat' && forwards && protocol !== 'sctp';
}

function hostAddressesOf(text: string | undefined, defaultAddress: string): string[] {
  if (text !== undefined && text !== '') {
    if (isIP(text) === 0) throw invalid(`invalid host IP address for a published port: ${JSON.stringify(text)}`);
    return [canonical(text)];
  }
  return defaultAddress === '0.0.0.0' ? ['0.0.0.0', '::'] : [canonical(defaultAddress)];
}

function parseHostPorts(text: string | undefined): PortRequest['hostPorts'] {
  if (text === undefined || text === '' || text === '0') return undefined;
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? first);
  if (match === null || first < 1 || last > 65535 || last < first) throw invalid(`invalid host port: ${JSON.stringify(text)}`);
  return { first, last };
}
