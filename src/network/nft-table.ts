import type { FirewallState, FirewalledBridge, PublishedPort } from './firewall-state.ts';

/** `gantry`, or `gantry_<instance>` for an engine with a run folder of its own. */
export const tableName = (instance: string): string => (instance === '' ? 'gantry' : `gantry_${instance}`);

/**
 * The whole table as one transaction that replaces what was there. Published ports are elements of two maps: `published`
 * for every address of the host, `published_at` for one address; a packet costs one look-up however many there are.
 */
export function compileTable({ table, bridges, ports }: FirewallState): string {
  const outward = bridges.filter((bridge) => !bridge.internal);
  return `add table inet ${table}
delete table inet ${table}
table inet ${table} {
${set('bridges', bridges)}
${set('internal', bridges.filter((bridge) => bridge.internal))}
	map published {
		type inet_proto . inet_service : ipv4_addr . inet_service
${elements(ports.filter(isEverywhere).map(element))}	}
	map published_at {
		type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service
${elements(ports.filter((port) => !isEverywhere(port)).map(element))}	}
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
		dnat ip to ip daddr . meta l4proto . th dport map @published_at
		dnat ip to meta l4proto . th dport map @published
	}
	chain forward {
		type filter hook forward priority filter; policy accept;
		iifname @internal jump sealed
		oifname @internal jump sealed
		ct state established,related accept
		oifname @bridges jump inward
	}
	chain sealed {
${bridges.filter((bridge) => bridge.internal).map(({ name }) => `\t\tiifname "${name}" oifname "${name}" return\n`).join('')}		counter drop comment "internal networks end at their bridge"
	}
	chain inward {
		ct status dnat accept comment "published ports"
${bridges.map(({ name }) => `\t\tiifname "${name}" oifname "${name}" accept\n`).join('')}		counter drop comment "networks are closed to each other and to the outside"
	}
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		oifname @bridges ip saddr 127.0.0.0/8 masquerade comment "the host by its loopback"
${outward.map(({ name, subnet }) => `\t\tip saddr ${subnet} oifname "${name}" ct status dnat masquerade\n`).join('')}${outward
    .filter((bridge) => bridge.masquerade)
    .map(({ name, subnet }) => `\t\tip saddr ${subnet} oifname != "${name}" masquerade\n`)
    .join('')}	}
}
`;
}

/** Adds published ports to a table that is there. */
export function compileAdd(table: string, ports: readonly PublishedPort[]): string {
  return ports.map((port) => `add element inet ${table} ${mapOf(port)} { ${element(port)} }\n`).join('');
}

/** Takes published ports away; adding first makes it succeed when they were not there. */
export function compileDelete(table: string, ports: readonly PublishedPort[]): string {
  return compileAdd(table, ports) + ports.map((port) => `delete element inet ${table} ${mapOf(port)} { ${key(port)} }\n`).join('');
}

export const compileRemoval = (table: string): string => `add table inet ${table}\ndelete table inet ${table}\n`;

const isEverywhere = (port: PublishedPort): boolean => port.hostAddress === '0.0.0.0';
const mapOf = (port: PublishedPort): string => (isEverywhere(port) ? 'published' : 'published_at');
const key = (port: PublishedPort): string => `${isEverywhere(port) ? '' : `${port.hostAddress} . `}${port.protocol} . ${port.hostPort}`;
const element = (port: PublishedPort): string => `${key(port)} : ${port.address} . ${port.containerPort}`;

const elements = (list: readonly string[]): string => (list.length === 0 ? '' : `\t\telements = { ${list.join(', ')} }\n`);

function set(name: string, bridges: readonly FirewalledBridge[]): string {
  return `	set ${name} {
		type ifname
${elements(bridges.map((bridge) => `"${bridge.name}"`))}	}`;
}
