import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { newContainer, NetworkRig, skip } from './rig.ts';

const rig = new NetworkRig({ bridgeAddress: '172.30.251.1/24', apiPorts: [2376] });
before(() => rig.begin());
after(async () => assert.deepEqual(await rig.finish(), [], 'something was left over'));

const page = new URL('../../docs/networking.md', import.meta.url);
const [opening, closing] = ['<!-- the live table, written by test/network/documentation.test.ts -->\n```\n', '```\n<!-- end of the live table -->'];

/** The kernel's own listing with names that mean something in place of this run's. GOLDEN=1 writes it into the page. */
test('docs/networking.md shows the table as the kernel has it', { skip }, async () => {
  const create = (Name: string, subnet: string, changes: object = {}) =>
    rig.room.networks.create({ Name, IPAM: { Config: [{ Subnet: subnet }, ...('EnableIPv6' in changes ? [{ Subnet: 'fd00:cafe::/64' }] : [])] }, Options: { 'com.docker.network.bridge.name': `${Name}${rig.layout.instance}` }, ...changes });
  await create('app', '172.30.252.0/24', { EnableIPv6: true });
  await create('db', '172.30.253.0/24', { Internal: true });
  const web = newContainer();
  const first = await rig.up({ container: web, endpoints: [{ network: 'app', settings: {} }], ports: { '80/tcp': [{ HostPort: '' }] } });
  const second = await rig.up({ ports: { '53/udp': [{ HostIp: '127.0.0.1', HostPort: '' }] } });
  const ports = [first.ports['80/tcp']?.[0]?.HostPort ?? '', second.ports['53/udp']?.[0]?.HostPort ?? ''];
  const listing = spawnSync('nft', ['-s', 'list', 'table', 'inet', `gantry_${rig.layout.instance}`], { encoding: 'utf8' }).stdout;
  const text = listing
    .replaceAll(rig.bridge, 'gantry0')
    .replaceAll(`gantry_${rig.layout.instance}`, 'gantry')
    .replaceAll(rig.layout.instance, '')
    .replaceAll(`tcp . ${ports[0] ?? ''}`, 'tcp . 8080')
    .replaceAll(`udp . ${ports[1] ?? ''}`, 'udp . 5353')
    // The kernel lists elements in the order of their hashes.
    .replaceAll(/elements = \{([^}]*)\}/g, (_all, list: string) => `elements = { ${list.split(',').map((item) => item.trim()).toSorted().join(', ')} }`)
    .replaceAll('\t', '    ');
  const before = readFileSync(page, 'utf8');
  const [start, end] = [before.indexOf(opening) + opening.length, before.indexOf(closing)];
  assert.ok(start > opening.length && end >= start, 'the page has a place for the table');
  const after = before.slice(0, start) + text + before.slice(end);
  if (process.env['GOLDEN'] !== undefined) writeFileSync(page, after);
  else assert.equal(before, after, 'run this test with GOLDEN=1 and look at the difference');
});
