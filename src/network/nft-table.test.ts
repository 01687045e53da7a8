import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import type { FirewallState, FirewalledNetwork, PublishedPort } from './firewall-state.ts';
import { judge, type Packet } from './nft-rules.ts';
import { compileTable, elementChanges, tableName } from './nft-table.ts';

const web: PublishedPort = { family: 4, protocol: 'tcp', hostAddress: '0.0.0.0', hostPort: 8080, address: '172.17.0.2', containerPort: 80 };
const name: PublishedPort = { family: 4, protocol: 'udp', hostAddress: '127.0.0.1', hostPort: 5353, address: '172.18.0.2', containerPort: 53 };
const six: PublishedPort = { family: 6, protocol: 'tcp', hostAddress: '::', hostPort: 8080, address: 'fd00:1::2', containerPort: 80 };
const open: PublishedPort = { family: 4, protocol: 'tcp', hostAddress: '0.0.0.0', hostPort: 0, address: '172.18.0.9', containerPort: 443 };

const network = (bridge: string, changes: Partial<FirewalledNetwork> = {}): FirewalledNetwork => ({
  bridge, internal: false, communication: true, masquerade: true, mode4: 'nat', mode6: 'nat', source4: undefined, source6: undefined, trusted: [], subnets4: [], subnets6: [], ...changes,
});
const state: FirewallState = {
  table: tableName('a1b2c3'),
  networks: [
    network('gantry0', { subnets4: ['172.17.0.0/16'], subnets6: ['fd00:1::/64'], communication: false }),
    network('br-routed', { subnets4: ['172.18.0.0/16'], mode4: 'routed', trusted: ['eth9'] }),
    network('br-sealed', { subnets4: ['172.19.0.0/16'], internal: true }),
    network('br-open', { subnets4: ['172.20.0.0/16'], mode4: 'nat-unprotected', source4: '192.0.2.7' }),
  ],
  ports: [web, name, six, open],
  links: [{ from: '172.17.0.3', to: '172.17.0.2', protocol: 'tcp', port: 80 }],
  apiPorts: [2376],
};

/** GOLDEN=1 writes the file anew. */
function golden(file: string, text: string): void {
  const url = new URL(`./testdata/${file}`, import.meta.url);
  if (process.env['GOLDEN'] !== undefined) writeFileSync(url, text);
  assert.equal(text, readFileSync(url, 'utf8'));
}

test('the table of an engine without networks or ports', () => {
  golden('empty.nft', compileTable({ table: 'gantry', networks: [], ports: [], links: [], apiPorts: [] }));
});

test('the table of networks of every kind and ports of all', () => {
  golden('full.nft', compileTable(state));
});

test('one port comes and goes as one element', () => {
  assert.deepEqual(elementChanges('add', 'gantry', [web, name], []), [
    { change: 'add', table: 'gantry', set: 'published4', key: [{ protocol: 'tcp' }, { port: 8080 }], value: [{ address: '172.17.0.2' }, { port: 80 }] },
    { change: 'add', table: 'gantry', set: 'published4_at', key: [{ address: '127.0.0.1' }, { protocol: 'udp' }, { port: 5353 }], value: [{ address: '172.18.0.2' }, { port: 53 }] },
  ]);
  assert.deepEqual(elementChanges('delete', 'gantry', [open], [{ from: '10.0.0.1', to: '10.0.0.2', protocol: 'tcp', port: 1 }]), [
    { change: 'delete', table: 'gantry', set: 'opened4', key: [{ address: '172.18.0.9' }, { protocol: 'tcp' }, { port: 443 }] },
    { change: 'delete', table: 'gantry', set: 'linked', key: [{ address: '10.0.0.1' }, { address: '10.0.0.2' }, { protocol: 'tcp' }, { port: 1 }] },
  ]);
});

test('the same rules tell why a packet passes or not', () => {
  const packet = (changes: Partial<Packet>): Packet => ({ in: 'eth0', out: 'gantry0', source: '192.0.2.1', destination: '172.17.0.2', protocol: 'tcp', port: 80, translated: false, ...changes });
  const verdict = (changes: Partial<Packet>, chain: 'forward' | 'input' = 'forward'): string => {
    const { allowed, rule, chain: where } = judge(chain, packet(changes), state);
    return `${allowed ? 'yes' : 'no'} ${where}: ${/comment "(.*)"/.exec(rule ?? '')?.[1] ?? rule ?? 'policy'}`;
  };
  assert.equal(verdict({ translated: true }), 'yes inward: published ports');
  assert.equal(verdict({}), 'no inward: networks are closed to each other and to the outside');
  assert.equal(verdict({ in: 'gantry0', source: '172.17.0.3' }), 'yes within: linked containers');
  assert.equal(verdict({ in: 'gantry0', source: '172.17.0.4' }), 'no within: enable_icc is off');
  assert.equal(verdict({ in: 'br-open', out: 'br-open', destination: '172.20.0.2' }), 'yes within: containers of one network');
  assert.equal(verdict({ out: 'br-routed', destination: '172.18.0.9', port: 443 }), 'yes inward: published ports of routed networks');
  assert.equal(verdict({ out: 'br-routed', destination: '172.18.0.9', port: 80 }), 'no inward: networks are closed to each other and to the outside');
  assert.equal(verdict({ out: 'br-routed', destination: '172.18.0.9', protocol: 'icmp' }), 'yes inward: routed networks answer pings');
  assert.equal(verdict({ in: 'eth9', out: 'br-routed', destination: '172.18.0.9' }), 'yes inward: trusted host interfaces');
  assert.equal(verdict({ out: 'br-open', destination: '172.20.0.2' }), 'yes inward: networks without protection');
  assert.equal(verdict({ in: 'br-sealed', out: 'eth0', source: '172.19.0.2', destination: '192.0.2.1' }), 'no sealed: internal networks end at their bridge');
  assert.equal(verdict({ in: 'gantry0', out: 'eth0', source: '172.17.0.2', destination: '192.0.2.1' }), 'yes forward: policy');
  assert.equal(verdict({ in: 'gantry0', destination: '172.17.0.1', port: 2376 }, 'input'), "no input: no container reaches the engine's API");
  assert.equal(verdict({ in: 'gantry0', destination: '172.17.0.1', port: 22 }, 'input'), 'yes input: policy');
});
