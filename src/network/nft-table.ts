import type { ElementChange } from '#host/nft-elements.ts';
import type { FirewallState, FirewalledNetwork, LinkedPort, PublishedPort } from './firewall-state.ts';
import { CHAINS, members, opened, renderRule, type InterfaceSet } from './nft-rules.ts';

/** `gantry`, or `gantry_<instance>` for an engine with a run folder of its own. */
export const tableName = (instance: string): string => (instance === '' ? 'gantry' : `gantry_${instance}`);

/** A table of the administrator's, made when missing and never changed: see docs/networking.md. */
export const userTable = (table: string): string => `${table}_user`;

const SETS: readonly InterfaceSet[] = ['bridges', 'internal', 'apart', 'routed4', 'routed6', 'unprotected4', 'unprotected6'];

/**
 * The whole table as one transaction that replaces what was there. Published ports are elements of four maps:
 * `published4/6` for every address of the host, `published4/6_at` for one address; a packet costs one look-up however many
 * there are, and however many networks.
 */
export function compileTable(state: FirewallState): string {
  const { table, networks, ports, links, apiPorts } = state;
  const translated = ports.filter(({ hostPort }) => hostPort !== 0);
  const map = (name: MapName): string => elements(translated.filter((port) => mapOf(port) === name).map(element));
  const outward = networks.filter((network) => !network.internal);
  const hidden4 = outward.filter(({ masquerade, mode4 }) => masquerade && mode4.startsWith('nat'));
  const hidden6 = outward.filter(({ masquerade, mode6 }) => masquerade && mode6.startsWith('nat'));
  return `add table inet ${table}
delete table inet ${table}
table inet ${table} {
${SETS.map((name) => set(name, 'ifname', members(state, name).map(quoted))).join('\n')}
${set('within', 'ifname . ifname', networks.map(({ bridge }) => `${quoted(bridge)} . ${quoted(bridge)}`))}
${set('trusted', 'ifname . ifname', networks.flatMap(({ bridge, trusted }) => trusted.map((name) => `${quoted(name)} . ${quoted(bridge)}`)))}
${set('outward4', 'ipv4_addr', outward.flatMap(({ subnets4 }) => subnets4), 'interval')}
${set('outward6', 'ipv6_addr', outward.flatMap(({ subnets6 }) => subnets6), 'interval')}
${set('hidden4', 'ipv4_addr', hidden4.flatMap(({ subnets4 }) => subnets4), 'interval')}
${set('hidden6', 'ipv6_addr', hidden6.flatMap(({ subnets6 }) => subnets6), 'interval')}
${set('opened4', 'ipv4_addr . inet_proto . inet_service', opened(ports, 4).map(openedKey))}
${set('opened6', 'ipv6_addr . inet_proto . inet_service', opened(ports, 6).map(openedKey))}
${set('linked', 'ipv4_addr . ipv4_addr . inet_proto . inet_service', links.map(linkedKey))}
${set('api', 'inet_service', apiPorts.map(String))}
	map published4 {
		type inet_proto . inet_service : ipv4_addr . inet_service
${map('published4')}	}
	map published4_at {
		type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service
${map('published4_at')}	}
	map published6 {
		type inet_proto . inet_service : ipv6_addr . inet_service
${map('published6')}	}
	map published6_at {
		type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service
${map('published6_at')}	}
	chain raw {
		type filter hook prerouting priority raw; policy accept;
		iifname @bridges ip daddr 127.0.0.0/8 counter drop comment "no container reaches the host's loopback"
	}
	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		iifname != "lo" ip daddr 127.0.0.0/8 return comment "loopback ports are for the host only"
		fib daddr type local goto publish
	}
	chain output {
		type nat hook output priority -100; policy accept;
		fib daddr type local goto publish
	}
	chain publish {
		dnat ip to ip daddr . meta l4proto . th dport map @published4_at
		dnat ip to meta l4proto . th dport map @published4
		ip6 daddr ::1 return comment "the engine forwards what comes to ::1"
		dnat ip6 to ip6 daddr . meta l4proto . th dport map @published6_at
		dnat ip6 to meta l4proto . th dport map @published6
	}
${filter('input', 'type filter hook input priority filter; policy accept;')}
${filter('forward', 'type filter hook forward priority filter; policy accept;')}
${filter('sealed')}
${filter('inward')}
${filter('within')}
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		oifname @bridges ip saddr 127.0.0.0/8 masquerade comment "the host by its loopback"
		ip saddr @outward4 oifname @bridges ct status dnat masquerade comment "containers by published ports"
		ip6 saddr @outward6 oifname @bridges ct status dnat masquerade comment "containers by published ports"
${outward.flatMap(chosenSource).map((rule) => `\t\t${rule}\n`).join('')}		ip saddr @hidden4 oifname != @bridges masquerade
		ip6 saddr @hidden6 oifname != @bridges masquerade
	}
}
`;
}

function filter(name: string, head?: string): string {
  return `\tchain ${name} {\n${[...(head === undefined ? [] : [head]), ...(CHAINS[name] ?? []).map(renderRule)].map((line) => `\t\t${line}\n`).join('')}\t}`;
}

/** Networks that leave under an address of the host that was chosen for them. */
function chosenSource({ subnets4, subnets6, source4, source6, mode4, mode6 }: FirewalledNetwork): string[] {
  return [
    ...(source4 === undefined || !mode4.startsWith('nat') ? [] : subnets4.map((subnet) => `ip saddr ${subnet} oifname != @bridges snat ip to ${source4}`)),
    ...(source6 === undefined || !mode6.startsWith('nat') ? [] : subnets6.map((subnet) => `ip6 saddr ${subnet} oifname != @bridges snat ip6 to ${source6}`)),
  ];
}

/** Adds published ports and links to a table that is there, or takes them away. */
export function elementChanges(change: 'add' | 'delete', table: string, ports: readonly PublishedPort[], links: readonly LinkedPort[]): ElementChange[] {
  return [
    ...ports.map((port): ElementChange => {
      const { hostAddress, hostPort, protocol, address, containerPort } = port;
      if (hostPort === 0) return { change, table, set: placeOf(port), key: [{ address }, { protocol }, { port: containerPort }] };
      const at = isEverywhere(port) ? [] : [{ address: hostAddress }];
      return { change, table, set: placeOf(port), key: [...at, { protocol }, { port: hostPort }], value: [{ address }, { port: containerPort }] };
    }),
    ...links.map(({ from, to, protocol, port }): ElementChange => ({ change, table, set: 'linked', key: [{ address: from }, { address: to }, { protocol }, { port }] })),
  ];
}

export const compileRemoval = (table: string): string => `add table inet ${table}\ndelete table inet ${table}\n`;

/** Makes the administrator's chains where they are missing. */
export function compileUserTable(table: string): string {
  const name = userTable(table);
  return `add table inet ${name}
add chain inet ${name} forward { type filter hook forward priority filter - 5; policy accept; }
add chain inet ${name} input { type filter hook input priority filter - 5; policy accept; }
`;
}

/** Items of a table as nft prints it in JSON; none when there is no such table. */
export function listed(json: unknown): Record<string, unknown>[] {
  const list = typeof json === 'object' && json !== null && 'nftables' in json ? json.nftables : [];
  return Array.isArray(list) ? list.filter((item): item is Record<string, unknown> => typeof item === 'object' && item !== null) : [];
}

/**
 * Whether the table is as it was applied: others may have deleted it, flushed a chain or a map of it, deleted a rule. Ports
 * beside those of the state are on their way in or out.
 */
export function isWhole(json: unknown, state: FirewallState): boolean {
  const items = listed(json);
  const rules = compileTable(state).split('\n').filter((line) => /^\t\t(?!type |flags |elements )/.test(line)).length;
  const present = new Set(items.flatMap(({ map }) => elementKeys(map)));
  const wanted = state.ports.filter(({ hostPort }) => hostPort !== 0);
  return items.filter((item) => 'rule' in item).length === rules && wanted.every((port) => present.has(`${mapOf(port)} ${key(port)}`));
}

/** `published4 tcp . 8080` of each element. */
function elementKeys(map: unknown): string[] {
  if (typeof map !== 'object' || map === null || !('elem' in map) || !Array.isArray(map.elem) || !('name' in map)) return [];
  const { name } = map;
  return map.elem.map((element: unknown) => {
    const left: unknown = Array.isArray(element) ? element[0] : undefined;
    const parts = typeof left === 'object' && left !== null && 'concat' in left && Array.isArray(left.concat) ? left.concat : [];
    return `${String(name)} ${parts.map(String).join(' . ')}`;
  });
}

type MapName = 'published4' | 'published4_at' | 'published6' | 'published6_at';

const isEverywhere = (port: PublishedPort): boolean => port.hostAddress === '0.0.0.0' || port.hostAddress === '::';
const mapOf = (port: PublishedPort): MapName => `published${port.family}${isEverywhere(port) ? '' : '_at'}`;
const placeOf = (port: PublishedPort): string => (port.hostPort === 0 ? `opened${port.family}` : mapOf(port));
const key = (port: PublishedPort): string => `${isEverywhere(port) ? '' : `${port.hostAddress} . `}${port.protocol} . ${port.hostPort}`;
const element = (port: PublishedPort): string => `${key(port)} : ${port.address} . ${port.containerPort}`;
const openedKey = (port: PublishedPort): string => `${port.address} . ${port.protocol} . ${port.containerPort}`;
const linkedKey = ({ from, to, protocol, port }: LinkedPort): string => `${from} . ${to} . ${protocol} . ${port}`;
const quoted = (name: string): string => `"${name}"`;

const elements = (list: readonly string[]): string => (list.length === 0 ? '' : `\t\telements = { ${[...new Set(list)].join(', ')} }\n`);

function set(name: string, type: string, list: readonly string[], flags?: string): string {
  return `	set ${name} {
		type ${type}
${flags === undefined ? '' : `\t\tflags ${flags}\n`}${elements(list)}	}`;
}
