import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allocateAddress, chooseSubnet, claimAddress, DEFAULT_POOLS, macOf } from './address-pool.ts';
import { formatSubnet, overlaps, parseAddress, parseSubnet, type Subnet } from './ipv4.ts';
import type { BridgeRecord } from './record.ts';

const subnet = (text: string): Subnet => parseSubnet(text) ?? assert.fail(text);
const number = (text: string): number => parseAddress(text) ?? assert.fail(text);
const bridge = (changes: Partial<BridgeRecord> = {}): BridgeRecord => ({
  name: 'br0', owned: true, subnet: '10.9.0.0/29', subnetGiven: true, range: undefined, gateway: '10.9.0.1', reserved: {}, mtu: undefined,
  masquerade: true, communication: true, hostAddress: '0.0.0.0', ...changes,
});

test('subnets lose their host bits and refuse nonsense', () => {
  assert.equal(formatSubnet(subnet('10.1.2.3/8')), '10.0.0.0/8');
  assert.equal(formatSubnet(subnet('255.255.255.255/32')), '255.255.255.255/32');
  for (const text of ['10.0.0.0', '10.0.0.0/33', '10.0.0/8', '010.0.0.0/8', '10.0.0.0/8/8', 'fe80::/64', '10.0.0.0/-1', '']) {
    assert.equal(parseSubnet(text), undefined, text);
  }
  assert.ok(overlaps(subnet('172.20.0.0/14'), subnet('172.23.5.0/24')));
  assert.ok(!overlaps(subnet('172.20.0.0/14'), subnet('172.24.0.0/14')));
});

test('a new network gets the first subnet that nothing uses', () => {
  assert.equal(formatSubnet(chooseSubnet(DEFAULT_POOLS, [])), '172.17.0.0/16');
  assert.equal(formatSubnet(chooseSubnet(DEFAULT_POOLS, ['172.17.0.0/16', '172.18.3.0/24', '172.19.0.0/16', '172.20.0.0/15'].map(subnet))), '172.22.0.0/16');
  assert.equal(formatSubnet(chooseSubnet(DEFAULT_POOLS, [subnet('172.16.0.0/12')])), '192.168.0.0/20');
  assert.throws(() => chooseSubnet(DEFAULT_POOLS, [subnet('0.0.0.0/0')]), /fully subnetted/);
  assert.throws(() => chooseSubnet([{ base: '10.0.0.0/16', size: 8 }], []), /invalid default address pool/);
});

test('endpoints get the lowest free address, never network, broadcast, gateway or a reserved one', () => {
  const taken = new Set<number>();
  const network = bridge({ reserved: { router: '10.9.0.3' } });
  const given: string[] = [];
  for (let turn = 0; turn < 4; turn++) {
    const address = allocateAddress(network, taken);
    given.push(address);
    taken.add(number(address));
  }
  assert.deepEqual(given, ['10.9.0.2', '10.9.0.4', '10.9.0.5', '10.9.0.6']);
  assert.throws(() => allocateAddress(network, taken), /could not find an available IP address/);
  taken.delete(number('10.9.0.4'));
  assert.equal(allocateAddress(network, taken), '10.9.0.4');
});

test('an ip-range bounds what is given out, not what may be asked for', () => {
  const network = bridge({ subnet: '10.9.0.0/16', range: '10.9.5.0/30' });
  assert.equal(allocateAddress(network, new Set()), '10.9.5.0');
  assert.equal(claimAddress(network, new Set(), '10.9.7.7'), '10.9.7.7');
});

test('a chosen address must be free and inside a chosen subnet', () => {
  assert.throws(() => claimAddress(bridge({ subnetGiven: false }), new Set(), '10.9.0.4'), /user configured subnets/);
  assert.throws(() => claimAddress(bridge(), new Set(), '10.10.0.4'), /no configured subnet/);
  assert.throws(() => claimAddress(bridge(), new Set([number('10.9.0.4')]), '10.9.0.4'), /already in use/);
  assert.throws(() => claimAddress(bridge(), new Set(), '10.9.0.1'), /already in use/);
  assert.throws(() => claimAddress(bridge(), new Set(), 'ten'), /invalid IPv4 address/);
});

test('a MAC shows its address', () => {
  assert.equal(macOf('172.17.0.2'), '02:42:ac:11:00:02');
});
