import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Finding, Machine } from './check.ts';
import { report } from './command.ts';
import { checkKernel } from './kernel.ts';
import { checkPackages, parsePackages } from './packages.ts';
import { checkUser } from './user.ts';

const files: Readonly<Record<string, string>> = {
  '/proc/sys/kernel/osrelease': '6.1.0-18-amd64\n',
  '/proc/sys/kernel/seccomp/actions_avail': 'kill_process trap allow\n',
  '/proc/filesystems': 'nodev\ttmpfs\nnodev\toverlay\n',
  '/sys/fs/cgroup/cgroup.controllers': 'cpuset cpu io memory pids\n',
  '/proc/sys/net/ipv4/ip_forward': '1\n',
  '/proc/sys/user/max_user_namespaces': '1000\n',
};

function machine(changes: { files?: Record<string, string | undefined>; user?: number; programs?: readonly string[] } = {}): Machine {
  const read = (path: string): string | undefined => (changes.files && path in changes.files ? changes.files[path] : files[path]);
  return {
    user: changes.user ?? 0,
    userName: 'ann',
    env: {},
    read,
    exists: (path) => path.startsWith('/proc/self/ns/') || read(path) !== undefined,
    usable: () => false,
    program: (name) => ((changes.programs ?? ['nft', 'crun', 'conmon']).includes(name) ? `/usr/bin/${name}` : undefined),
    run: () => ({ code: 0, said: '' }),
    freeBytes: () => 5e9,
  };
}

const wrong = (findings: readonly Finding[]) => findings.filter((finding) => finding.state !== 'ok').map(({ state, what, mend }) => [state, what, mend]);

test('a good machine has no faults', () => {
  assert.deepEqual(wrong([...checkKernel(machine()), ...checkUser(machine(), { root: '/var/lib/gantry', run: '/run/gantry' })]), []);
});

test('a hybrid hierarchy with controllers left is mended by mounting them', () => {
  const changes = {
    '/sys/fs/cgroup/cgroup.controllers': undefined,
    '/proc/self/mounts': 'cgroup /sys/fs/cgroup/memory cgroup rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n',
    '/sys/fs/cgroup/unified/cgroup.controllers': 'hugetlb\n',
  };
  assert.deepEqual(wrong(checkKernel(machine({ files: changes }))), [
    ['fail', 'cgroups', 'mkdir -p /sys/fs/cgroup/hugetlb; mount -t cgroup -o hugetlb cgroup /sys/fs/cgroup/hugetlb'],
  ]);
});

test('each lack has its remedy', () => {
  const changes = { '/proc/filesystems': '', '/proc/sys/net/ipv4/ip_forward': '0', '/proc/sys/kernel/osrelease': '4.19.0' };
  assert.deepEqual(wrong(checkKernel(machine({ files: changes }))).map(([state, what]) => `${state} ${what}`), ['fail kernel', 'fail overlayfs', 'warn ip_forward']);
});

test('packages: what tests need is nobody\'s lack', () => {
  const list = parsePackages('# comment\nrun | crun | crun runc | makes containers\nrun | procps | ps | top\nrootless | uidmap | newuidmap | ids\ntest | tmux | tmux | typing\n');
  assert.equal(list.length, 4);
  assert.deepEqual(wrong(checkPackages(machine({ programs: [] }), list)), [['fail', 'package crun', 'apt-get install crun'], ['warn', 'package procps', 'apt-get install procps']]);
  assert.deepEqual(wrong(checkPackages(machine({ user: 1000, programs: ['runc', 'ps'] }), list)), [['fail', 'package uidmap', 'apt-get install uidmap']]);
});

test('a user without root needs subordinate ids', () => {
  const found = wrong(checkUser(machine({ user: 1000, files: { '/etc/subuid': 'ann:100000:65536\n' } }), { root: '/home/ann', run: '/run/user/1000' }));
  assert.deepEqual(found.map(([state, what]) => `${state} ${what}`), ['fail /etc/subgid', 'warn /dev/net/tun', 'warn /dev/fuse', 'fail XDG_RUNTIME_DIR']);
});

test('the report ends with a verdict', () => {
  assert.match(report([{ state: 'fail', what: 'x', found: 'y', mend: 'do z' }], false), /^FAIL {2}x {2}y\n.*-> do z\n\n1 fault keeps? containers from running\.\n$/);
});
