/** Who can reach what and which rule decides: answered by walking the rules that the kernel was given. */
import { conflict, invalid } from '#base/errors.ts';
import type { ContainerId } from '#spec/ids.ts';
import type { NetworkPath, PublishedPortInfo } from '#spec/wire/network.ts';
import type { FirewallState } from './firewall-state.ts';
import { formatAddress, parseAddress } from './ip.ts';
import { judge, type Judgement } from './nft-rules.ts';
import { familyOf } from './port-request.ts';
import type { EndpointRecord, NetworkRecord, PortRecord, Protocol, SandboxRecord } from './record.ts';
import { forwardTarget, gatewayEndpoint } from './sandbox-view.ts';

export interface ReachFacts {
  state: FirewallState;
  living: readonly SandboxRecord[];
  networks: readonly NetworkRecord[];
}

/** `world`: another machine that routes to this one. */
export type Party = { kind: 'host' } | { kind: 'world' } | { kind: 'container'; sandbox: SandboxRecord };

export interface Question {
  from: Party;
  to: Party;
  /** Undefined asks about pings. */
  port: number | undefined;
  protocol: Protocol;
}

/** The interface that stands for everything outside. */
const OUTSIDE = '(outside)';

export function explainPaths(facts: ReachFacts, question: Question): NetworkPath[] {
  const { from, to } = question;
  if (to.kind === 'container') return [...directPaths(facts, from, to.sandbox, question), ...publishedPaths(facts, from, to.sandbox, question)];
  if (from.kind !== 'container') throw invalid('what the host and other machines send each other is not this engine\'s affair: name a container');
  return outwardPaths(facts, from.sandbox, to.kind, question);
}

/** To the container's own addresses. */
function directPaths(facts: ReachFacts, from: Party, target: SandboxRecord, question: Question): NetworkPath[] {
  return target.endpoints.flatMap((endpoint) =>
    [endpoint.address, endpoint.address6].flatMap((address): NetworkPath[] => {
      if (address === undefined) return [];
      const network = facts.networks.find(({ id }) => id === endpoint.network);
      const base = { Way: 'direct', Network: endpoint.networkName, Address: address, HostPort: '' } as const;
      const told = (verdict: Judgement, reason = ''): NetworkPath => ({ ...base, ...shown(verdict), ...(reason === '' ? {} : { Reason: reason }) });
      if (network?.via?.kind !== 'bridge') return [told(...besideTheBridge(from, endpoint, network))];
      const packet = { out: network.via.name, destination: address, protocol: question.port === undefined ? ('icmp' as const) : question.protocol, port: question.port ?? 0, translated: false };
      if (from.kind === 'host') return [told(free('output'), 'what the host itself sends is not filtered')];
      if (from.kind === 'world') return [told(judge('forward', { ...packet, in: OUTSIDE, source: '' }, facts.state), 'for machines that have a route to the container\'s address')];
      const own = from.sandbox.endpoints.find(({ network: id }) => id === endpoint.network);
      const source = familyOf(address) === 4 ? own?.address : own?.address6;
      if (source !== undefined) return [told(judge('forward', { ...packet, in: network.via.name, source }, facts.state), 'both are on the network')];
      const way = gatewayEndpoint(from.sandbox.endpoints, familyOf(address));
      const by = facts.networks.find(({ id }) => id === way?.network)?.via;
      if (way === undefined || by?.kind !== 'bridge') return [];
      return [told(judge('forward', { ...packet, in: by.name, source: (familyOf(address) === 4 ? way.address : way.address6) ?? '' }, facts.state), `by the gateway of ${way.networkName}`)];
    }),
  );
}

/** macvlan, ipvlan and plugins: the firewall of this machine sees nothing of what stays on their wire. */
function besideTheBridge(from: Party, endpoint: EndpointRecord, network: NetworkRecord | undefined): [Judgement, string] {
  const driver = network?.driver ?? endpoint.driver;
  if (from.kind === 'container' && from.sandbox.endpoints.some(({ network: id }) => id === endpoint.network)) {
    const apart = network?.via?.kind === 'macvlan' && (network.via.mode === 'private' || network.via.mode === 'vepa');
    return [{ allowed: !apart, chain: '', rule: undefined }, apart ? 'macvlan in this mode keeps containers apart' : `both are on the network, which is ${driver}'s`];
  }
  if (from.kind === 'world') return [{ allowed: true, chain: '', rule: undefined }, `who is on the same wire reaches it: ${driver} has no firewall of ours`];
  return [{ allowed: false, chain: '', rule: undefined }, `${driver} has no way between the container and ${from.kind === 'host' ? 'the host' : 'other networks'}`];
}

/** To the host's ports that lead to the container. */
function publishedPaths(facts: ReachFacts, from: Party, target: SandboxRecord, { port, protocol }: Question): NetworkPath[] {
  const ports = target.ports.filter((item) => item.hostPort !== 0 && (port === undefined || (item.containerPort === port && item.protocol === protocol)));
  return ports.flatMap((item): NetworkPath[] => {
    const [kernel, engine] = [kernelTarget(target, item), forwardTarget(target, item)];
    const address = kernel?.address ?? engine?.address;
    if (address === undefined) return [];
    const base = { Way: 'published', Network: (kernel ?? gatewayEndpoint(target.endpoints))?.networkName ?? '', Address: address, HostPort: portText(item) } as const;
    const loopback = item.hostAddress === '::1' || item.hostAddress.startsWith('127.');
    if (loopback && from.kind !== 'host') return [{ ...base, Allowed: false, Chain: 'prerouting', Rule: '', Reason: 'the port is published on the host\'s loopback' }];
    if (from.kind === 'host') return [{ ...base, ...shown(free('output')), Reason: 'the host\'s own ports are open to it' }];
    const source = from.kind === 'container' ? gatewayEndpoint(from.sandbox.endpoints, familyOf(item.hostAddress)) : undefined;
    const via = facts.networks.find(({ id }) => id === source?.network)?.via;
    if (from.kind === 'container' && via?.kind !== 'bridge') return [];
    const entry = via?.kind === 'bridge' ? via.name : OUTSIDE;
    if (kernel === undefined) {
      const verdict = judge('input', { in: entry, out: '', source: source?.address6 ?? '', destination: '', protocol: item.protocol, port: item.hostPort, translated: false }, facts.state);
      return [{ ...base, ...shown(verdict), Reason: 'the engine forwards it to IPv4' }];
    }
    const out = facts.networks.find(({ id }) => id === kernel.network)?.via;
    const verdict = judge('forward', { in: entry, out: out?.kind === 'bridge' ? out.name : '', source: '', destination: address, protocol: item.protocol, port: item.containerPort, translated: true }, facts.state);
    return [{ ...base, ...shown(verdict) }];
  });
}

/** From a container to the host's own services or to other machines. */
function outwardPaths(facts: ReachFacts, sandbox: SandboxRecord, to: 'host' | 'world', { port, protocol }: Question): NetworkPath[] {
  return sandbox.endpoints.flatMap((endpoint): NetworkPath[] => {
    const network = facts.networks.find(({ id }) => id === endpoint.network);
    const base = { Way: 'direct', Network: endpoint.networkName, Address: endpoint.gateway ?? endpoint.gateway6 ?? '', HostPort: '' } as const;
    if (network?.via?.kind !== 'bridge') {
      return [{ ...base, Allowed: to === 'world', Chain: '', Rule: '', Reason: to === 'world' ? 'by the wire of its parent interface' : `${endpoint.driver} has no way between the container and the host` }];
    }
    const packet = { in: network.via.name, source: endpoint.address ?? endpoint.address6 ?? '', protocol: port === undefined ? ('icmp' as const) : protocol, port: port ?? 0, translated: false };
    const isWay = gatewayEndpoint(sandbox.endpoints) === endpoint || gatewayEndpoint(sandbox.endpoints, 6) === endpoint;
    if (to === 'host') return [{ ...base, ...shown(judge('input', { ...packet, out: '', destination: base.Address }, facts.state)) }];
    const verdict = judge('forward', { ...packet, out: OUTSIDE, destination: '192.0.2.1' }, facts.state);
    return isWay || !verdict.allowed ? [{ ...base, ...shown(verdict) }] : [];
  });
}

function kernelTarget(sandbox: SandboxRecord, port: PortRecord): { address: string; network: string; networkName: string } | undefined {
  const family = familyOf(port.hostAddress);
  const endpoint = gatewayEndpoint(sandbox.endpoints, family);
  const address = family === 4 ? endpoint?.address : endpoint?.address6;
  return address === undefined || port.hostAddress === '::1' || endpoint?.driver !== 'bridge' ? undefined : { address, network: endpoint.network, networkName: endpoint.networkName };
}

const free = (chain: string): Judgement => ({ allowed: true, chain, rule: undefined });
const shown = ({ allowed, chain, rule }: Judgement): Pick<NetworkPath, 'Allowed' | 'Chain' | 'Rule'> => ({ Allowed: allowed, Chain: chain, Rule: rule ?? '' });
const portText = ({ hostAddress, hostPort, protocol }: PortRecord): string => `${hostAddress.includes(':') ? `[${hostAddress}]` : hostAddress}:${hostPort}/${protocol}`;

/** Every published port with the one who carries it. */
export function publishedPortInfo(living: readonly SandboxRecord[], nameOf: (id: ContainerId) => string | undefined): PublishedPortInfo[] {
  return living.flatMap((sandbox) =>
    sandbox.ports.map((port): PublishedPortInfo => {
      const kernel = port.hostPort === 0 ? gatewayEndpoint(sandbox.endpoints, familyOf(port.hostAddress)) : kernelTarget(sandbox, port);
      const address = familyOf(port.hostAddress) === 4 || kernel === undefined ? kernel?.address : 'address6' in kernel ? kernel.address6 : kernel.address;
      return {
        Container: sandbox.container, Name: nameOf(sandbox.container) ?? sandbox.name, HostIp: port.hostAddress, HostPort: port.hostPort, Protocol: port.protocol,
        Address: address ?? forwardTarget(sandbox, port)?.address ?? '', Port: port.containerPort, Network: kernel?.networkName ?? gatewayEndpoint(sandbox.endpoints)?.networkName ?? '',
        By: port.hostPort === 0 ? 'routing' : kernel === undefined ? 'engine' : 'kernel',
      };
    }),
  );
}

/** `host`, `world`, an address (one of a container stands for it, one of a gateway for the host), or a container. */
export function partyOf(text: string, { living, networks }: ReachFacts, find: (name: string) => ContainerId): Party {
  if (text === 'host' || text === 'world') return { kind: text };
  const address = parseAddress(text);
  if (address === undefined) {
    const id = find(text);
    const sandbox = living.find(({ container }) => container === id);
    if (sandbox === undefined) throw conflict(`container ${text} has no network of its own now: it does not run, or shares another's`);
    return { kind: 'container', sandbox };
  }
  const own = formatAddress(address);
  const holder = living.find(({ endpoints }) => endpoints.some((endpoint) => endpoint.address === own || endpoint.address6 === own));
  if (holder !== undefined) return { kind: 'container', sandbox: holder };
  const isHost = own === '::1' || own.startsWith('127.') || networks.some(({ pools }) => pools.some(({ gateway }) => gateway === own));
  return { kind: isHost ? 'host' : 'world' };
}
