/**
 * Living beside another firewall. A packet must be accepted by every base chain of a hook, and iptables' FORWARD chain,
 * when its policy is "drop" (as Docker sets it), would drop our containers' packets. So our bridges are let through there:
 * in DOCKER-USER, the place that Docker documents for rules of others and keeps over its restarts, else in FORWARD itself.
 * What is let through there is still judged by our own table. Only matches that iptables can express are used.
 */

/** `engine`: published ports are let through another firewall's chain. `host`: that firewall decides about them itself. */
export type PublishPolicy = 'engine' | 'host';

export interface ForeignChains {
  family: 'ip' | 'ip6';
  /** JSON of `nft -j list chain FAMILY filter ...`; undefined when there is no such chain. */
  forward: unknown;
  user: unknown;
  isolation: unknown;
}

interface Rule {
  handle: number;
  expr: readonly unknown[];
}

interface Chain {
  policy: string | undefined;
  rules: readonly Rule[];
}

/** The nft text that brings the other firewall's chain to letting exactly `bridges` through; empty when it is so already. */
export function compileForeign(chains: ForeignChains, bridges: readonly string[], formerBridges: readonly string[] = [], policy: PublishPolicy = 'engine'): string {
  const { family } = chains;
  const forward = parseChain(chains.forward);
  if (forward === undefined) return '';
  const user = parseChain(chains.user);
  const wanted = forward.policy === 'drop' ? bridges : [];
  const isolation = user !== undefined && parseChain(chains.isolation) !== undefined ? 'DOCKER-ISOLATION-STAGE-2' : undefined;
  const ours = new Set([...bridges, ...formerBridges]);
  const texts: string[] = [];
  for (const [name, chain] of [['FORWARD', forward], ['DOCKER-USER', user]] as const) {
    if (chain === undefined) continue;
    const target = name === (user === undefined ? 'FORWARD' : 'DOCKER-USER');
    const present = chain.rules.map((rule) => ({ handle: rule.handle, text: ourRule(rule, ours) })).filter(({ text }) => text !== undefined);
    const rules = target ? wanted.flatMap((bridge) => rulesFor(bridge, isolation, policy)) : [];
    if (present.map(({ text }) => text).join('\n') === rules.join('\n') && (rules.length === 0 || leads(chain, present))) continue;
    for (const { handle } of present) texts.push(`delete rule ${family} filter ${name} handle ${handle}\n`);
    for (const rule of rules.toReversed()) texts.push(`insert rule ${family} filter ${name} ${rule}\n`);
  }
  return texts.join('');
}

function rulesFor(bridge: string, isolation: string | undefined, policy: PublishPolicy): string[] {
  return [
    // Under `host` the other firewall must itself let answers in; a match for them would be one that iptables cannot show.
    ...(policy === 'host' ? [] : [`oifname "${bridge}" counter accept`]),
    ...(isolation === undefined ? [] : [`iifname "${bridge}" counter jump ${isolation}`]),
    `iifname "${bridge}" counter accept`,
  ];
}

/** Our rules stand before all others: behind another's drop they would be of no use. */
function leads(chain: Chain, present: readonly { handle: number }[]): boolean {
  return present.every(({ handle }, index) => chain.rules[index]?.handle === handle);
}

/** The rule in our own words when it is one of ours. */
function ourRule(rule: Rule, ours: ReadonlySet<string>): string | undefined {
  const parts: string[] = [];
  let matches = 0;
  for (const part of rule.expr) {
    if (!isObject(part)) return undefined;
    if ('match' in part) {
      const text = interfaceMatch(part['match']);
      if (text === undefined || !ours.has(text.name)) return undefined;
      matches++;
      parts.push(`${text.key} "${text.name}"`);
    } else if ('counter' in part) parts.push('counter');
    else if ('accept' in part) parts.push('accept');
    else if ('jump' in part && isObject(part['jump'])) parts.push(`jump ${String(part['jump']['target'])}`);
    else return undefined;
  }
  return matches === 1 ? parts.join(' ') : undefined;
}

function interfaceMatch(match: unknown): { key: string; name: string } | undefined {
  if (!isObject(match) || match['op'] !== '==' || !isObject(match['left']) || !isObject(match['left']['meta'])) return undefined;
  const { key } = match['left']['meta'];
  const name = match['right'];
  return (key === 'iifname' || key === 'oifname') && typeof name === 'string' ? { key, name } : undefined;
}

function parseChain(json: unknown): Chain | undefined {
  if (!isObject(json) || !Array.isArray(json['nftables'])) return undefined;
  let policy: string | undefined;
  const rules: Rule[] = [];
  for (const item of json['nftables'] as unknown[]) {
    if (!isObject(item)) continue;
    const { chain, rule } = item;
    if (isObject(chain) && typeof chain['policy'] === 'string') policy = chain['policy'];
    if (isObject(rule) && typeof rule['handle'] === 'number' && Array.isArray(rule['expr'])) rules.push({ handle: rule['handle'], expr: rule['expr'] });
  }
  return { policy, rules };
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
