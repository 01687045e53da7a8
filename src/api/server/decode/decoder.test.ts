import assert from 'node:assert/strict';
import { test } from 'node:test';
import { containerCreateRequest, execCreateRequest } from './container.ts';
import { networkCreateRequest } from './network.ts';

const create = (text: string): unknown => containerCreateRequest.read(JSON.parse(text), '');

test('field names match in any case, the exact one first; unknown ones and null are left out', () => {
  assert.deepEqual(create('{"image":"a","Image":"b","IMAGE":"c","Unknown":1,"Env":null,"hostconfig":{"memory":5}}'), {
    Image: 'b',
    HostConfig: { Memory: 5 },
  });
});

test('one string stands for a list of one in Cmd and Entrypoint only', () => {
  assert.deepEqual(create('{"Cmd":"ls","Entrypoint":"sh"}'), { Cmd: ['ls'], Entrypoint: ['sh'] });
  assert.throws(() => create('{"Env":"A=b"}'), {
    code: 'invalid_argument',
    message: 'invalid JSON: json: cannot unmarshal string into Go struct field Env of type []string',
  });
});

test('a wrong type names the field and the type', () => {
  for (const [body, message] of [
    ['{"Image":3}', 'cannot unmarshal number 3 into Go struct field Image of type string'],
    ['{"HostConfig":{"Memory":1.5}}', 'cannot unmarshal number 1.5 into Go struct field HostConfig.Memory of type int64'],
    ['{"HostConfig":{"Memory":"1g"}}', 'cannot unmarshal string into Go struct field HostConfig.Memory of type int64'],
    ['{"HostConfig":{"Privileged":"yes"}}', 'cannot unmarshal string into Go struct field HostConfig.Privileged of type bool'],
    ['{"HostConfig":{"BlkioWeight":70000}}', 'cannot unmarshal number 70000 into Go struct field HostConfig.BlkioWeight of type uint16'],
    [
      '{"HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":8080}]}}}',
      'cannot unmarshal number 8080 into Go struct field HostConfig.PortBindings.80/tcp.HostPort of type string',
    ],
    ['{"Labels":[]}', 'cannot unmarshal array into Go struct field Labels of type map[string]string'],
    ['{"Labels":{"a":1}}', 'cannot unmarshal number 1 into Go struct field Labels.a of type string'],
    ['[]', 'cannot unmarshal array into Go value of type container.CreateRequest'],
    ['"x"', 'cannot unmarshal string into Go value of type container.CreateRequest'],
  ] as const) {
    assert.throws(() => create(body), { code: 'invalid_argument', message: `invalid JSON: json: ${message}` });
  }
});

test('null inside lists and maps is the zero value, and kept where it means something', () => {
  assert.deepEqual(create('{"Env":["A=b",null],"ExposedPorts":{"80/tcp":null},"HostConfig":{"PortBindings":{"80/tcp":null}}}'), {
    Env: ['A=b', ''],
    ExposedPorts: { '80/tcp': {} },
    HostConfig: { PortBindings: { '80/tcp': null } },
  });
});

test('a key named __proto__ is only a key', () => {
  const read = create('{"Labels":{"__proto__":"x"},"__proto__":{"Image":"y"}}') as { Labels: Record<string, string>; Image?: string };
  assert.deepEqual(Object.entries(read.Labels), [['__proto__', 'x']]);
  assert.equal(read.Image, undefined);
});

test('the largest int64 stays one when it is written again', () => {
  const read = create('{"HostConfig":{"MemorySwap":9223372036854775807}}') as { HostConfig: { MemorySwap: number } };
  assert.ok(BigInt(JSON.stringify(read.HostConfig.MemorySwap)) <= 9223372036854775807n);
});

test('execs and networks', () => {
  assert.deepEqual(execCreateRequest.read({ Cmd: ['ls'], Tty: true, ConsoleSize: [1, 2] }, ''), { Cmd: ['ls'], Tty: true, ConsoleSize: [1, 2] });
  assert.deepEqual(networkCreateRequest.read({ name: 'n', IPAM: { Config: [{ Subnet: '10.0.0.0/24' }] } }, ''), {
    Name: 'n',
    IPAM: { Config: [{ Subnet: '10.0.0.0/24' }] },
  });
});
