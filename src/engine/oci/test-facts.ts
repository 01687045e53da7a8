import type { HostFacts } from '#host/facts.ts';
import { capabilityNames } from '#host/capability-names.ts';

/** A machine with two CPUs, cgroup v1 and an engine without CAP_SYS_RESOURCE, for tests. */
export const testFacts: HostFacts = {
  architecture: 'amd64',
  kernel: { major: 6, minor: 18 },
  cgroupVersion: 1,
  controllers: ['blkio', 'cpu', 'cpuset', 'devices', 'freezer', 'memory', 'pids'],
  controlFiles: [
    'memory.memsw.limit_in_bytes', 'memory.swappiness', 'memory.soft_limit_in_bytes', 'memory.oom_control', 'cpu.shares', 'cpu.cfs_quota_us',
    'blkio.throttle.read_bps_device', 'blkio.throttle.write_bps_device', 'blkio.throttle.read_iops_device', 'blkio.throttle.write_iops_device',
  ],
  cpus: 2,
  cpusetCpus: '0-1',
  cpusetMems: '0',
  memory: 8 << 30,
  capabilities: capabilityNames.filter((name) => name !== 'CAP_SYS_RESOURCE'),
  knownCapabilities: capabilityNames,
  apparmor: false,
  apparmorDefault: undefined,
  selinux: false,
  seccomp: true,
  rlimits: { nofile: { soft: 1024, hard: 20_000 } },
  rootless: false,
  oomScoreAdj: 0,
  initBinary: '/usr/bin/tini-static',
  cdiDirs: [],
};
