import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Answers } from './answers.ts';
import { encodeName, isAnswerTo, parseQuery, reverseAddress } from './dns-message.ts';
import type { NamedEndpoint, NameSheet } from './name-sheet.ts';
import { NameTable } from './name-table.ts';

const endpoint = (network: string, address: string, ...names: string[]): NamedEndpoint => ({ network: `id-${network}`, networkName: network, addresses: address.split(' '), names, links: [] });
const sheet = (id: string, ...endpoints: NamedEndpoint[]): NameSheet => ({ version: 1, id, netnsPath: `/netns/${id}`, endpoints, servers: 'host', forwards: true, dotless: 'forward' });

function query(name: string, type = 1, edns?: number): Buffer {
  const head = Buffer.from([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, edns === undefined ? 0 : 1]);
  const opt = edns === undefined ? Buffer.alloc(0) : Buffer.from([0, 0, 41, edns >> 8, edns & 255, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([head, encodeName(name) ?? Buffer.alloc(1), Buffer.from([0, type, 0, 1]), opt]);
}

/** Flags, counts and the last bytes of every record of an answer without compression other than the question's name. */
function read(answer: Buffer): { code: number; cut: boolean; records: string[] } {
  const question = parseQuery(Buffer.concat([answer.subarray(0, 2), Buffer.from([0]), answer.subarray(3)]));
  assert.ok(typeof question === 'object');
  let at = question.end;
  const records: string[] = [];
  for (let left = answer.readUInt16BE(6); left > 0; left--) {
    const length = answer.readUInt16BE(at + 10);
    records.push([...answer.subarray(at + 12, at + 12 + length)].join('.'));
    at += 12 + length;
  }
  return { code: (answer[3] ?? 0) & 15, cut: ((answer[2] ?? 0) & 2) !== 0, records };
}

function ask(table: NameTable, id: string, name: string, type = 1, edns?: number, most?: number): ReturnType<typeof read> | string {
  const out = Buffer.alloc(65536);
  const outcome = new Answers(table, id).answer(query(name, type, edns), out, 0, most);
  return outcome.kind === 'answered' ? read(out.subarray(0, outcome.length)) : outcome.kind;
}

const ok = (...records: string[]) => ({ code: 0, cut: false, records });

test('names are those of the networks that one is on, whatever their case', () => {
  const table = new NameTable();
  table.put(sheet('a', endpoint('front', '10.0.0.2', 'web', 'Shop')));
  table.put(sheet('b', endpoint('front', '10.0.0.3', 'cache'), endpoint('back', '10.1.0.3', 'cache')));
  table.put(sheet('c', endpoint('back', '10.1.0.4', 'db')));
  assert.deepEqual(ask(table, 'b', 'sHOp'), ok('10.0.0.2'));
  assert.deepEqual(ask(table, 'b', 'db'), ok('10.1.0.4'));
  assert.equal(ask(table, 'a', 'db'), 'forward');
  assert.deepEqual(ask(table, 'a', 'cache'), ok('10.0.0.3'));
  assert.deepEqual(ask(table, 'c', 'cache'), ok('10.1.0.3'));
  table.drop('c');
  assert.equal(ask(table, 'b', 'db'), 'forward');
});

test('a name may be qualified by its network; both may have dots', () => {
  const table = new NameTable();
  table.put(sheet('a', endpoint('front', '10.0.0.2', 'web'), endpoint('my.net', '10.1.0.2', 'web', 'a.b')));
  assert.deepEqual(ask(table, 'a', 'web.front'), ok('10.0.0.2'));
  assert.deepEqual(ask(table, 'a', 'web.my.net'), ok('10.1.0.2'));
  assert.deepEqual(ask(table, 'a', 'a.b.my.net'), ok('10.1.0.2'));
  assert.equal(ask(table, 'a', 'web.net'), 'forward');
  assert.equal(ask(table, 'a', 'front'), 'forward');
});

test('several bearers of a name take turns', () => {
  const table = new NameTable();
  for (const last of [2, 3, 4]) table.put(sheet(`s${last}`, endpoint('front', `10.0.0.${last}`, `web${last}`, 'web')));
  const answers = new Answers(table, 's2');
  const first = [1, 2, 3].map(() => {
    const out = Buffer.alloc(512);
    const outcome = answers.answer(query('web'), out, 0);
    assert.ok(outcome.kind === 'answered');
    return read(out.subarray(0, outcome.length)).records;
  });
  assert.deepEqual(first.map(([lead]) => lead), ['10.0.0.2', '10.0.0.3', '10.0.0.4']);
  for (const records of first) assert.equal(new Set(records).size, 3);
});

test('a name of ours without an address of that family has an empty answer and is asked about nowhere', () => {
  const table = new NameTable();
  table.put(sheet('a', endpoint('front', '10.0.0.2', 'web'), endpoint('six', '10.2.0.2 fd00::2', 'both')));
  for (const type of [28, 15, 16, 255]) assert.deepEqual(ask(table, 'a', 'web', type), ok(), String(type));
  assert.deepEqual(ask(table, 'a', 'both', 28), ok('253.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2'));
  assert.deepEqual(ask(table, 'a', 'both'), ok('10.2.0.2'));
});

test('links are names for one container alone', () => {
  const table = new NameTable();
  table.put(sheet('a', { ...endpoint('front', '10.0.0.2', 'web'), links: [{ alias: 'db', target: 'postgres' }] }));
  table.put(sheet('b', endpoint('front', '10.0.0.3', 'postgres')));
  assert.deepEqual(ask(table, 'a', 'db'), ok('10.0.0.3'));
  assert.deepEqual(ask(table, 'a', 'db.front'), ok('10.0.0.3'));
  assert.equal(ask(table, 'b', 'db'), 'forward');
});

test('addresses are called by container and network', () => {
  const table = new NameTable();
  table.put(sheet('a', endpoint('front', '10.0.0.2 fd00::a', 'web', 'alias')));
  table.put(sheet('b', endpoint('back', '10.1.0.2', 'db')));
  const text = (name: string) => [...(encodeName(name) ?? [])].join('.');
  assert.deepEqual(ask(table, 'a', '2.0.0.10.in-addr.arpa', 12), ok(text('web.front')));
  assert.deepEqual(ask(table, 'a', `${'a000000000000000000000000000'.split('').join('.')}.0.0.d.f.ip6.arpa`, 12), ok(text('web.front')));
  assert.equal(ask(table, 'a', '2.0.1.10.in-addr.arpa', 12), 'forward');
  assert.equal(ask(table, 'a', 'web', 12), 'forward');
  assert.equal(reverseAddress('1.2.in-addr.arpa'), undefined);
});

test('what is too long is cut and marked, unless the client takes more', () => {
  const table = new NameTable();
  for (let last = 1; last <= 100; last++) table.put(sheet(`s${last}`, endpoint('front', `10.0.0.${last}`, 'web')));
  const count = (answer: ReturnType<typeof ask>) => (typeof answer === 'string' ? answer : [answer.cut, answer.records.length]);
  assert.deepEqual(count(ask(table, 's1', 'web')), [true, 30]);
  assert.deepEqual(count(ask(table, 's1', 'web', 1, 1232)), [true, 75]);
  assert.deepEqual(count(ask(table, 's1', 'web', 1, 4096)), [false, 100]);
  assert.deepEqual(count(ask(table, 's1', 'web', 1, undefined, 65535)), [false, 100]);
});

test('names without a dot stay when the container has set ndots itself', () => {
  const table = new NameTable();
  table.put({ ...sheet('a', endpoint('front', '10.0.0.2', 'web')), dotless: 'keep' });
  assert.deepEqual(ask(table, 'a', 'other'), ok());
  assert.equal(ask(table, 'a', 'other.org'), 'forward');
  assert.deepEqual(ask(table, 'a', 'web'), ok('10.0.0.2'));
});

test('garbage gets an error or nothing, never an exception', () => {
  const answers = new Answers(new NameTable(), 'a');
  const out = Buffer.alloc(4096);
  let seed = 7;
  const random = (limit: number): number => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % limit;
  for (let round = 0; round < 20_000; round++) {
    const data = round % 2 === 0 ? Buffer.from(query('web.front', 1, 1232)) : Buffer.alloc(random(80));
    for (let change = random(6) + (round % 2) * data.length; change > 0 && data.length > 0; change--) data[random(data.length)] = random(256);
    const outcome = answers.answer(data.subarray(0, random(data.length + 1)), out, 0);
    if (outcome.kind === 'answered') assert.ok(outcome.length <= 512 && outcome.length >= 12);
  }
});

test('an answer from outside must be one to the question', () => {
  const asked = query('example.org');
  const end = asked.length;
  const answer = Buffer.from(asked);
  answer[2] = 0x81;
  assert.ok(isAnswerTo(asked, end, answer));
  const other = Buffer.from(query('example.com'));
  other[2] = 0x81;
  assert.ok(!isAnswerTo(asked, end, other));
  assert.ok(!isAnswerTo(asked, end, asked));
});
