import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RuntimeSpec } from '#spec/oci-runtime.ts';
import type { ContainerConfig, HostConfig } from '#spec/wire/container.ts';
import { compileSpec } from './compile.ts';
import { decideContainer } from './create.ts';
import { dockerDefaults } from './defaults.ts';
import type { ContainerDefaults, PlannedMount, SpecInput } from './input.ts';
import { renderSpec } from './render.ts';
import { testFacts } from './test-facts.ts';

const own = { kind: 'private' } as const;

function compile(
  wishes: { config?: ContainerConfig; hostConfig?: HostConfig; mounts?: PlannedMount[]; defaults?: Partial<ContainerDefaults>; input?: Partial<SpecInput> } = {},
): RuntimeSpec {
  const defaults = { ...dockerDefaults, ...wishes.defaults };
  const facts = wishes.input?.facts ?? testFacts;
  const { config, hostConfig } = decideContainer({ id: 'abc'.padEnd(64, '0'), config: { Cmd: ['sh'], ...wishes.config }, hostConfig: wishes.hostConfig, image: {}, facts, defaults });
  const { spec } = compileSpec(
    {
      id: 'abc'.padEnd(64, '0'), config, hostConfig, facts, defaults, rootfs: '/rootfs', bundle: '/bundle', mounts: wishes.mounts ?? [],
      files: { hosts: '/f/hosts', hostname: '/f/hostname', resolvConf: '/f/resolv.conf' },
      namespaces: { network: { kind: 'join', path: '/netns/x' }, pid: own, ipc: own, uts: own, cgroup: { kind: 'host' } },
      cgroupsPath: '/gantry/abc', shmSource: undefined, consoleSize: undefined, ...wishes.input,
    },
    {
      files: { read: () => undefined },
      mountSource: ({ source }) => ({ path: source, folder: !source.endsWith('.txt') }),
      workingDir: (path) => path,
    },
  );
  return spec;
}

const mountAt = (spec: RuntimeSpec, destination: string) => spec.mounts.find((mount) => mount.destination === destination);
const planned = (mount: Partial<PlannedMount> & Pick<PlannedMount, 'type' | 'destination'>): PlannedMount => ({
  name: '', driver: '', source: '', subpath: '', mode: '', rw: true, propagation: '', recursive: true, readonlyDepth: 'if-possible',
  copyUp: false, createSource: false, tmpfsOptions: [], origin: 'binds', ...mount,
});

describe('the runtime spec', () => {
  test('without wishes', () => {
    const { process, linux, hostname, root, annotations, mounts } = compile();
    assert.deepEqual(process.args, ['sh']);
    assert.deepEqual(process.user, { uid: 0, gid: 0, additionalGids: [0] });
    assert.equal(process.capabilities?.effective.length, 14);
    assert.deepEqual([process.noNewPrivileges, process.oomScoreAdj, process.terminal, process.rlimits], [false, 0, undefined, undefined]);
    assert.deepEqual([hostname, root, annotations], ['abc000000000', { path: '/rootfs' }, undefined]);
    assert.deepEqual(linux.namespaces, [{ type: 'mount' }, { type: 'network', path: '/netns/x' }, { type: 'pid' }, { type: 'ipc' }, { type: 'uts' }]);
    assert.deepEqual(linux.sysctl, { 'net.ipv4.ip_unprivileged_port_start': '0', 'net.ipv4.ping_group_range': '0 2147483647' });
    assert.deepEqual(Object.keys(linux.resources ?? {}), ['devices']);
    assert.deepEqual(linux.resources?.devices?.[0], { allow: false, access: 'rwm' });
    assert.deepEqual(mounts.map(({ destination }) => destination), [
      '/proc', '/dev', '/dev/pts', '/sys', '/sys/fs/cgroup', '/dev/mqueue', '/dev/shm', '/etc/resolv.conf', '/etc/hostname', '/etc/hosts',
    ]);
  });
  test('every limit', () => {
    const { linux } = compile({ hostConfig: { Memory: 1 << 24, MemoryReservation: 1 << 23, MemorySwappiness: 5, NanoCpus: 1.5e9, CpuShares: 7, CpusetCpus: '0', PidsLimit: 9, OomKillDisable: true } });
    const { devices, ...rest } = linux.resources ?? {};
    assert.ok(devices);
    assert.deepEqual(rest, {
      memory: { limit: 1 << 24, reservation: 1 << 23, swap: 1 << 25, swappiness: 5, disableOOMKiller: true },
      cpu: { shares: 7, quota: 150_000, period: 100_000, cpus: '0' },
      pids: { limit: 9 },
    });
  });
  test('a terminal with its size', () => {
    const { process } = compile({ config: { Tty: true }, input: { consoleSize: [24, 80] } });
    assert.deepEqual([process.terminal, process.consoleSize], [true, { height: 24, width: 80 }]);
    assert.ok(process.env.includes('TERM=xterm'));
  });
  test('an init goes first, but not into another’s process namespace', () => {
    const spec = compile({ defaults: { init: true } });
    assert.deepEqual(spec.process.args, ['/sbin/docker-init', '--', 'sh']);
    assert.deepEqual(mountAt(spec, '/sbin/docker-init')?.source, '/usr/bin/tini-static');
    const shared = { network: own, pid: { kind: 'host' }, ipc: own, uts: own, cgroup: own } as const;
    assert.deepEqual(compile({ defaults: { init: true }, input: { namespaces: shared } }).process.args, ['sh']);
    assert.deepEqual(compile({ defaults: { init: true }, hostConfig: { Init: false } }).process.args, ['sh']);
  });
  test('configured defaults: no new privileges, ulimits, a profile', () => {
    const { process, linux } = compile({
      defaults: { noNewPrivileges: true, ulimits: [{ Name: 'core', Soft: 0, Hard: -1 }], seccompProfile: '{"defaultAction":"SCMP_ACT_LOG"}' },
    });
    assert.deepEqual([process.noNewPrivileges, linux.seccomp?.defaultAction], [true, 'SCMP_ACT_LOG']);
    assert.match(renderSpec(process), /"rlimits":\[\{"type":"RLIMIT_CORE","soft":0,"hard":18446744073709551615\}\]/);
  });
  test('mounts: read-only as deep as it goes, files only themselves, the freest propagation for the root', () => {
    const spec = compile({
      mounts: [
        planned({ type: 'bind', source: '/a', destination: '/deep', rw: false, propagation: 'rprivate' }),
        planned({ type: 'bind', source: '/b', destination: '/top', rw: false, propagation: 'rprivate', readonlyDepth: 'top-only' }),
        planned({ type: 'bind', source: '/c.txt', destination: '/file', rw: false, propagation: 'rprivate' }),
        planned({ type: 'bind', source: '/d', destination: '/slave', propagation: 'rslave', recursive: false }),
        planned({ type: 'volume', source: '/v', destination: '/etc/hosts' }),
        planned({ type: 'tmpfs', destination: '/t', tmpfsOptions: ['size=1m', 'exec'], rw: false }),
      ],
    });
    const options = (destination: string): string | undefined => mountAt(spec, destination)?.options?.join(' ');
    assert.deepEqual(['/deep', '/top', '/file', '/slave', '/t'].map(options), [
      'rbind rro rprivate', 'rbind ro rprivate', 'rbind ro rprivate', 'bind rw rslave', 'nosuid nodev size=1m exec ro rprivate',
    ]);
    assert.equal(mountAt(spec, '/etc/hosts')?.source, '/v');
    assert.equal(spec.linux.rootfsPropagation, 'rslave');
  });
  test('privileged: nothing hidden, nothing filtered', () => {
    const { linux, mounts } = compile({ hostConfig: { Privileged: true } });
    assert.deepEqual([linux.seccomp, linux.maskedPaths, linux.readonlyPaths], [undefined, undefined, undefined]);
    assert.ok(mounts.find(({ type }) => type === 'sysfs')?.options?.includes('rw'));
    assert.deepEqual(linux.resources?.devices, [{ allow: true, access: 'rwm' }]);
  });
  test('remapped ids, and their end with --userns host', () => {
    const ids = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
    const remapped = compile({ defaults: { usernsRemap: { uid: ids, gid: ids } } }).linux;
    assert.deepEqual([remapped.namespaces[0], remapped.uidMappings, remapped.gidMappings], [{ type: 'user' }, ids, ids]);
    assert.equal(remapped.sysctl?.['net.ipv4.ping_group_range'], undefined);
    assert.equal(compile({ defaults: { usernsRemap: { uid: ids, gid: ids } }, hostConfig: { UsernsMode: 'host' } }).linux.uidMappings, undefined);
  });
  test('a score the engine may not lower is left to be inherited', () => {
    const score = (oomScoreAdj: number, asked: number) => compile({ hostConfig: { OomScoreAdj: asked }, input: { facts: { ...testFacts, oomScoreAdj } } }).process.oomScoreAdj;
    assert.deepEqual([score(0, 0), score(200, 0), score(200, 300), score(200, -5)], [0, undefined, 300, -5]);
  });
});
