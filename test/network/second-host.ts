import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';

export function ip(...args: string[]): void {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
  assert.equal(status, 0, `ip ${args.join(' ')}: ${stderr}`);
}

/**
 * Another machine on a wire of its own, in a network namespace: 198.51.100.2 and 2001:db8::2; this one is .1 and ::1 on the
 * interface `name`. Returns the path of its namespace.
 */
export function secondHost(t: { after: (task: () => void) => void }, name: string, { addressed = true }: { addressed?: boolean } = {}): string {
  ip('netns', 'add', name);
  t.after(() => {
    for (const args of [['link', 'delete', name], ['netns', 'delete', name]]) spawnSync('ip', args);
  });
  ip('link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
  if (addressed) {
    ip('address', 'add', '198.51.100.1/24', 'dev', name);
    ip('-6', 'address', 'add', '2001:db8::1/64', 'dev', name, 'nodad');
  }
  ip('link', 'set', name, 'up');
  ip('-n', name, 'address', 'add', '198.51.100.2/24', 'dev', 'eth0');
  ip('-n', name, '-6', 'address', 'add', '2001:db8::2/64', 'dev', 'eth0', 'nodad');
  for (const link of ['eth0', 'lo']) ip('-n', name, 'link', 'set', link, 'up');
  return `/run/netns/${name}`;
}

/** Whether the kernel can make links of this kind. */
export function kernelHas(kind: 'macvlan' | 'ipvlan' | 'vlan' | 'dummy'): boolean {
  const args = { macvlan: ['link', 'lo'], ipvlan: ['link', 'lo'], vlan: ['link', 'lo'], dummy: [] }[kind];
  const { stderr } = spawnSync('ip', ['link', 'add', 'gxprobe0', ...args, 'type', kind, ...(kind === 'vlan' ? ['id', '7'] : [])], { encoding: 'utf8' });
  spawnSync('ip', ['link', 'delete', 'gxprobe0']);
  return !stderr.includes('Unknown device type');
}
