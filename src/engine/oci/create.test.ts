import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ImageRunConfig } from '#spec/oci-image.ts';
import type { ContainerConfig, HostConfig } from '#spec/wire/container.ts';
import { decideContainer, type DecidedContainer } from './create.ts';
import { dockerDefaults } from './defaults.ts';
import { inspectContainerConfig, inspectHostConfig } from './inspect-config.ts';
import { testFacts } from './test-facts.ts';

const id = 'c4b7697ffeb0'.padEnd(64, '0');

function decide(config: ContainerConfig, hostConfig?: HostConfig, image: ImageRunConfig = { Cmd: ['sh'] }): DecidedContainer {
  return decideContainer({ id, config, hostConfig, image, facts: testFacts, defaults: dockerDefaults });
}

describe('create requests that Docker refuses, in its words', () => {
  const refusals: [HostConfig, string][] = [
    [{ Memory: 1000 }, 'Minimum memory limit allowed is 6MB'],
    [{ Memory: -1 }, 'Minimum memory limit allowed is 6MB'],
    [{ Memory: 10_000_000, MemorySwap: 100 }, 'Minimum memoryswap limit should be larger than memory limit, see usage'],
    [{ MemorySwap: 10_000_000 }, 'You should always set the Memory limit when using Memoryswap limit, see usage'],
    [{ MemorySwappiness: 200 }, 'Invalid value: 200, valid memory swappiness range is 0-100'],
    [{ MemoryReservation: 1000 }, 'Minimum memory reservation allowed is 6MB'],
    [{ Memory: 10_000_000, MemoryReservation: 20_000_000 }, 'Minimum memory limit can not be less than memory reservation limit, see usage'],
    [{ NanoCpus: 3_000_000_000 }, 'Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available'],
    [{ NanoCpus: -1 }, 'Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available'],
    [{ NanoCpus: 1_000_000_000, CpuQuota: 1000 }, 'Conflicting options: Nano CPUs and CPU Quota cannot both be set'],
    [{ NanoCpus: 1_000_000_000, CpuPeriod: 1000 }, 'Conflicting options: Nano CPUs and CPU Period cannot both be set'],
    [{ CpuPeriod: 10 }, 'CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)'],
    [{ CpuQuota: 10 }, 'CPU cfs quota can not be less than 1ms (i.e. 1000)'],
    [{ CpusetCpus: '0-9' }, 'Requested CPUs are not available - requested 0-9, available: 0-1'],
    [{ CpusetCpus: 'a' }, 'Invalid value a for cpuset cpus: invalid format: a'],
    [{ CpusetMems: '5' }, 'Requested memory nodes are not available - requested 5, available: 0'],
    [{ IOMaximumIOps: 10 }, 'Invalid QoS settings: linux does not support configuration of maximum IOPs'],
    [{ OomScoreAdj: 2000 }, 'Invalid value 2000, range for oom score adj is [-1000, 1000]'],
    [{ ShmSize: -1 }, 'SHM size can not be less than 0'],
    [{ Isolation: 'hyperv' }, 'Invalid isolation: "hyperv" - linux only supports \'default\''],
    [{ Runtime: 'nope' }, 'unknown or invalid runtime name: nope'],
    [{ RestartPolicy: { Name: 'bogus' } }, "invalid restart policy: unknown policy 'bogus'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"],
    [{ RestartPolicy: { Name: 'always', MaximumRetryCount: 3 } }, "invalid restart policy: maximum retry count can only be used with 'on-failure'"],
    [{ RestartPolicy: { Name: 'on-failure', MaximumRetryCount: -3 } }, 'invalid restart policy: maximum retry count cannot be negative'],
    [{ RestartPolicy: { Name: 'always' }, AutoRemove: true }, "can't create 'AutoRemove' container with restart policy"],
    [{ PidMode: 'bogus' }, 'invalid PID mode: bogus'],
    [{ PidMode: 'container:' }, 'invalid PID mode: container:'],
    [{ IpcMode: 'bogus' }, 'invalid IPC mode: bogus'],
    [{ UTSMode: 'private' }, 'invalid UTS mode: private'],
    [{ CgroupnsMode: 'bogus' }, 'invalid cgroup namespace mode: bogus'],
    [{ NetworkMode: 'container:' }, 'Invalid network mode: invalid container format container:<name|id>'],
    [{ NetworkMode: 'host', Links: ['a:b'] }, "conflicting options: host type networking can't be used with links. This would result in undefined behavior"],
    [{ NetworkMode: 'container:a', PortBindings: { '80/tcp': [] } }, 'conflicting options: port publishing and the container type network mode'],
    [{ NetworkMode: 'container:a', Dns: ['1.1.1.1'] }, 'conflicting options: dns and the network mode'],
    [{ NetworkMode: 'container:a', ExtraHosts: ['a:1.1.1.1'] }, 'conflicting options: custom host-to-IP mapping and the network mode'],
    [{ ExtraHosts: ['bogus'] }, 'bad format for add-host: "bogus"'],
    [{ ExtraHosts: ['a:bogus'] }, 'invalid IP address in add-host: "bogus"'],
    [{ PortBindings: { bogus: [{ HostPort: '80' }] } }, 'invalid port specification: "bogus"'],
    [{ PortBindings: { '80': [{ HostPort: 'bogus' }] } }, 'invalid port specification: "bogus"'],
    [{ PortBindings: { '80/tcp': [{ HostPort: '800000' }] } }, 'invalid port specification: "800000"'],
    [{ CapAdd: ['CAP_X'] }, 'invalid CapAdd: unknown capability: "CAP_X"'],
    [{ CapDrop: ['x'] }, 'invalid CapDrop: unknown capability: "CAP_X"'],
    [{ CapAdd: ['SYS_RESOURCE'] }, 'invalid CapAdd: capability not supported by your kernel or not available in the current environment: "CAP_SYS_RESOURCE"'],
    [{ SecurityOpt: ['x'] }, 'invalid --security-opt 1: "x"'],
    [{ SecurityOpt: ['x=y'] }, 'invalid --security-opt 2: "x=y"'],
    [{ SecurityOpt: ['no-new-privileges=bogus'] }, 'invalid --security-opt 2: "no-new-privileges=bogus"'],
    [{ Sysctls: { 'kernel.foo': '1' } }, 'sysctl "kernel.foo" is not in a separate kernel namespace'],
    [{ Sysctls: { 'net.ipv4.ip_forward': '1' }, NetworkMode: 'host' }, 'sysctl "net.ipv4.ip_forward" not allowed in host network namespace'],
    [{ Sysctls: { 'kernel.msgmax': '1' }, IpcMode: 'host' }, 'sysctl "kernel.msgmax" is not allowed in the hosts ipc namespace'],
    [{ Devices: [{ PathOnHost: '/dev/null', CgroupPermissions: 'q' }] }, 'invalid permissions "q" for device "/dev/null": expected some of r, w and m'],
    [{ DeviceCgroupRules: ['bogus'] }, "invalid device cgroup rule format: 'bogus'"],
    [{ Annotations: { '': 'x' } }, 'invalid Annotations: the empty string is not permitted as an annotation key'],
    [{ StorageOpt: { size: '10G' } }, "--storage-opt is supported only for overlay over xfs with 'pquota' mount option"],
  ];
  for (const [hostConfig, message] of refusals) {
    test(JSON.stringify(hostConfig), () => assert.throws(() => decide({}, hostConfig), { code: 'invalid_argument', message }));
  }
  const configs: [ContainerConfig, string][] = [
    [{ WorkingDir: 'foo' }, "the working directory 'foo' is invalid, it needs to be an absolute path"],
    [{ StopSignal: 'BOGUS' }, 'invalid signal: BOGUS'],
    [{ Env: ['=x'] }, 'invalid environment variable: =x'],
    [{ Entrypoint: [''] }, 'no command specified'],
    [{ Healthcheck: { Test: ['CMD', 'a'], Interval: 5 } }, 'Interval in Healthcheck cannot be less than 1ms'],
    [{ Healthcheck: { Test: ['CMD', 'a'], Retries: -5 } }, 'Retries in Healthcheck cannot be negative'],
  ];
  for (const [config, message] of configs) {
    test(JSON.stringify(config), () => assert.throws(() => decide(config), { code: 'invalid_argument', message }));
  }
  test('conflicts between the two parts', () => {
    assert.throws(() => decide({ Hostname: 'foo' }, { NetworkMode: 'container:a' }), { message: 'conflicting options: hostname and the network mode' });
    assert.throws(() => decide({ Hostname: 'foo' }, { UTSMode: 'host' }), { message: 'conflicting options: hostname and the UTS mode' });
    assert.throws(() => decide({ ExposedPorts: { '80': {} } }, { NetworkMode: 'container:a' }), {
      message: 'conflicting options: port exposing and the container type network mode',
    });
  });
});

describe('create requests that Docker takes with a warning', () => {
  const warned: [HostConfig, string][] = [
    [{ OomKillDisable: true }, 'OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.'],
    [{ CpuPercent: 10 }, 'linux does not support CPU percent. Percent discarded.'],
    [{ BlkioWeight: 500 }, 'Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.'],
    [{ NetworkMode: 'host', PortBindings: { '80/tcp': [{ HostPort: '80' }] } }, 'Published ports are discarded when using host network mode'],
  ];
  for (const [hostConfig, warning] of warned) {
    test(JSON.stringify(hostConfig), () => assert.deepEqual(decide({}, hostConfig).warnings, [warning]));
  }
  test('what is discarded does not show as if it held', () => assert.equal(decide({}, { BlkioWeight: 500 }).hostConfig.BlkioWeight, 0));
  test('the request itself stays as it was', () => {
    const hostConfig: HostConfig = { BlkioWeight: 500 };
    decide({}, hostConfig);
    assert.deepEqual(hostConfig, { BlkioWeight: 500 });
  });
});

test('without wishes: what Docker 26 shows for `create busybox`', () => {
  const { hostConfig, config, warnings } = decide({ Image: 'busybox', AttachStdout: true, AttachStderr: true });
  assert.deepEqual(warnings, []);
  assert.deepEqual(inspectContainerConfig(config), {
    Hostname: 'c4b7697ffeb0', Domainname: '', User: '', AttachStdin: false, AttachStdout: true, AttachStderr: true, Tty: false,
    OpenStdin: false, StdinOnce: false, Env: null, Cmd: ['sh'], Image: 'busybox', Volumes: null, WorkingDir: '', Entrypoint: null,
    OnBuild: null, Labels: {},
  });
  const { MaskedPaths, ReadonlyPaths, ...rest } = inspectHostConfig(hostConfig);
  assert.ok(MaskedPaths?.includes('/proc/kcore') && ReadonlyPaths?.includes('/proc/sys'));
  assert.deepEqual(rest, {
    Binds: null, ContainerIDFile: '', LogConfig: { Type: 'json-file', Config: {} }, NetworkMode: 'bridge', PortBindings: null,
    RestartPolicy: { Name: 'no', MaximumRetryCount: 0 }, AutoRemove: false, VolumeDriver: '', VolumesFrom: null, ConsoleSize: [0, 0],
    CapAdd: null, CapDrop: null, CgroupnsMode: 'host', Dns: null, DnsOptions: null, DnsSearch: null, ExtraHosts: null, GroupAdd: null,
    IpcMode: 'private', Cgroup: '', Links: null, OomScoreAdj: 0, PidMode: '', Privileged: false, PublishAllPorts: false,
    ReadonlyRootfs: false, SecurityOpt: null, UTSMode: '', UsernsMode: '', ShmSize: 67108864, Runtime: 'crun', Isolation: '',
    CpuShares: 0, Memory: 0, NanoCpus: 0, CgroupParent: '', BlkioWeight: 0, BlkioWeightDevice: null, BlkioDeviceReadBps: null,
    BlkioDeviceWriteBps: null, BlkioDeviceReadIOps: null, BlkioDeviceWriteIOps: null, CpuPeriod: 0, CpuQuota: 0, CpuRealtimePeriod: 0,
    CpuRealtimeRuntime: 0, CpusetCpus: '', CpusetMems: '', Devices: null, DeviceCgroupRules: null, DeviceRequests: null,
    MemoryReservation: 0, MemorySwap: 0, MemorySwappiness: null, OomKillDisable: false, PidsLimit: null, Ulimits: null, CpuCount: 0,
    CpuPercent: 0, IOMaximumIOps: 0, IOMaximumBandwidth: 0,
  });
});

describe('a container over its image', () => {
  const image: ImageRunConfig = {
    User: '5:6', Env: ['PATH=/bin', 'A=1', 'B=2'], Entrypoint: ['/bin/echo', 'e'], Cmd: ['c'], WorkingDir: '/wd', Labels: { a: 'b', c: 'd' },
    ExposedPorts: { '80/tcp': {} }, Volumes: { '/vol': {} }, StopSignal: 'SIGINT',
    Healthcheck: { Test: ['CMD-SHELL', 'true'], Interval: 5_000_000_000 }, OnBuild: ['RUN true'],
  };
  const merged = (config: ContainerConfig): ContainerConfig => decide(config, undefined, image).config;

  test('inherits everything but ONBUILD', () => {
    const config = merged({});
    assert.deepEqual([config.Entrypoint, config.Cmd, config.User, config.WorkingDir, config.StopSignal], [['/bin/echo', 'e'], ['c'], '5:6', '/wd', 'SIGINT']);
    assert.deepEqual(config.Env, ['PATH=/bin', 'A=1', 'B=2']);
    assert.equal(config.OnBuild, undefined);
  });
  test('its variables come first and win, also to remove', () => assert.deepEqual(merged({ Env: ['B=3', 'A', 'Z=1'] }).Env, ['B=3', 'A', 'Z=1', 'PATH=/bin']));
  test('labels, ports and volumes add up', () => {
    const config = merged({ Labels: { c: 'e' }, ExposedPorts: { '81': {} }, Volumes: { '/more': {} } });
    assert.deepEqual([config.Labels, Object.keys(config.ExposedPorts ?? {}), Object.keys(config.Volumes ?? {})], [{ a: 'b', c: 'e' }, ['80/tcp', '81/tcp'], ['/vol', '/more']]);
  });
  test('a command replaces the command only', () => assert.deepEqual(merged({ Cmd: ['x'] }), { ...merged({}), Cmd: ['x'] }));
  test('an entrypoint drops the image’s command', () => {
    const { Entrypoint, Cmd } = merged({ Entrypoint: ['cat'] });
    assert.deepEqual([Entrypoint, Cmd], [['cat'], undefined]);
  });
  test('an empty entrypoint drops both', () => {
    const { Entrypoint, Cmd } = merged({ Entrypoint: [''], Cmd: ['ls'] });
    assert.deepEqual([Entrypoint, Cmd], [undefined, ['ls']]);
    assert.throws(() => merged({ Entrypoint: [''] }), { message: 'no command specified' });
  });
  test('health checks inherit field by field', () => {
    assert.deepEqual(merged({ Healthcheck: { Retries: 7 } }).Healthcheck, { Test: ['CMD-SHELL', 'true'], Interval: 5_000_000_000, Retries: 7 });
    assert.deepEqual(merged({ Healthcheck: { Test: ['NONE'] } }).Healthcheck?.Test, ['NONE']);
  });
});

describe('effective limits', () => {
  test('as much swap as memory', () => assert.equal(decide({}, { Memory: 1 << 24 }).hostConfig.MemorySwap, 1 << 25));
  test('CPU shares within the kernel’s range', () => {
    assert.deepEqual([-1, 1, 512, 2 ** 30].map((CpuShares) => decide({}, { CpuShares }).hostConfig.CpuShares), [2, 2, 512, 262_144]);
  });
  test('0 pids means no limit', () => assert.equal(decide({}, { PidsLimit: 0 }).hostConfig.PidsLimit, undefined));
});
