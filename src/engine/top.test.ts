import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePs } from './top.ts';

test('rows of the container alone, the command kept whole', () => {
  const output = 'UID          PID    PPID CMD\nroot           1       0 /sbin/init splash\nroot          77      70 sh -c sleep  9\n';
  assert.deepEqual(parsePs(output, [77]), { Titles: ['UID', 'PID', 'PPID', 'CMD'], Processes: [['root', '77', '70', 'sh -c sleep 9']] });
});

test('a column for the pid is needed', () => {
  assert.throws(() => parsePs('COMMAND\nsh\n', [1]), /Couldn't find PID field in ps output/);
});
