/**
 * The rules that decide about packets, as data: rendered to nft text for the kernel, and walked by `judge` for people who
 * ask why. One model, so that the answer is the kernel's.
 */
import type { Family } from './ip.ts';
import type { FirewallState, PublishedPort } from './firewall-state.ts';
import type { Protocol } from './record.ts';

/** Interfaces by what the networks behind them are. */
export type InterfaceSet = 'bridges' | 'internal' | 'apart' | 'routed4' | 'routed6' | 'unprotected4' | 'unprotected6';

type Match =
  | { is: 'established' }
  | { is: 'translated' }
  | { is: 'in'; set: InterfaceSet }
  | { is: 'out'; set: InterfaceSet }
  | { is: 'within' }
  | { is: 'trusted' }
  | { is: 'opened'; family: Family }
  | { is: 'linked' }
  | { is: 'family'; family: Family }
  | { is: 'icmp'; family: Family }
  | { is: 'api' };

type Verdict = 'accept' | 'drop' | 'return' | { jump: string };

export interface Rule {
  when: readonly Match[];
  verdict: Verdict;
  counted?: true;
  why?: string;
}

/** The chains that filter: `forward` and `input` are where packets come in. */
export const CHAINS: Readonly<Record<string, readonly Rule[]>> = {
  input: [{ when: [{ is: 'in', set: 'bridges' }, { is: 'api' }], verdict: 'drop', counted: true, why: "no container reaches the engine's API" }],
  forward: [
    { when: [{ is: 'in', set: 'internal' }], verdict: { jump: 'sealed' } },
    { when: [{ is: 'out', set: 'internal' }], verdict: { jump: 'sealed' } },
    { when: [{ is: 'established' }], verdict: 'accept', why: 'answers' },
    { when: [{ is: 'out', set: 'bridges' }], verdict: { jump: 'inward' } },
  ],
  sealed: [
    { when: [{ is: 'within' }], verdict: 'return' },
    { when: [], verdict: 'drop', counted: true, why: 'internal networks end at their bridge' },
  ],
  inward: [
    { when: [{ is: 'translated' }], verdict: 'accept', why: 'published ports' },
    { when: [{ is: 'within' }], verdict: { jump: 'within' } },
    { when: [{ is: 'trusted' }], verdict: 'accept', why: 'trusted host interfaces' },
    { when: [{ is: 'opened', family: 4 }], verdict: 'accept', why: 'published ports of routed networks' },
    { when: [{ is: 'opened', family: 6 }], verdict: 'accept', why: 'published ports of routed networks' },
    { when: [{ is: 'out', set: 'routed4' }, { is: 'icmp', family: 4 }], verdict: 'accept', why: 'routed networks answer pings' },
    { when: [{ is: 'out', set: 'routed6' }, { is: 'icmp', family: 6 }], verdict: 'accept', why: 'routed networks answer pings' },
    { when: [{ is: 'family', family: 4 }, { is: 'out', set: 'unprotected4' }], verdict: 'accept', why: 'networks without protection' },
    { when: [{ is: 'family', family: 6 }, { is: 'out', set: 'unprotected6' }], verdict: 'accept', why: 'networks without protection' },
    { when: [], verdict: 'drop', counted: true, why: 'networks are closed to each other and to the outside' },
  ],
  within: [
    { when: [{ is: 'linked' }], verdict: 'accept', why: 'linked containers' },
    { when: [{ is: 'in', set: 'apart' }], verdict: 'drop', counted: true, why: 'enable_icc is off' },
    { when: [], verdict: 'accept', why: 'containers of one network' },
  ],
};

export function renderRule({ when, verdict: outcome, counted, why }: Rule): string {
  const verdict = typeof outcome === 'string' ? outcome : `jump ${outcome.jump}`;
  return [...when.map(renderMatch), ...(counted ? ['counter'] : []), verdict, ...(why === undefined ? [] : [`comment "${why}"`])].join(' ');
}

function renderMatch(match: Match): string {
  switch (match.is) {
    case 'established':
      return 'ct state established,related';
    case 'translated':
      return 'ct status dnat';
    case 'in':
      return `iifname @${match.set}`;
    case 'out':
      return `oifname @${match.set}`;
    case 'within':
      return 'iifname . oifname @within';
    case 'trusted':
      return 'iifname . oifname @trusted';
    case 'opened':
      return match.family === 4 ? 'ip daddr . meta l4proto . th dport @opened4' : 'ip6 daddr . meta l4proto . th dport @opened6';
    case 'linked':
      return 'ip saddr . ip daddr . meta l4proto . th dport @linked';
    case 'family':
      return `meta nfproto ipv${match.family}`;
    case 'icmp':
      return match.family === 4 ? 'meta l4proto icmp' : 'meta l4proto ipv6-icmp';
    case 'api':
      return 'tcp dport @api';
  }
}

/** The first packet of a connection, after destination addresses were translated. */
export interface Packet {
  /** Interfaces of the host; a bridge, or something else outside. */
  in: string;
  out: string;
  source: string;
  destination: string;
  protocol: Protocol | 'icmp';
  port: number;
  /** Its destination was translated: it came to a published port. */
  translated: boolean;
}

export interface Judgement {
  allowed: boolean;
  chain: string;
  /** The deciding rule as nft shows it; undefined when none did and the chain's policy lets the packet pass. */
  rule: string | undefined;
}

/** What the chain says about a packet that begins a connection. */
export function judge(chain: 'forward' | 'input', packet: Packet, state: FirewallState): Judgement {
  const found = walk(chain, packet, state);
  return found ?? { allowed: true, chain, rule: undefined };
}

function walk(chain: string, packet: Packet, state: FirewallState): Judgement | undefined {
  for (const rule of CHAINS[chain] ?? []) {
    if (!rule.when.every((match) => holds(match, packet, state))) continue;
    if (rule.verdict === 'return') return undefined;
    if (typeof rule.verdict === 'string') return { allowed: rule.verdict === 'accept', chain, rule: renderRule(rule) };
    const inner = walk(rule.verdict.jump, packet, state);
    if (inner !== undefined) return inner;
  }
  return undefined;
}

function holds(match: Match, packet: Packet, state: FirewallState): boolean {
  const family = packet.destination.includes(':') ? 6 : 4;
  switch (match.is) {
    case 'established':
      return false;
    case 'translated':
      return packet.translated;
    case 'in':
      return members(state, match.set).includes(packet.in);
    case 'out':
      return members(state, match.set).includes(packet.out);
    case 'within':
      return packet.in === packet.out && members(state, 'bridges').includes(packet.in);
    case 'trusted':
      return state.networks.some(({ bridge, trusted }) => bridge === packet.out && trusted.includes(packet.in));
    case 'opened':
      return family === match.family && opened(state.ports, match.family).some((port) => port.address === packet.destination && port.protocol === packet.protocol && port.containerPort === packet.port);
    case 'linked':
      return state.links.some(({ from, to, protocol, port }) => from === packet.source && to === packet.destination && protocol === packet.protocol && port === packet.port);
    case 'family':
      return family === match.family;
    case 'icmp':
      return packet.protocol === 'icmp' && family === match.family;
    case 'api':
      return packet.protocol === 'tcp' && state.apiPorts.includes(packet.port);
  }
}

export function members({ networks }: Pick<FirewallState, 'networks'>, set: InterfaceSet): string[] {
  const belongs: Readonly<Record<InterfaceSet, (network: FirewallState['networks'][number]) => boolean>> = {
    bridges: () => true,
    internal: ({ internal }) => internal,
    apart: ({ communication }) => !communication,
    routed4: ({ mode4 }) => mode4 === 'routed',
    routed6: ({ mode6 }) => mode6 === 'routed',
    unprotected4: ({ mode4 }) => mode4 === 'nat-unprotected',
    unprotected6: ({ mode6 }) => mode6 === 'nat-unprotected',
  };
  return networks.filter(belongs[set]).map(({ bridge }) => bridge);
}

/** Ports that are open without translation. */
export const opened = (ports: readonly PublishedPort[], family: Family): PublishedPort[] => ports.filter((port) => port.family === family && port.hostPort === 0);
