import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { decideUpdate } from '#engine/oci/update.ts';
import { detectCgroups, liftLimits } from '#host/cgroup.ts';
import { facts, Sandbox, skip } from './sandbox.ts';

/** The value of a control file of a running container, by cgroup version. */
function control(pid: number, v1: { controller: string; file: string }, v2: string): string {
  const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').split('\n').map((text) => text.split(':'));
  const path =
    facts.cgroupVersion === 2
      ? join('/sys/fs/cgroup', lines.find(([id]) => id === '0')?.[2] ?? '', v2)
      : join('/sys/fs/cgroup', v1.controller, lines.find(([, names]) => names?.split(',').includes(v1.controller))?.[2] ?? '', v1.file);
  return readFileSync(path, 'utf8').trim();
}

const memory = (pid: number): string => control(pid, { controller: 'memory', file: 'memory.limit_in_bytes' }, 'memory.max');
const pids = (pid: number): string => control(pid, { controller: 'pids', file: 'pids.max' }, 'pids.max');

describe('the limits of a container', { skip }, () => {
  const box = new Sandbox();
  after(() => box[Symbol.dispose]());

  test('memory, cpu, pids and cpuset arrive in the cgroup, and update changes them', () => {
    const hostConfig = { Memory: 32 << 20, NanoCpus: 500_000_000, PidsLimit: 33, CpusetCpus: '0', CpuShares: 512, MemoryReservation: 16 << 20 };
    const { id, pid } = box.start({ hostConfig });
    assert.equal(memory(pid), String(32 << 20));
    assert.equal(pids(pid), '33');
    assert.equal(control(pid, { controller: 'cpuset', file: 'cpuset.cpus' }, 'cpuset.cpus'), '0');
    assert.equal(control(pid, { controller: 'cpu', file: 'cpu.cfs_quota_us' }, 'cpu.max').split(' ')[0], '50000');
    if (facts.cgroupVersion === 1) {
      assert.equal(control(pid, { controller: 'cpu', file: 'cpu.shares' }, ''), '512');
      assert.equal(control(pid, { controller: 'memory', file: 'memory.memsw.limit_in_bytes' }, ''), String(64 << 20));
      assert.equal(control(pid, { controller: 'memory', file: 'memory.soft_limit_in_bytes' }, ''), String(16 << 20));
    }
    const current = box.decide({ config: { Cmd: ['x'] }, hostConfig }).hostConfig;
    const change = decideUpdate({ id, current, facts, request: { Memory: 48 << 20, MemorySwap: 96 << 20, PidsLimit: 44, NanoCpus: 1_000_000_000 } });
    const { status, stderr } = box.update(id, change.resources);
    assert.equal(stderr, '');
    assert.equal(status, 0);
    assert.equal(memory(pid), String(48 << 20));
    assert.equal(pids(pid), '44');
    const unlimited = decideUpdate({ id, current: change.hostConfig, facts, request: { PidsLimit: -1 } });
    // crun has no word for it; the runtime port does it before it asks crun.
    const path = /^(?:\d+:pids|0:):(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1] ?? '';
    assert.deepEqual(liftLimits(detectCgroups(), path, unlimited.resources ?? {}), {});
    assert.equal(pids(pid), 'max');
  });

  test('nothing is limited unless asked', () => {
    const { pid } = box.start();
    assert.equal(pids(pid), 'max');
    assert.ok(memory(pid) === 'max' || Number(memory(pid)) > 2 ** 40);
  });

  test('more processes than allowed fail', () => {
    const { stdout, stderr } = box.run('for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; echo started', { hostConfig: { PidsLimit: 4 } });
    assert.match(stderr, /can't fork/);
    assert.equal(stdout, '');
  });

  test('devices: the usual ones work, others neither exist nor open', () => {
    const { stdout } = box.run('ls /dev; head -c 4 /dev/zero | wc -c; echo x > /dev/null; mknod /tmp/kmsg c 1 11 && ! head -c 1 /tmp/kmsg 2>&1');
    for (const name of ['full', 'null', 'random', 'tty', 'urandom', 'zero']) assert.match(stdout, new RegExp(`^${name}$`, 'm'));
    assert.doesNotMatch(stdout, /^kmsg$/m);
    assert.match(stdout, /^4$/m);
    assert.match(stdout, /Operation not permitted/);
  });

  test('devices asked for: one node under another name, a folder of them, a cgroup rule, and one that is not there', () => {
    const one = box.run('stat -c "%t:%T" /dev/mine; head -c 1 /dev/mine 2>&1 | wc -c', {
      hostConfig: { Devices: [{ PathOnHost: '/dev/full', PathInContainer: '/dev/mine', CgroupPermissions: 'rwm' }] },
    });
    assert.equal(one.stdout, '1:7\n1\n');
    assert.equal(box.run('stat -c "%t:%T" /here/mine', { hostConfig: { Devices: [{ PathOnHost: '/dev/full', PathInContainer: 'here/mine' }] } }).stdout, '1:7\n');
    const tun = 'mknod /tmp/tun c 10 200; head -c 1 /tmp/tun 2>&1; rm /tmp/tun';
    assert.match(box.run(tun).stdout, /Operation not permitted/);
    assert.doesNotMatch(box.run(tun, { hostConfig: { DeviceCgroupRules: ['c 10:200 rwm'] } }).stdout, /Operation not permitted/);
    assert.throws(
      () => box.run('true', { hostConfig: { Devices: [{ PathOnHost: '/dev/x', PathInContainer: '/dev/x', CgroupPermissions: 'rwm' }] } }),
      { message: 'error gathering device information while adding custom device "/dev/x": no such file or directory' },
    );
    assert.throws(() => box.run('true', { hostConfig: { Devices: [{ PathOnHost: '/etc/passwd' }] } }), /not a device node/);
  });

  test('privileged: the host’s devices and a writable /sys', () => {
    const { stdout } = box.run('mount; ls /dev', { hostConfig: { Privileged: true } });
    assert.match(stdout, /^sysfs on \/sys type sysfs \(rw/m);
    if (existsSync('/dev/kmsg')) assert.match(stdout, /^kmsg$/m);
  });

  test('CDI devices edit the container; unknown ones are refused by name', () => {
    const dir = join(box.folder, 'cdi');
    mkdirSync(dir);
    writeFileSync(
      join(dir, 'vendor.yaml'),
      [
        'cdiVersion: 0.6.0', 'kind: vendor.com/gpu', 'devices:', '  - name: "0"', '    containerEdits:', '      deviceNodes:',
        '        - {path: /dev/gpu0, hostPath: /dev/full}', 'containerEdits:', '  env: [GPU=yes]', '  mounts:',
        `    - {hostPath: ${dir}, containerPath: /opt/driver, options: [ro, rbind]}`, '',
      ].join('\n'),
    );
    const withCdi = { ...facts, cdiDirs: [dir] };
    const request = (id: string) => ({ facts: withCdi, hostConfig: { DeviceRequests: [{ Driver: 'cdi', DeviceIDs: [id] }] } });
    const { stdout } = box.run('echo $GPU; stat -c "%t:%T" /dev/gpu0; ls /opt/driver', request('vendor.com/gpu=0'));
    assert.equal(stdout, 'yes\n1:7\nvendor.yaml\n');
    assert.throws(() => box.run('true', request('vendor.com/gpu=9')), { message: 'CDI device injection failed: unresolvable CDI devices vendor.com/gpu=9' });
    assert.throws(
      () => box.run('true', { facts: withCdi, hostConfig: { DeviceRequests: [{ Count: -1, Capabilities: [['gpu']] }] } }),
      { message: 'could not select device driver "" with capabilities: [[gpu]]' },
    );
    rmSync(dir, { recursive: true });
  });
});
