import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parseFlags } from '../../command/parse.ts';
import { createFlags, type CreateFlagValues } from './create-flags.ts';
import { createRequest } from './create-request.ts';

const folder = mkdtempSync(join(tmpdir(), 'gantry-cli-'));
after(() => rmSync(folder, { recursive: true }));

function request(...argv: string[]) {
  const { values, given, args } = parseFlags(createFlags, argv, { stopAtFirstArg: true });
  return createRequest(values as unknown as CreateFlagValues, given, args);
}
const host = (...argv: string[]) => request(...argv, 'busybox').HostConfig ?? {};

test('image and command', () => {
  const body = request('busybox', 'ls', '-l');
  assert.equal(body.Image, 'busybox');
  assert.deepEqual(body.Cmd, ['ls', '-l']);
  assert.deepEqual([body.AttachStdin, body.AttachStdout, body.AttachStderr, body.OpenStdin], [false, true, true, false]);
  assert.equal(body.HostConfig?.NetworkMode, 'default');
});

test('standard streams', () => {
  const both = request('-it', 'busybox');
  assert.deepEqual([both.Tty, both.OpenStdin, both.AttachStdin, both.StdinOnce], [true, true, true, true]);
  const one = request('-a', 'STDERR', 'busybox');
  assert.deepEqual([one.AttachStdout, one.AttachStderr], [false, true]);
});

test('the entry point may be emptied', () => {
  assert.equal(request('busybox').Entrypoint, undefined);
  assert.deepEqual(request('--entrypoint', '', 'busybox').Entrypoint, ['']);
});

test('published ports', () => {
  assert.deepEqual(host('-p', '80').PortBindings, { '80/tcp': [{ HostIp: '', HostPort: '' }] });
  assert.deepEqual(host('-p', '127.0.0.1:8080:80/udp').PortBindings, { '80/udp': [{ HostIp: '127.0.0.1', HostPort: '8080' }] });
  assert.deepEqual(host('-p', '[::1]::80').PortBindings, { '80/tcp': [{ HostIp: '::1', HostPort: '' }] });
  assert.deepEqual(host('-p', '90-91:80-81').PortBindings, { '80/tcp': [{ HostIp: '', HostPort: '90' }], '81/tcp': [{ HostIp: '', HostPort: '91' }] });
  assert.deepEqual(host('-p', '7000-7010:70').PortBindings, { '70/tcp': [{ HostIp: '', HostPort: '7000-7010' }] });
  assert.deepEqual(host('-p', 'target=80,published=8080,protocol=udp').PortBindings, { '80/udp': [{ HostIp: '', HostPort: '8080' }] });
  assert.deepEqual(request('--expose', '1-2/udp', 'busybox').ExposedPorts, { '1/udp': {}, '2/udp': {} });
});

test('volumes and mounts', () => {
  const body = request('-v', '/a', '-v', 'name:/b:ro', '-v', './x:/c', '--tmpfs', '/t:size=1m', '--mount', 'type=bind,src=/s,dst=/d,readonly,bind-propagation=rshared', 'busybox');
  assert.deepEqual(body.Volumes, { '/a': {} });
  assert.deepEqual(body.HostConfig?.Binds, ['name:/b:ro', `${process.cwd()}/x:/c`]);
  assert.deepEqual(body.HostConfig?.Tmpfs, { '/t': 'size=1m' });
  assert.deepEqual(body.HostConfig?.Mounts, [{ Type: 'bind', Source: '/s', Target: '/d', ReadOnly: true, BindOptions: { Propagation: 'rshared' } }]);
});

test('networks', () => {
  assert.deepEqual(request('--network', 'none', 'busybox').NetworkingConfig, { EndpointsConfig: {} });
  const body = request('--network', 'name=n1,alias=a,alias=b', '--ip', '10.0.0.2', '--network', 'n2', 'busybox');
  assert.equal(body.HostConfig?.NetworkMode, 'n1');
  assert.deepEqual(body.NetworkingConfig?.EndpointsConfig, { n1: { Aliases: ['a', 'b'], IPAMConfig: { IPv4Address: '10.0.0.2' } }, n2: {} });
});

test('files of variables and labels', () => {
  const path = join(folder, 'env');
  writeFileSync(path, '\uFEFF# comment\n\nA=b c\n  D=e\nHOME\nNOT_SET_ANYWHERE\n');
  assert.deepEqual(request('--env-file', path, '-e', 'A=x', '-e', 'NOT_SET_ANYWHERE', 'busybox').Env, ['A=b c', 'D=e', `HOME=${process.env['HOME']}`, 'A=x', 'NOT_SET_ANYWHERE']);
  writeFileSync(path, 'A=b\nC\n');
  assert.deepEqual(request('--label-file', path, '-l', 'x', 'busybox').Labels, { A: 'b', x: '' });
  writeFileSync(path, 'A B=c\n');
  assert.throws(() => request('--env-file', path, 'busybox'), { message: `invalid env file (${path}): variable 'A B' contains whitespaces` });
});

test('security options: a profile is read and sent', () => {
  const path = join(folder, 'seccomp.json');
  writeFileSync(path, '{ "defaultAction": "SCMP_ACT_ALLOW" }');
  assert.deepEqual(host('--security-opt', `seccomp=${path}`, '--security-opt', 'no-new-privileges').SecurityOpt, ['seccomp={"defaultAction":"SCMP_ACT_ALLOW"}', 'no-new-privileges']);
  assert.deepEqual([host('--security-opt', 'systempaths=unconfined')].map(({ MaskedPaths, SecurityOpt }) => [MaskedPaths, SecurityOpt]), [[[], undefined]]);
  assert.throws(() => host('--security-opt', 'seccomp=/no/such'), { message: 'opening seccomp profile (/no/such) failed: open /no/such: no such file or directory' });
});

test('limits and devices', () => {
  const limits = host('-m', '512m', '--memory-swap', '-1', '--cpus', '1.5', '--pids-limit', '-1', '--ulimit', 'nofile=10:20', '--device', '/dev/null:/dev/x:r', '--gpus', 'all');
  assert.deepEqual([limits.Memory, limits.MemorySwap, limits.NanoCpus, limits.PidsLimit], [536870912, -1, 1.5e9, -1]);
  assert.deepEqual(limits.Ulimits, [{ Name: 'nofile', Soft: 10, Hard: 20 }]);
  assert.deepEqual(limits.Devices, [{ PathOnHost: '/dev/null', PathInContainer: '/dev/x', CgroupPermissions: 'r' }]);
  assert.deepEqual(limits.DeviceRequests, [{ Driver: '', Count: -1, Capabilities: [['gpu']], Options: {} }]);
  assert.deepEqual(host('--device', 'vendor.com/class=name').DeviceRequests, [{ Driver: 'cdi', DeviceIDs: ['vendor.com/class=name'] }]);
});

test('health', () => {
  assert.deepEqual(request('--health-cmd', 'true', '--health-interval', '5s', 'busybox').Healthcheck, { Test: ['CMD-SHELL', 'true'], Interval: 5e9, Timeout: 0, StartPeriod: 0, StartInterval: 0, Retries: 0 });
  assert.deepEqual(request('--no-healthcheck', 'busybox').Healthcheck, { Test: ['NONE'] });
});

for (const [argv, message] of [
  [['-p', 'abc'], 'invalid containerPort: abc'],
  [['-p', 'x:80'], 'invalid hostPort: x'],
  [['-p', '80/foo'], 'invalid proto: foo'],
  [['-p', '1-3:1-2'], 'invalid ranges specified for container and host Ports: 1-2 and 1-3'],
  [['--rm', '--restart', 'always'], 'conflicting options: cannot specify both --restart and --rm'],
  [['--restart', 'on-failure:x'], 'invalid restart policy format: maximum retry count must be an integer'],
  [['--no-healthcheck', '--health-cmd', 'x'], '--no-healthcheck conflicts with --health-* options'],
  [['--log-driver', 'none', '--log-opt', 'a=b'], 'invalid logging opts for driver none'],
  [['--pid', 'foo'], '--pid: invalid PID mode'],
  [['--network', 'bridge', '--network', 'mine'], 'conflicting options: cannot attach both user-defined and non-user-defined network-modes'],
  [['--network', 'a', '--network', 'a'], 'network "a" is specified multiple times'],
  [['--device', 'foo'], 'foo is not an absolute path'],
  [['--memory-swappiness', '101'], 'invalid value: 101. Valid memory swappiness range is 0-100'],
  [['--storage-opt', 'x'], 'invalid storage option'],
  [['--mac-address', 'x'], 'x is not a valid mac address'],
  [['-v', 'one::three'], 'invalid spec: one::three: empty section between colons'],
  [['--mount', 'type=volume'], 'invalid argument "type=volume" for "--mount" flag: target is required'],
  [['--mount', 'type=volume,dst=/a,bind-propagation=x'], 'invalid argument "type=volume,dst=/a,bind-propagation=x" for "--mount" flag: cannot mix \'bind-*\' options with mount type \'volume\''],
  [['--ulimit', 'nofile=2:1'], 'invalid argument "nofile=2:1" for "--ulimit" flag: ulimit soft limit must be less than or equal to hard limit: 2 > 1'],
  [['--sysctl', 'a=b'], 'invalid argument "a=b" for "--sysctl" flag: sysctl \'a=b\' is not allowed'],
  [['--gpus', 'x=y'], 'invalid argument "x=y" for "--gpus" flag: unexpected key \'x\' in \'x=y\''],
  [['--add-host', 'a:x'], 'invalid argument "a:x" for "--add-host" flag: invalid IP address in add-host: "x"'],
  [['--device-cgroup-rule', 'x'], 'invalid argument "x" for "--device-cgroup-rule" flag: invalid device cgroup format \'x\''],
  [['-e', '=x'], 'invalid argument "=x" for "-e, --env" flag: invalid environment variable: =x'],
] as const) {
  test(`refuses ${argv.join(' ')}`, () => assert.throws(() => request(...argv, 'busybox'), { message }));
}
