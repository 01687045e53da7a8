import { fail, ok, warn, type Finding, type Machine } from './check.ts';

/** What the kernel must offer. */
export function checkKernel(machine: Machine): Finding[] {
  return [kernelVersion(machine), ...namespaces(machine), seccomp(machine), overlay(machine), cgroups(machine), ...network(machine)];
}

function kernelVersion(machine: Machine): Finding {
  const text = machine.read('/proc/sys/kernel/osrelease')?.trim() ?? 'unknown';
  const [major = 0, minor = 0] = text.split('.').map(Number);
  if (major > 5 || (major === 5 && minor >= 6)) return ok('kernel', text);
  return fail('kernel', `${text} is too old: paths inside containers are resolved with openat2`, 'install a kernel of version 5.6 or newer');
}

function namespaces(machine: Machine): Finding[] {
  const missing = ['mnt', 'pid', 'net', 'ipc', 'uts', 'cgroup', 'user'].filter((name) => !machine.exists(`/proc/self/ns/${name}`));
  const kinds = missing.length === 0
    ? ok('namespaces', 'mount, pid, network, ipc, uts, cgroup, user')
    : fail('namespaces', `the kernel lacks ${missing.join(', ')}`, 'use a kernel with all CONFIG_*_NS options');
  if (machine.user === 0) return [kinds];
  const most = Number(machine.read('/proc/sys/user/max_user_namespaces') ?? 0);
  const clone = machine.read('/proc/sys/kernel/unprivileged_userns_clone')?.trim();
  const apparmor = machine.read('/proc/sys/kernel/apparmor_restrict_unprivileged_userns')?.trim();
  if (most === 0) return [kinds, fail('user namespaces', 'none allowed', 'sysctl -w user.max_user_namespaces=28633')];
  if (clone === '0') return [kinds, fail('user namespaces', 'only for root', 'sysctl -w kernel.unprivileged_userns_clone=1')];
  if (apparmor === '1') return [kinds, warn('user namespaces', 'restricted by AppArmor', 'sysctl -w kernel.apparmor_restrict_unprivileged_userns=0')];
  return [kinds, ok('user namespaces', `${most} allowed`)];
}

function seccomp(machine: Machine): Finding {
  const actions = machine.read('/proc/sys/kernel/seccomp/actions_avail')?.trim();
  return actions === undefined
    ? warn('seccomp', 'not in this kernel: system calls of containers are not filtered', 'use a kernel with CONFIG_SECCOMP_FILTER, or run with --security-opt seccomp=unconfined')
    : ok('seccomp', actions);
}

function overlay(machine: Machine): Finding {
  const known = /\boverlay$/m.test(machine.read('/proc/filesystems') ?? '');
  return known ? ok('overlayfs', 'known to the kernel') : fail('overlayfs', 'not known to the kernel', 'modprobe overlay; echo overlay > /etc/modules-load.d/overlay.conf');
}

/** crun refuses a hybrid hierarchy whose second version still holds controllers. */
function cgroups(machine: Machine): Finding {
  const what = 'cgroups';
  if (machine.exists('/sys/fs/cgroup/cgroup.controllers')) {
    const controllers = (machine.read('/sys/fs/cgroup/cgroup.controllers') ?? '').trim();
    const missing = ['cpu', 'memory', 'pids'].filter((name) => !controllers.split(/\s+/).includes(name));
    if (missing.length > 0) return warn(what, `version 2 without ${missing.join(', ')}: those limits do not work`, 'enable the controllers in the kernel or in the parent cgroup');
    return ok(what, `version 2 (${controllers})`);
  }
  const mounts = machine.read('/proc/self/mounts') ?? '';
  const first = mounts.split('\n').filter((line) => line.split(' ')[2] === 'cgroup').map((line) => line.split(' ')[1]?.split('/').at(-1) ?? '');
  if (first.length === 0) return fail(what, 'not mounted', 'mount -t cgroup2 cgroup2 /sys/fs/cgroup');
  const second = mounts.split('\n').find((line) => line.split(' ')[2] === 'cgroup2')?.split(' ')[1];
  const left = second === undefined ? '' : (machine.read(`${second}/cgroup.controllers`) ?? '').trim();
  if (left !== '') {
    const names = left.split(/\s+/);
    const mend = names.map((name) => `mkdir -p /sys/fs/cgroup/${name}; mount -t cgroup -o ${name} cgroup /sys/fs/cgroup/${name}`).join('; ');
    return fail(what, `hybrid, with ${left} left in version 2: crun refuses that`, mend);
  }
  const missing = ['memory', 'pids', 'cpu'].filter((name) => !first.some((mounted) => mounted.split(',').includes(name)));
  return missing.length > 0
    ? warn(what, `version 1 without ${missing.join(', ')}: those limits do not work`, `mount -t cgroup -o ${missing[0]} cgroup /sys/fs/cgroup/${missing[0]}`)
    : ok(what, `version 1${second === undefined ? '' : ', hybrid'} (${first.join(' ')})`);
}

function network(machine: Machine): Finding[] {
  const forward = machine.read('/proc/sys/net/ipv4/ip_forward')?.trim();
  const findings = [
    forward === '1' ? ok('ip_forward', 'on') : warn('ip_forward', 'off: containers reach nothing outside until the engine turns it on', 'sysctl -w net.ipv4.ip_forward=1'),
  ];
  const nft = machine.program('nft');
  if (nft === undefined) return findings;
  if (machine.user === 0) {
    const { code, said } = machine.run(nft, ['list', 'tables']);
    findings.push(code === 0 ? ok('nftables', 'the kernel answers') : fail('nftables', said.split('\n')[0] ?? '', 'modprobe nf_tables; containers need CAP_NET_ADMIN for it'));
  }
  return findings;
}
