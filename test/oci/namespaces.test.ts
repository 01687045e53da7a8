import assert from 'node:assert/strict';
import { readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { after, describe, test } from 'node:test';
import { facts, Sandbox, skip } from './sandbox.ts';

const kinds = ['pid', 'net', 'ipc', 'uts', 'mnt', 'cgroup', 'user'] as const;
const script = kinds.map((kind) => `readlink /proc/self/ns/${kind}`).join('; ');
const host = Object.fromEntries(kinds.map((kind) => [kind, readlinkSync(`/proc/self/ns/${kind}`)]));

describe('the namespaces of a container', { skip }, () => {
  const box = new Sandbox();
  after(() => box[Symbol.dispose]());
  const seen = (...args: Parameters<Sandbox['run']>) => {
    const { stdout } = box.run(...args);
    return Object.fromEntries(stdout.trim().split('\n').map((text, index) => [kinds[index] ?? '', text]));
  };

  test('its own, except user (and cgroup on v1)', () => {
    const own = seen(script);
    for (const kind of ['pid', 'net', 'ipc', 'uts', 'mnt'] as const) assert.notEqual(own[kind], host[kind], kind);
    assert.equal(own['user'], host['user']);
    assert.equal(own['cgroup'] === host['cgroup'], facts.cgroupVersion === 1);
  });

  test('the host’s where asked', () => {
    const shared = { kind: 'host' } as const;
    const all = seen(script, { namespaces: { pid: shared, network: shared, ipc: shared, uts: shared } });
    for (const kind of ['pid', 'net', 'ipc', 'uts'] as const) assert.equal(all[kind], host[kind], kind);
    assert.equal(box.run('hostname', { namespaces: { uts: shared } }).stdout.trim(), hostname());
  });

  test('another container’s', () => {
    const { pid } = box.start();
    const join = (kind: string) => ({ kind: 'join', path: `/proc/${pid}/ns/${kind}` }) as const;
    const joined = seen(script, { namespaces: { pid: join('pid'), network: join('net'), ipc: join('ipc') } });
    assert.equal(joined['pid'], readlinkSync(`/proc/${pid}/ns/pid`));
    assert.equal(joined['net'], readlinkSync(`/proc/${pid}/ns/net`));
    assert.equal(joined['ipc'], readlinkSync(`/proc/${pid}/ns/ipc`));
    assert.match(box.run('ps', { namespaces: { pid: join('pid') } }).stdout, /sleep 1000/);
  });

  test('a cgroup namespace of its own hides the path', () => {
    assert.match(box.run('cat /proc/self/cgroup', { hostConfig: { CgroupnsMode: 'private' } }).stdout, /:\/$/m);
  });

  test('sysctls: the defaults, one’s own, the domain name', () => {
    const { stdout } = box.run('cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax /proc/sys/kernel/domainname', {
      config: { Domainname: 'example.org' },
      hostConfig: { Sysctls: { 'net.ipv4.ip_forward': '1', 'kernel.msgmax': '4321' } },
    });
    assert.equal(stdout, '0\n1\n4321\nexample.org\n');
  });
});
