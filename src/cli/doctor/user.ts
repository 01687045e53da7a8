import { fail, ok, warn, type Finding, type Machine } from './check.ts';

const GIGABYTE = 1e9;

/** What an engine of this user needs besides the kernel. */
export function checkUser(machine: Machine, folders: { root: string; run: string }): Finding[] {
  const findings: Finding[] = [];
  const free = machine.freeBytes(folders.root);
  if (free !== undefined) {
    const found = `${(free / GIGABYTE).toFixed(1)} GB free below ${folders.root}`;
    findings.push(free < GIGABYTE ? warn('disk', found, 'free some space, or move the data folder with --data-root') : ok('disk', found));
  }
  if (machine.user === 0) return [ok('user', 'root'), ...findings];
  findings.unshift(ok('user', `${machine.userName}: the engine runs without root`));
  for (const kind of ['subuid', 'subgid'] as const) findings.push(subordinate(machine, kind));
  for (const device of ['/dev/net/tun', '/dev/fuse']) {
    findings.push(machine.usable(device) ? ok(device, 'usable') : warn(device, machine.exists(device) ? 'not for this user' : 'missing', `as root: chmod 0666 ${device}`));
  }
  const runtime = machine.env['XDG_RUNTIME_DIR'];
  findings.push(runtime !== undefined && machine.usable(runtime)
    ? ok('XDG_RUNTIME_DIR', runtime)
    : fail('XDG_RUNTIME_DIR', runtime === undefined ? 'not set' : `${runtime} cannot be written`, 'log in anew (loginctl enable-linger keeps it), or set it to a folder of mode 0700'));
  return findings;
}

function subordinate(machine: Machine, kind: 'subuid' | 'subgid'): Finding {
  const what = `/etc/${kind}`;
  const line = (machine.read(what) ?? '').split('\n').map((text) => text.split(':')).find(([name]) => name === machine.userName || name === String(machine.user));
  const count = Number(line?.[2] ?? 0);
  const mend = `as root: usermod --add-${kind}s 100000-165535 ${machine.userName}`;
  if (count === 0) return fail(what, 'no range for this user', mend);
  return count < 65_536 ? warn(what, `only ${count} ids`, mend) : ok(what, `${count} ids`);
}
