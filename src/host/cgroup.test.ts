import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseCgroupMounts } from './cgroup.ts';
import { parseHostCpu, parseInterfaces, parseIoV1, parseIoV2, parseKeyed } from './cgroup-stats.ts';

describe('cgroup mounts', () => {
  it('reads a hybrid host', () => {
    const { unified, v1 } = parseCgroupMounts(
      [
        '30 24 0:26 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755',
        '31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct',
        '32 30 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/x,name=systemd',
        '33 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,favordynmods',
      ].join('\n'),
    );
    assert.equal(unified, '/sys/fs/cgroup/unified');
    assert.deepEqual([...v1], [['cpu', '/sys/fs/cgroup/cpu,cpuacct'], ['cpuacct', '/sys/fs/cgroup/cpu,cpuacct'], ['name=systemd', '/sys/fs/cgroup/systemd']]);
  });

  it('reads a host with v2 alone', () => {
    const { unified, v1 } = parseCgroupMounts('30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n');
    assert.equal(unified, '/sys/fs/cgroup');
    assert.equal(v1.size, 0);
  });
});

describe('cgroup statistics', () => {
  it('reads names and numbers', () => {
    assert.deepEqual(parseKeyed('cache 1\nrss 20\n'), { cache: 1, rss: 20 });
  });

  it('reads block devices of v1 and v2', () => {
    assert.deepEqual(parseIoV1('8:0 Read 10\n8:0 Total 10\nTotal 10\n'), [
      { major: 8, minor: 0, op: 'Read', value: 10 },
      { major: 8, minor: 0, op: 'Total', value: 10 },
    ]);
    assert.deepEqual(parseIoV2('254:1 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n8:0 \n'), {
      bytes: [{ major: 254, minor: 1, op: 'read', value: 1 }, { major: 254, minor: 1, op: 'write', value: 2 }],
      operations: [{ major: 254, minor: 1, op: 'read', value: 3 }, { major: 254, minor: 1, op: 'write', value: 4 }],
    });
  });

  it('sums the host’s processor time', () => {
    assert.deepEqual(parseHostCpu('cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 1 1 1\ncpu1 1 1 1 1\nintr 5\n'), { total: 36 * 10_000_000, online: 2 });
  });

  it('reads interfaces but the loopback', () => {
    const text = 'Inter-|   Receive\n face |bytes\n    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n  eth0:100 2 3 4 0 0 0 0 200 5 6 7 0 0 0 0\n';
    assert.deepEqual(parseInterfaces(text), {
      eth0: { rxBytes: 100, rxPackets: 2, rxErrors: 3, rxDropped: 4, txBytes: 200, txPackets: 5, txErrors: 6, txDropped: 7 },
    });
  });
});
