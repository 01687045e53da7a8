import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PortMap } from '#spec/wire/container.ts';
import { parsePort, parsePortMap, type PortRequest, type PortSurroundings } from './port-request.ts';
import { PortTable } from './port-table.ts';
import type { PortRecord } from './record.ts';

const both: PortSurroundings = { defaultAddress: '0.0.0.0', ways: { 4: 'nat', 6: 'nat' }, forwards: true };
const foreign = new Set<string>();
const held = new Set<string>();
const hold = ({ protocol, hostAddress, hostPort }: PortRecord): Disposable => {
  const name = `${hostAddress}:${hostPort}/${protocol}`;
  if (foreign.has(name)) throw Object.assign(new Error('bind'), { code: 'EADDRINUSE' });
  held.add(name);
  return { [Symbol.dispose]: () => void held.delete(name) };
};
const table = (): PortTable => new PortTable({ hold, ephemeral: { first: 40000, last: 40002 } });
const request = (hostAddress: string, first?: number, last = first): PortRequest => ({
  containerPort: 80, protocol: 'tcp', hostAddresses: hostAddress.split(' '), hostPorts: first === undefined || last === undefined ? undefined : { first, last },
});
const numbers = (ports: readonly PortRecord[]): number[] => ports.map(({ hostPort }) => hostPort);

test('port maps are read with defaults, ranges and several bindings', () => {
  assert.deepEqual(parsePort('53/UDP'), { port: 53, protocol: 'udp' });
  assert.deepEqual(
    parsePortMap({ '80/tcp': [{ HostIp: '', HostPort: '8080' }, { HostIp: '127.0.0.1', HostPort: '8000-8010' }], '53/udp': [{ HostPort: '' }], '9/sctp': null }, both).requests,
    [
      { containerPort: 80, protocol: 'tcp', hostAddresses: ['0.0.0.0', '::'], hostPorts: { first: 8080, last: 8080 } },
      { containerPort: 80, protocol: 'tcp', hostAddresses: ['127.0.0.1'], hostPorts: { first: 8000, last: 8010 } },
      { containerPort: 53, protocol: 'udp', hostAddresses: ['0.0.0.0', '::'], hostPorts: undefined },
    ],
  );
});

test('a port is published by the families that can serve it', () => {
  const addresses = (ports: PortMap, around: PortSurroundings): string[] => parsePortMap(ports, around).requests.flatMap(({ hostAddresses }) => hostAddresses);
  const four: PortSurroundings = { defaultAddress: '0.0.0.0', ways: { 4: 'nat', 6: undefined }, forwards: true };
  assert.deepEqual(addresses({ '80/tcp': [{}] }, four), ['0.0.0.0', '::'], 'the engine forwards to IPv4');
  assert.deepEqual(addresses({ '80/tcp': [{}] }, { ...four, forwards: false }), ['0.0.0.0']);
  assert.deepEqual(addresses({ '80/sctp': [{}] }, four), ['0.0.0.0']);
  assert.deepEqual(addresses({ '80/tcp': [{ HostIp: '0:0::1' }] }, four), ['::1']);
  assert.deepEqual(addresses({ '80/tcp': [{}] }, { ...four, defaultAddress: '192.0.2.1' }), ['192.0.2.1']);
  const six: PortSurroundings = { ...four, ways: { 4: undefined, 6: 'nat' } };
  assert.deepEqual(addresses({ '80/tcp': [{}, { HostIp: '127.0.0.1' }] }, six), ['::']);
  const mixed = parsePortMap({ '80/tcp': [{ HostPort: '8080' }] }, { ...four, ways: { 4: 'nat', 6: 'routed' } });
  assert.deepEqual([mixed.requests.flatMap(({ hostAddresses }) => hostAddresses), mixed.routed], [['0.0.0.0'], [{ containerPort: 80, protocol: 'tcp', hostAddress: '::' }]]);
  assert.deepEqual(addresses({ '80/tcp': [{}] }, { ...four, ways: { 4: undefined, 6: undefined } }), []);
});

test('malformed ports are refused', () => {
  for (const text of ['0/tcp', '65536', '80/icmp', 'http', '80-90/tcp', '']) assert.throws(() => parsePort(text), /invalid port specification/, text);
  for (const HostPort of ['x', '70000', '90-80', '-1']) assert.throws(() => parsePortMap({ '80/tcp': [{ HostPort }] }, both), /invalid host port/, HostPort);
  assert.throws(() => parsePortMap({ '80/tcp': [{ HostIp: 'localhost' }] }, both), /invalid host IP/);
});

test('a port of another container is told in Docker\'s words, and freed with it', () => {
  const ports = table();
  const first = ports.reserve([request('0.0.0.0', 8080)]);
  for (const address of ['0.0.0.0', '127.0.0.1']) {
    assert.throws(() => ports.reserve([request(address, 8080)]), { message: `Bind for ${address}:8080 failed: port is already allocated` });
  }
  ports.release(first);
  assert.equal(held.size, 0);
  assert.deepEqual(numbers(ports.reserve([request('127.0.0.1', 8080), request('127.0.0.2', 8080)])), [8080, 8080]);
  assert.throws(() => ports.reserve([request('0.0.0.0', 8080)]), /already allocated/);
});

test('a port of another program is told, and nothing of the request stays reserved', () => {
  const ports = table();
  held.clear();
  foreign.add('0.0.0.0:9000/tcp');
  assert.throws(() => ports.reserve([request('0.0.0.0', 9001), request('0.0.0.0', 9000)]), /failed to bind host port 0\.0\.0\.0:9000\/tcp: address already in use/);
  assert.equal(held.size, 0);
  assert.deepEqual(numbers(ports.reserve([request('0.0.0.0', 9000, 9002), request('0.0.0.0', 9000, 9002)])), [9001, 9002]);
});

test('chosen ports go round their range', () => {
  const ports = table();
  foreign.add('0.0.0.0:40001/tcp');
  const first = ports.reserve([request('0.0.0.0')]);
  const second = ports.reserve([request('0.0.0.0')]);
  assert.deepEqual(numbers([...first, ...second]), [40000, 40002]);
  assert.throws(() => ports.reserve([request('0.0.0.0')]), /all ports are allocated/);
  ports.release(first);
  assert.deepEqual(numbers(ports.reserve([request('0.0.0.0')])), [40000]);
});

test('both families get the same number, and neither keeps it when the other cannot', () => {
  const ports = table();
  held.clear();
  foreign.clear();
  foreign.add(':::40000/tcp');
  assert.deepEqual(ports.reserve([request('0.0.0.0 ::')]).map(({ hostAddress, hostPort }) => `${hostAddress} ${hostPort}`), ['0.0.0.0 40001', ':: 40001']);
  assert.deepEqual([...held], ['0.0.0.0:40001/tcp', ':::40001/tcp']);
  assert.throws(() => ports.reserve([request('::1', 40001)]), { message: 'Bind for [::1]:40001 failed: port is already allocated' });
});
