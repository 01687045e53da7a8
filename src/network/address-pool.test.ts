import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allocateAddress, BRIDGE_POOLS, chooseSubnet, claimAddress, DEFAULT_POOLS, macOf, usageOf, withUla } from './address-pool.ts';
import { canonical, formatAddress, formatSubnet, overlaps, parseAddress, parseSubnet, type Subnet } from './ip.ts';
import { asNetworkId } from '#spec/ids.ts';
import type { PoolRecord } from './record.ts';

const subnet = (text: string): Subnet => parseSubnet(text) ?? assert.fail(text);
const network = { name: 'net', id: asNetworkId('a'.repeat(64)) };
const pool = (changes: Partial<PoolRecord> = {}): PoolRecord => ({ family: 4, subnet: '10.9.0.0/29', given: true, range: undefined, gateway: '10.9.0.1', reserved: {}, ...changes });

test('addresses of both families are numbers and back', () => {
  for (const text of ['10.1.2.3', '255.255.255.255', '::', '::1', 'fe80::1', '2001:db8:0:1::', 'fd00::ffff:1', '1:2:3:4:5:6:7:8', '::ffff:1.2.3.4']) {
    const address = parseAddress(text) ?? assert.fail(text);
    assert.equal(formatAddress(address), text);
  }
  assert.equal(canonical('FD00:0:0:0::0001'), 'fd00::1');
  assert.equal(canonical('::ffff:0102:0304'), '::ffff:1.2.3.4');
  for (const text of ['', 'fe80::1%eth0', '1.2.3', '1::2::3', ':::']) assert.equal(parseAddress(text), undefined, text);
});

test('subnets lose their host bits and refuse nonsense', () => {
  assert.equal(formatSubnet(subnet('10.1.2.3/8')), '10.0.0.0/8');
  assert.equal(formatSubnet(subnet('255.255.255.255/32')), '255.255.255.255/32');
  for (const text of ['10.0.0.0', '10.0.0.0/33', '10.0.0/8', '010.0.0.0/8', '10.0.0.0/8/8', 'fe80::/129', '10.0.0.0/-1', '']) {
    assert.equal(parseSubnet(text), undefined, text);
  }
  assert.equal(formatSubnet(subnet('fd00:1:2:3:4::9/64')), 'fd00:1:2:3::/64');
  assert.ok(!overlaps(subnet('::/0'), subnet('10.0.0.0/8')));
  assert.ok(overlaps(subnet('172.20.0.0/14'), subnet('172.23.5.0/24')));
  assert.ok(!overlaps(subnet('172.20.0.0/14'), subnet('172.24.0.0/14')));
});

test('a new network gets the first subnet that nothing uses', () => {
  assert.equal(formatSubnet(chooseSubnet(BRIDGE_POOLS, 4, [])), '172.17.0.0/16');
  assert.equal(formatSubnet(chooseSubnet(BRIDGE_POOLS, 4, ['172.17.0.0/16', '172.18.3.0/24', '172.19.0.0/16', '172.20.0.0/15'].map(subnet))), '172.22.0.0/16');
  assert.equal(formatSubnet(chooseSubnet(DEFAULT_POOLS, 4, ['172.17.0.0/16', '172.18.5.0/24', '172.18.0.0/22'].map(subnet))), '172.18.8.0/22');
  assert.equal(formatSubnet(chooseSubnet(DEFAULT_POOLS, 4, [subnet('172.16.0.0/12'), subnet('fd00::/8')])), '192.168.0.0/22');
  assert.throws(() => chooseSubnet(DEFAULT_POOLS, 4, [subnet('0.0.0.0/0')]), { message: 'all predefined address pools have been fully subnetted' });
  assert.throws(() => chooseSubnet([{ base: '10.0.0.0/16', size: 8 }], 4, []), /invalid default address pool/);
});

test('hundreds of networks find room', () => {
  const taken: Subnet[] = [];
  for (let count = 0; count < 900; count++) taken.push(chooseSubnet(DEFAULT_POOLS, 4, taken));
  assert.equal(new Set(taken.map(formatSubnet)).size, 900);
});

test('IPv6 subnets come from a prefix of the machine\'s own, unless pools are given', () => {
  const pools = withUla(DEFAULT_POOLS, 'machine');
  const first = chooseSubnet(pools, 6, []);
  assert.match(formatSubnet(first), /^fd[0-9a-f]{2}:[0-9a-f]{1,4}:[0-9a-f]{1,4}::\/64$/);
  assert.notEqual(formatSubnet(chooseSubnet(pools, 6, [first])), formatSubnet(first));
  assert.notEqual(formatSubnet(chooseSubnet(withUla(DEFAULT_POOLS, 'another'), 6, [])), formatSubnet(first));
  const given = [{ base: '2001:db8::/56', size: 64 }];
  assert.equal(withUla(given, 'machine'), given);
  assert.equal(formatSubnet(chooseSubnet(given, 6, [subnet('2001:db8::/63')])), '2001:db8:0:2::/64');
});

test('endpoints get the lowest free address, never network, broadcast, gateway or a reserved one', () => {
  const taken = new Set<string>();
  const pools = [pool({ reserved: { router: '10.9.0.3' } })];
  const given: string[] = [];
  for (let turn = 0; turn < 4; turn++) {
    const { address } = allocateAddress(network, pools, taken);
    given.push(address);
    taken.add(address);
  }
  assert.deepEqual(given, ['10.9.0.2', '10.9.0.4', '10.9.0.5', '10.9.0.6']);
  assert.throws(() => allocateAddress(network, pools, taken), { code: 'unavailable', message: /^no available IPv4 addresses on this network's address pools: net \(a+\)$/ });
  assert.equal(allocateAddress(network, [...pools, pool({ subnet: '10.8.0.0/24', gateway: '10.8.0.1' })], taken).address, '10.8.0.2', 'the next subnet serves');
  taken.delete('10.9.0.4');
  assert.equal(allocateAddress(network, pools, taken).address, '10.9.0.4');
});

test('an IPv6 pool gives addresses after its gateway', () => {
  const pools = [pool({ family: 6, subnet: 'fd00:9::/64', gateway: 'fd00:9::1' })];
  assert.equal(allocateAddress(network, pools, new Set(['fd00:9::2'])).address, 'fd00:9::3');
  assert.equal(claimAddress(pools, new Set(), 'FD00:9:0:0::00ff').address, 'fd00:9::ff');
});

test('an ip-range bounds what is given out, not what may be asked for', () => {
  const pools = [pool({ subnet: '10.9.0.0/16', range: '10.9.5.0/30' })];
  assert.equal(allocateAddress(network, pools, new Set()).address, '10.9.5.0');
  assert.equal(claimAddress(pools, new Set(), '10.9.7.7').address, '10.9.7.7');
});

test('a chosen address must be free and inside a subnet', () => {
  assert.throws(() => claimAddress([pool()], new Set(), '10.10.0.4'), /no configured subnet/);
  assert.throws(() => claimAddress([pool()], new Set(['10.9.0.4']), '10.9.0.4'), { code: 'forbidden', message: 'Address already in use' });
  assert.throws(() => claimAddress([pool()], new Set(), '10.9.0.1'), /already in use/);
  assert.throws(() => claimAddress([pool()], new Set(), 'ten'), /invalid IP address/);
});

test('a MAC shows its address', () => {
  assert.equal(macOf('172.17.0.2'), '02:42:ac:11:00:02');
});

test('what is left of a pool', () => {
  const taken = new Set(['10.9.0.2', 'fd00::5', '10.8.0.1']);
  assert.deepEqual(usageOf(pool({ reserved: { a: '10.9.0.6' } }), taken), { IPsInUse: 5n, DynamicIPsAvailable: 3n });
  assert.deepEqual(usageOf(pool({ range: '10.9.0.4/30' }), taken), { IPsInUse: 4n, DynamicIPsAvailable: 3n });
  assert.deepEqual(usageOf(pool({ family: 6, subnet: 'fd00::/48', gateway: 'fd00::1' }), taken), { IPsInUse: 3n, DynamicIPsAvailable: 2n ** 64n - 1n });
});
