import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Row } from '../template/value.ts';
import { formatList } from './list.ts';
import { naturalOrder } from './order.ts';
import { alignTabs } from './tabwriter.ts';
import { binarySize, ellipsis, humanDuration, humanSize, portList } from './units.ts';

test('sizes', () => {
  assert.deepEqual([0, 999, 1000, 1_984_000, 4_270_000_000].map((size) => humanSize(size)), ['0B', '999B', '1kB', '1.984MB', '4.27GB']);
  assert.deepEqual([1_984_000, 12_345].map((size) => humanSize(size, 3)), ['1.98MB', '12.3kB']);
  assert.deepEqual([0, 1023, 1024, 249_856, 25_276_051_456].map(binarySize), ['0B', '1023B', '1KiB', '244KiB', '23.54GiB']);
});

test('durations', () => {
  const second = 1000;
  const hour = 3600 * second;
  for (const [time, text] of [
    [10, 'Less than a second'], [second, '1 second'], [59 * second, '59 seconds'], [60 * second, 'About a minute'], [150 * second, '2 minutes'],
    [hour, 'About an hour'], [1.4 * hour, 'About an hour'], [1.5 * hour, '2 hours'], [47 * hour, '47 hours'], [48 * hour, '2 days'],
    [14 * 24 * hour, '2 weeks'], [60 * 24 * hour, '2 months'], [730 * 24 * hour, '2 years'],
  ] as const) assert.equal(humanDuration(time), text);
});

test('ports join neighbours and keep what is mapped elsewhere', () => {
  const port = (PrivatePort: number, PublicPort?: number, IP?: string, Type = 'tcp') => ({ PrivatePort, Type, ...(PublicPort === undefined ? {} : { PublicPort }), ...(IP === undefined ? {} : { IP }) });
  assert.equal(portList([port(80, 80, '0.0.0.0'), port(81, 81, '0.0.0.0'), port(443)]), '0.0.0.0:80-81->80-81/tcp, 443/tcp');
  assert.equal(portList([port(80, 8080, '0.0.0.0'), port(80, 8080, '::')]), '0.0.0.0:8080->80/tcp, [::]:8080->80/tcp');
  assert.equal(portList([port(53, 53, '::', 'udp')]), '[::]:53->53/udp');
});

test('texts are cut with an ellipsis by their width', () => {
  assert.equal(ellipsis('sh -c sleep 1000000000', 20), 'sh -c sleep 1000000…');
  assert.equal(ellipsis('short', 20), 'short');
  assert.equal(ellipsis('日本語日本語', 5), '日本…');
});

test('columns are as wide as their widest cell, at least ten', () => {
  assert.equal(alignTabs('A\tB\tC\n1\t22\t333\n'), 'A         B         C\n1         22        333\n');
  assert.equal(alignTabs('LONGER THAN TEN\tB\nx\ty\n'), 'LONGER THAN TEN   B\nx                 y\n');
});

test('a line without a cell ends its column', () => {
  assert.equal(alignTabs('aaaaaaaaaaaaaa\tb\nplain\nc\td\n'), 'aaaaaaaaaaaaaa   b\nplain\nc         d\n');
});

test('names order by their numbers', () => {
  assert.deepEqual(['n10', 'n2', 'N1', 'n'].sort(naturalOrder), ['N1', 'n', 'n2', 'n10']);
});

const list = { table: '{{.ID}}\t{{.Name}}', headers: { ID: 'CONTAINER ID', Name: 'NAMES' } };
const rows = [new Row('*x', { ID: () => '1', Name: () => 'web' }, { Label: (name) => `l-${String(name)}` })];

test('lists: table, custom table, json, template, quiet', () => {
  assert.equal(formatList({ ...list, format: '' }, rows), 'CONTAINER ID   NAMES\n1              web\n');
  assert.equal(formatList({ ...list, format: 'table {{.Name}}\\t{{.Label "com.acme.my-label"}}' }, rows), 'NAMES     my label\nweb       l-com.acme.my-label\n');
  assert.equal(formatList({ ...list, format: 'table {{.Name | upper}}' }, rows), 'NAMES\nWEB\n');
  assert.equal(formatList({ ...list, format: 'json' }, rows), '{"ID":"1","Name":"web"}\n');
  assert.equal(formatList({ ...list, format: '{{.ID}}:{{.Name}}' }, rows), '1:web\n');
  assert.equal(formatList({ ...list, format: '', quiet: '{{.ID}}' }, rows), '1\n');
  assert.equal(formatList({ ...list, format: '' }, []), 'CONTAINER ID   NAMES\n');
  assert.equal(formatList({ ...list, format: '{{.ID}}' }, []), '');
});

test('faults of a template are told in docker\'s words', () => {
  assert.throws(() => formatList({ ...list, format: '{{.ID' }, rows), { message: 'failed to parse template: template: :1: unclosed action' });
  assert.throws(() => formatList({ ...list, format: '{{.X}}' }, rows), { message: /^failed to execute template: template: :1:2: executing "" at <\.X>: can't evaluate field X in type \*x$/ });
});
