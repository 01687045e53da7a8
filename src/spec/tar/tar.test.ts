import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromText, parsePaxTime, type TarEntry } from './header.ts';
import { defaultTarLimits, TarReader, type TarLimits } from './reader.ts';
import { TAR_END, tarHeader, tarPadding, type TarMember } from './writer.ts';

interface Read extends TarEntry {
  content: string;
}

function read(bytes: Buffer, { step = bytes.length, limits = defaultTarLimits }: { step?: number; limits?: TarLimits } = {}): Read[] {
  const entries: Read[] = [];
  const reader = new TarReader(
    {
      entry: (entry) => void entries.push({ ...entry, content: '' }),
      data: (chunk) => void ((entries.at(-1) as Read).content += chunk.toString('latin1')),
      end: () => {},
    },
    limits,
  );
  for (let offset = 0; offset < bytes.length; offset += step) reader.write(bytes.subarray(offset, offset + step));
  reader.end();
  return entries;
}

function archive(...members: (TarMember & { content?: string })[]): Buffer {
  const parts = members.flatMap((member) => {
    const content = Buffer.from(member.content ?? '', 'latin1');
    return [tarHeader({ ...member, size: content.length }), content, tarPadding(content.length)];
  });
  return Buffer.concat([...parts, TAR_END]);
}

/** A header of our own making: type flag, name, size and raw changes, with the right checksum. */
function raw(flag: string, name: string, body: Buffer, change: (block: Buffer) => void = () => {}): Buffer {
  const block = tarHeader({ name: 'x', type: 'file', mode: 0o644, size: body.length });
  block.fill(0, 0, 100);
  block.write(name, 0, 'latin1');
  block.write(flag, 156, 'latin1');
  change(block);
  block.fill(32, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return Buffer.concat([block, body, tarPadding(body.length)]);
}

const paxRecord = (key: string, value: string): string => {
  let length = key.length + value.length + 3;
  while (String(length).length + key.length + value.length + 3 !== length) length = String(length).length + key.length + value.length + 3;
  return `${length} ${key}=${value}\n`;
};
const pax = (records: Record<string, string>): Buffer =>
  raw('x', 'pax', Buffer.from(Object.entries(records).map(([key, value]) => paxRecord(key, value)).join(''), 'latin1'));

test('what is written is read back, in pieces of any size', () => {
  const members: (TarMember & { content?: string })[] = [
    { name: 'dir', type: 'dir', mode: 0o1777, mtime: { seconds: 5, nanos: 0 } },
    { name: 'dir/file', type: 'file', mode: 0o4755, uid: 1, gid: 2, content: 'hello', mtime: { seconds: 1_700_000_000, nanos: 123_456_789 } },
    { name: `${'d'.repeat(90)}/${'n'.repeat(90)}`, type: 'file', mode: 0o644, content: 'x'.repeat(1000) },
    { name: `${'l'.repeat(400)}`, type: 'symlink', mode: 0o777, linkName: 't'.repeat(300) },
    { name: fromText('ünïcode'), type: 'link', mode: 0o644, linkName: fromText('dír') },
    { name: 'latin\xff', type: 'fifo', mode: 0o600, uid: 3_000_000, gid: 4_000_000_000 },
    { name: 'dev', type: 'char', mode: 0o666, major: 1, minor: 3 },
    { name: 'old', type: 'file', mode: 0, mtime: { seconds: -2, nanos: 500_000_000 } },
    { name: 'cap', type: 'file', mode: 0o755, xattrs: new Map([['security.capability', Buffer.from([1, 0, 0, 2, 255, 10, 61])]]) },
  ];
  const bytes = archive(...members);
  for (const step of [1, 7, 511, 512, 513, bytes.length]) {
    const entries = read(bytes, { step });
    assert.equal(entries.length, members.length);
    for (const [index, member] of members.entries()) {
      const entry = entries[index] as Read;
      assert.equal(entry.name, member.type === 'dir' ? `${member.name}/` : member.name);
      assert.equal(entry.type, member.type);
      assert.equal(entry.mode, member.mode);
      assert.equal(entry.linkName, member.linkName ?? '');
      assert.equal(entry.uid, member.uid ?? 0);
      assert.equal(entry.gid, member.gid ?? 0);
      assert.equal(entry.content, member.content ?? '');
      assert.deepEqual(entry.mtime, member.mtime ?? { seconds: 0, nanos: 0 });
      assert.deepEqual([...entry.xattrs].map(([key, value]) => [key, [...value]]), [...(member.xattrs ?? [])].map(([key, value]) => [key, [...value]]));
    }
  }
});

test('the same members give the same bytes', () => {
  const member: TarMember = { name: 'a', type: 'file', mode: 0o644, xattrs: new Map([['user.b', Buffer.from('2')], ['user.a', Buffer.from('1')]]) };
  const other: TarMember = { ...member, xattrs: new Map([...(member.xattrs ?? [])].reverse()) };
  assert.ok(tarHeader(member).equals(tarHeader(other)));
});

test('GNU long names, links and base-256 numbers', () => {
  const [entry] = read(
    Buffer.concat([
      raw('L', '././@LongLink', Buffer.from(`${'n'.repeat(200)}\0`)),
      raw('K', '././@LongLink', Buffer.from(`${'t'.repeat(200)}\0`)),
      raw('2', 'short', Buffer.alloc(0), (block) => {
        block.fill(0, 108, 116);
        block[108] = 0x80;
        block.writeUInt32BE(3_000_000_000, 112);
        block.fill(0xff, 136, 148);
      }),
      TAR_END,
    ]),
  );
  assert.equal(entry?.name, 'n'.repeat(200));
  assert.equal(entry?.linkName, 't'.repeat(200));
  assert.equal(entry?.uid, 3_000_000_000);
  assert.deepEqual(entry?.mtime, { seconds: -1, nanos: 0 });
});

test('sparse files of every format say where their bytes go', () => {
  const expected = [{ offset: 0, length: 3 }, { offset: 1000, length: 2 }];
  const body = Buffer.from('abcde');
  const formats: Record<string, Buffer> = {
    '0.0': Buffer.concat([
      raw('x', 'pax', Buffer.from(paxRecord('GNU.sparse.size', '2000') + ['0', '3', '1000', '2'].map((value, index) => paxRecord(index % 2 ? 'GNU.sparse.numbytes' : 'GNU.sparse.offset', value)).join(''))),
      raw('0', 'f', body),
    ]),
    '0.1': Buffer.concat([pax({ 'GNU.sparse.size': '2000', 'GNU.sparse.map': '0,3,1000,2', 'GNU.sparse.name': 'f' }), raw('0', 'GNUSparseFile/f', body)]),
    '1.0': Buffer.concat([
      pax({ 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.name': 'f', 'GNU.sparse.realsize': '2000' }),
      raw('0', 'GNUSparseFile/f', Buffer.concat([Buffer.from('2\n0\n3\n1000\n2\n'.padEnd(512, '\0')), body])),
    ]),
    old: raw('S', 'f', body, (block) => {
      block.write('ustar  \0', 257, 'latin1');
      for (const [index, value] of [0, 3, 1000, 2].entries()) block.write(`${value.toString(8).padStart(11, '0')}\0`, 386 + index * 12, 'latin1');
      block.write(`${(2000).toString(8).padStart(11, '0')}\0`, 483, 'latin1');
    }),
  };
  for (const [format, bytes] of Object.entries(formats)) {
    const [entry] = read(Buffer.concat([bytes, TAR_END]), { step: 100 });
    assert.equal(entry?.name, 'f', format);
    assert.deepEqual(entry?.sparse, expected, format);
    assert.equal(entry?.size, 2000, format);
    assert.equal(entry?.content, 'abcde', format);
  }
});

test('odd but harmless archives are read', () => {
  assert.deepEqual(read(Buffer.alloc(0)), []);
  assert.deepEqual(read(TAR_END), []);
  assert.deepEqual(read(Buffer.concat([TAR_END, Buffer.from('trailing garbage')])), []);
  assert.equal(read(raw('0', 'no end mark', Buffer.from('x'))).length, 1);
  assert.equal(read(Buffer.concat([raw('g', 'global', Buffer.from('16 comment=hello\n'.replace('16', '17'))), raw('0', 'f', Buffer.alloc(0))])).length, 1);
  assert.equal(read(raw('\0', 'v7dir/', Buffer.alloc(0), (block) => block.fill(0, 257, 265)))[0]?.type, 'dir');
});

test('damaged and hostile archives are refused with one sentence', () => {
  const ok = archive({ name: 'f', type: 'file', mode: 0o644, content: 'x'.repeat(600) });
  const flipped = Buffer.from(ok);
  flipped[0] = 0x41;
  const cases: [string, () => unknown, RegExp][] = [
    ['text', () => read(Buffer.from('root:x:0:0:'.repeat(100))), /is not a tar/],
    ['checksum', () => read(flipped), /wrong checksum/],
    ['truncated data', () => read(ok.subarray(0, 700)), /truncated/],
    ['truncated header', () => read(ok.subarray(0, 100)), /truncated/],
    ['unknown type', () => read(raw('Z', 'f', Buffer.alloc(0))), /"f" has the unknown type "Z"/],
    ['huge extension', () => read(raw('x', 'p', Buffer.alloc(2 << 20))), /extension header of 2097152 bytes/],
    ['bad PAX', () => read(Buffer.concat([raw('x', 'p', Buffer.from('999 path=a\n')), ok])), /PAX header cannot be read/],
    ['bad PAX size', () => read(Buffer.concat([pax({ size: '-5' }), ok])), /size of a member is not a number/],
    ['zero byte', () => read(Buffer.concat([pax({ path: 'a\0b' }), ok])), /zero byte/],
    ['long name', () => read(Buffer.concat([pax({ path: 'a'.repeat(5000) }), ok])), /more than 4096 bytes/],
    ['too many', () => read(Buffer.concat([raw('0', 'a', Buffer.alloc(0)), raw('0', 'b', Buffer.alloc(0))]), { limits: { ...defaultTarLimits, entries: 1 } }), /more than 1 members/],
    ['sparse overlap', () => read(Buffer.concat([pax({ 'GNU.sparse.map': '5,3,1,2' }), raw('0', 'f', Buffer.from('abcde'))])), /out of order/],
    ['sparse too long', () => read(Buffer.concat([pax({ 'GNU.sparse.map': '0,300' }), raw('0', 'f', Buffer.from('abcde'))])), /does not fit/],
  ];
  for (const [what, task, message] of cases) assert.throws(task, { code: 'invalid_argument', message }, what);
});

test('PAX times', () => {
  assert.deepEqual(parsePaxTime('1.5'), { seconds: 1, nanos: 500_000_000 });
  assert.deepEqual(parsePaxTime('-0.25'), { seconds: -1, nanos: 750_000_000 });
  assert.deepEqual(parsePaxTime('-3'), { seconds: -3, nanos: 0 });
  assert.throws(() => parsePaxTime('soon'), /is not a time/);
});
