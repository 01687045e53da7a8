import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { apparmorProfile } from './apparmor.ts';
import { deviceNumbers, parseDeviceRule } from './devices.ts';
import { overlayEnvironment, processEnvironment } from './environment.ts';
import { requestedDevices } from './device-requests.ts';
import { parseCdiSpec } from './cdi.ts';
import { mountOf } from './mount-source.ts';
import { parseSecurityOptions } from './security-options.ts';
import { parseSignal } from './signals.ts';
import { processRlimits } from './ulimits.ts';
import { testFacts } from './test-facts.ts';

test('environment: defaults, replaced in place, removed', () => {
  const env = processEnvironment({ env: ['FOO=1', 'BAR=2', 'FOO=3', 'HOSTNAME'], hostname: 'q', tty: true, home: '/root' });
  assert.deepEqual(env, ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'TERM=xterm', 'FOO=3', 'BAR=2', 'HOME=/root']);
  assert.deepEqual(overlayEnvironment(['A=1', 'B=2'], ['A=', 'C==']), ['A=', 'B=2', 'C==']);
});

test('signals by every name', () => {
  assert.deepEqual(['TERM', 'sigterm', '15', 'RTMIN', 'SIGRTMIN+3', 'RTMAX-1', 'kill'].map(parseSignal), [15, 15, 15, 34, 37, 63, 9]);
  for (const bad of ['', '0', '65', 'BOGUS', 'RTMAX+1', '-9', '9x']) assert.throws(() => parseSignal(bad), { message: `invalid signal: ${bad}` });
});

test('security options in both spellings', () => {
  const parsed = parseSecurityOptions(['no-new-privileges:true', 'seccomp:unconfined', 'apparmor=x', 'label=type:foo', 'label=level:s0', 'systempaths=unconfined']);
  assert.deepEqual(parsed, {
    noNewPrivileges: true, seccomp: 'unconfined', apparmor: 'x', labels: ['type:foo', 'level:s0'], systemPathsUnconfined: true, writableCgroups: undefined,
  });
});

test('AppArmor: none without the kernel, the default, one’s own, none when privileged', () => {
  const facts = { ...testFacts, apparmor: true, apparmorDefault: 'gantry-default' };
  assert.equal(apparmorProfile({ SecurityOpt: ['apparmor=x'] }, testFacts), '');
  assert.equal(apparmorProfile({}, facts), 'gantry-default');
  assert.equal(apparmorProfile({ SecurityOpt: ['apparmor=x'] }, facts), 'x');
  assert.equal(apparmorProfile({ Privileged: true }, facts), 'unconfined');
  assert.equal(apparmorProfile({ Privileged: true, SecurityOpt: ['apparmor=x'] }, facts), 'x');
});

test('device rules and numbers', () => {
  assert.deepEqual(parseDeviceRule('c *:3 mr'), { allow: true, type: 'c', minor: 3, access: 'mr' });
  for (const bad of ['c 1:3', 'x 1:3 r', 'c 1:3 q', 'c 1:3 rwmr', 'c a:3 r']) assert.throws(() => parseDeviceRule(bad), /invalid device cgroup rule format/);
  assert.deepEqual(deviceNumbers(0x103), { major: 1, minor: 3 });
});

describe('ulimits', () => {
  const limits = (own: Parameters<typeof processRlimits>[0]) => processRlimits(own, [{ Name: 'core', Soft: 0, Hard: 0 }, { Name: 'nofile', Soft: 1, Hard: 2 }], testFacts);
  test('over the defaults', () => assert.deepEqual(limits([{ Name: 'nofile', Soft: 64, Hard: 128 }]), [{ type: 'RLIMIT_CORE', soft: 0, hard: 0 }, { type: 'RLIMIT_NOFILE', soft: 64, hard: 128 }]));
  test('refused: unknown, soft above hard, above what the engine may give', () => {
    assert.throws(() => limits([{ Name: 'bogus', Soft: 1, Hard: 1 }]), /invalid ulimit type: bogus/);
    assert.throws(() => limits([{ Name: 'nofile', Soft: 3, Hard: 2 }]), /soft limit must be less than or equal to hard limit/);
    assert.throws(() => limits([{ Name: 'nofile', Soft: -1, Hard: -1 }]), /operation not permitted: the engine's own hard limit is 20000/);
  });
});

describe('device requests', () => {
  const known = new Map([['nvidia.com/gpu=0', []], ['nvidia.com/gpu=1', []], ['vendor.com/x=y', []]]);
  test('gpus through CDI', () => {
    assert.deepEqual(requestedDevices([{ Count: -1, Capabilities: [['gpu']] }], known), ['nvidia.com/gpu=0', 'nvidia.com/gpu=1']);
    assert.deepEqual(requestedDevices([{ Driver: 'nvidia', Count: 1, Capabilities: [['gpu']] }], known), ['nvidia.com/gpu=0']);
    assert.deepEqual(requestedDevices([{ DeviceIDs: ['1'], Capabilities: [['gpu']] }], known), ['nvidia.com/gpu=1']);
    assert.deepEqual(requestedDevices([{ Driver: 'cdi', DeviceIDs: ['vendor.com/x=y'] }], known), ['vendor.com/x=y']);
  });
  test('nobody serves it', () => {
    const message = 'could not select device driver "" with capabilities: [[gpu utility] [x]]';
    assert.throws(() => requestedDevices([{ Count: -1, Capabilities: [['gpu', 'utility'], ['x']] }], new Map()), { message });
  });
  test('a spec that is none', () => assert.throws(() => parseCdiSpec({ kind: 'bad', devices: [] }), /invalid CDI kind/));
});

test('the mount that holds a path, and its propagation', () => {
  const info = '22 1 254:0 / / rw shared:1 - ext4 /dev/vda rw\n30 22 0:5 / /mnt\\040a rw master:2 - tmpfs t rw\n31 22 0:6 / /mnt rw - tmpfs t rw\n';
  assert.deepEqual(mountOf('/etc', info), { target: '/', fields: ['shared:1'] });
  assert.deepEqual(mountOf('/mnt a/b', info), { target: '/mnt a', fields: ['master:2'] });
  assert.deepEqual(mountOf('/mnt/x', info), { target: '/mnt', fields: [] });
});
