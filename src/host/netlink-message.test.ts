import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attribute, attributeText, message, nested, NLM_F, parseAttributes, parseMessages, text, u32 } from './netlink-message.ts';
import { addAddress, addressBytes, addVeth, macBytes } from './rtnetlink.ts';

test('attributes are padded to four bytes and read back', () => {
  const bytes = Buffer.concat([text(3, 'eth0'), u32(4, 1500), nested(18, text(1, 'veth'))]);
  assert.equal(bytes.length, 12 + 8 + 16);
  const found = parseAttributes(bytes);
  assert.equal(attributeText(found.get(3)), 'eth0');
  assert.equal(found.get(4)?.readUInt32LE(0), 1500);
  assert.equal(attributeText(parseAttributes(found.get(18) ?? Buffer.alloc(0)).get(1)), 'veth');
});

test('a truncated or malformed attribute ends the reading', () => {
  assert.deepEqual([...parseAttributes(Buffer.from([200, 0, 1, 0, 1, 2])).keys()], []);
  assert.deepEqual([...parseAttributes(Buffer.from([0, 0, 1, 0])).keys()], []);
  assert.deepEqual([...parseAttributes(Buffer.concat([u32(7, 1), Buffer.from([9, 0, 1])])).keys()], [7]);
});

test('several messages in one packet', () => {
  const packet = Buffer.concat([message(16, NLM_F.ACK, Buffer.alloc(16), u32(4, 1)), message(20, 0, Buffer.alloc(8))]);
  assert.deepEqual([...parseMessages(packet)].map(({ type, flags, body }) => [type, flags, body.length]), [[16, 5, 24], [20, 1, 8]]);
  assert.deepEqual([...parseMessages(packet.subarray(0, 30))], []);
});

test('addresses in both families, and the broadcast address of a subnet', () => {
  assert.equal(addressBytes('172.17.0.2').toString('hex'), 'ac110002');
  assert.equal(addressBytes('fd00::1').toString('hex'), 'fd000000000000000000000000000001');
  assert.equal(macBytes('02:42:ac:11:00:02').toString('hex'), '0242ac110002');
  const attributes = parseAttributes(addAddress(2, '172.17.0.2', 16).message, 24);
  assert.equal(attributes.get(4)?.toString('hex'), 'ac11ffff');
});

test('a veth request carries its peer whole', () => {
  const request = addVeth({ name: 'host0', master: 7 }, { name: 'eth0', index: 2, namespace: 33, mac: '02:42:ac:11:00:02' });
  const attributes = parseAttributes(request.message, 32);
  assert.equal(attributes.get(10)?.readUInt32LE(0), 7);
  const info = parseAttributes(attributes.get(18) ?? Buffer.alloc(0));
  const peer = parseAttributes(info.get(2) ?? Buffer.alloc(0)).get(1) ?? Buffer.alloc(0);
  assert.equal(peer.readInt32LE(4), 2);
  assert.equal(attributeText(parseAttributes(peer, 16).get(3)), 'eth0');
  assert.equal(parseAttributes(peer, 16).get(28)?.readUInt32LE(0), 33);
  assert.equal(attribute(1, new Uint8Array(5)).length, 12);
});
