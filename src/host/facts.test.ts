import assert from 'node:assert/strict';
import { test } from 'node:test';
import { capabilitiesOfMask } from './capability-names.ts';
import { fileIdentity, parseCpuList, readHostFacts } from './facts.ts';

test('facts of whatever machine this is', () => {
  const facts = readHostFacts({ rootless: true, cdiDirs: ['/etc/cdi'], initBinary: '/init' });
  assert.ok(facts.cpus >= 1 && facts.memory > 0 && facts.kernel.major >= 3);
  assert.ok(parseCpuList(facts.cpusetCpus).length >= 1);
  assert.ok(facts.rlimits['nofile'] && facts.rlimits['nofile'].soft > 0);
  assert.ok(facts.capabilities.every((name) => facts.knownCapabilities.includes(name)));
  assert.deepEqual([facts.rootless, facts.initBinary, facts.cdiDirs, facts.apparmorDefault], [true, '/init', ['/etc/cdi'], undefined]);
});

test('capabilities of a mask', () => {
  assert.deepEqual(capabilitiesOfMask('0000000000000021'), ['CAP_CHOWN', 'CAP_KILL']);
  assert.equal(capabilitiesOfMask('00000000a80425fb').length, 14);
});

test('cpu lists', () => {
  assert.deepEqual(parseCpuList('0-2,5'), [0, 1, 2, 5]);
  assert.deepEqual(parseCpuList('3'), [3]);
  for (const bad of ['a', '1-', '3-1', '1,,x', '0x1']) assert.throws(() => parseCpuList(bad), { name: 'RangeError', message: `invalid format: ${bad}` });
});

test('a file’s identity', () => {
  assert.equal(fileIdentity(undefined), '');
  assert.match(fileIdentity(import.meta.filename), /facts\.test\.ts \d+ \d+ \d+ /);
});
