import { readdirSync, realpathSync, statSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { invalid, isErrno } from '#base/errors.ts';
import type { LinuxDevice, LinuxResources } from '#spec/oci-runtime.ts';
import type { DeviceMapping, HostConfig } from '#spec/wire/container.ts';

export type DeviceRule = NonNullable<LinuxResources['devices']>[number];

export interface DeviceAccess {
  devices: LinuxDevice[];
  rules: DeviceRule[];
}

const node = (major: number, minor: number | undefined): DeviceRule => ({
  allow: true, type: 'c', major, access: 'rwm', ...(minor === undefined ? {} : { minor }),
});

/** Nothing, except making any node, and using the harmless ones: null, zero, full, random, urandom, tty, console, pts, ptmx. */
const defaultRules: readonly DeviceRule[] = [
  { allow: false, access: 'rwm' },
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
  node(1, 3), node(1, 5), node(1, 7), node(1, 8), node(1, 9), node(5, 0), node(5, 1), node(5, 2), node(136, undefined),
];

/** Device nodes to make in the container and the rules of its device cgroup. Looks the devices up on the host. */
export function deviceAccess(hostConfig: HostConfig): DeviceAccess {
  if (hostConfig.Privileged === true) {
    return { devices: hostDevices('/dev'), rules: [{ allow: true, access: 'rwm' }] };
  }
  const devices: LinuxDevice[] = [];
  const rules = [...defaultRules];
  for (const mapping of hostConfig.Devices ?? []) {
    for (const device of devicesOf(mapping)) {
      devices.push(device);
      rules.push(ruleFor(device, mapping.CgroupPermissions || 'rwm'));
    }
  }
  for (const text of hostConfig.DeviceCgroupRules ?? []) rules.push(parseDeviceRule(text));
  return { devices, rules };
}

/** Refuses other letters than those of the device cgroup; empty means all three. */
export function checkDevicePermissions({ PathOnHost: path = '', CgroupPermissions: permissions = '' }: DeviceMapping): void {
  if (!/^[rwm]{0,3}$/.test(permissions)) throw invalid(`invalid permissions "${permissions}" for device "${path}": expected some of r, w and m`);
}

/** `c 1:3 mr`, `b 8:* r`, `a *:* rwm` as in the kernel's device cgroup. */
export function parseDeviceRule(text: string): DeviceRule {
  const match = /^([acb]) ([0-9]+|\*):([0-9]+|\*) ([rwm]{1,3})$/.exec(text);
  if (!match) throw invalid(`invalid device cgroup rule format: '${text}'`);
  const [, type = 'a', major = '*', minor = '*', access = ''] = match;
  return {
    allow: true,
    type,
    access,
    ...(major === '*' ? {} : { major: Number(major) }),
    ...(minor === '*' ? {} : { minor: Number(minor) }),
  };
}

export function ruleFor(device: LinuxDevice, access: string): DeviceRule {
  return { allow: true, type: device.type === 'b' ? 'b' : 'c', major: device.major ?? 0, minor: device.minor ?? 0, access };
}

/** One node, or every node below a folder, as the container is to see them. */
function devicesOf(mapping: DeviceMapping): LinuxDevice[] {
  const onHost = mapping.PathOnHost ?? '';
  const wanted = mapping.PathInContainer || onHost;
  const inContainer = wanted.startsWith('/') ? wanted : `/${wanted}`;
  const refuse = (why: string): Error => invalid(`error gathering device information while adding custom device "${onHost}": ${why}`);
  let source: string;
  let stat: Stats;
  try {
    source = realpathSync(onHost);
    stat = statSync(source);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) throw refuse('no such file or directory');
    throw refuse((error as Error).message);
  }
  const direct = deviceNode(stat, inContainer);
  if (direct) return [direct];
  const below = stat.isDirectory() ? hostDevices(source).map((device) => ({ ...device, path: device.path.replace(source, inContainer) })) : [];
  if (below.length === 0) throw refuse('not a device node');
  return below;
}

/** Every device node below a folder of the host, except terminals and what every container has of its own. */
function hostDevices(folder: string): LinuxDevice[] {
  const found: LinuxDevice[] = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (!skippedFolders.has(entry.name)) found.push(...hostDevices(path));
    } else if ((entry.isBlockDevice() || entry.isCharacterDevice()) && entry.name !== 'console') {
      const device = statIfThere(path, path);
      if (device) found.push(device);
    }
  }
  return found;
}

const skippedFolders = new Set(['pts', 'shm', 'fd', 'mqueue', '.lxc', '.lxd-mounts', '.udev']);

function statIfThere(path: string, as: string): LinuxDevice | undefined {
  try {
    return deviceNode(statSync(path), as);
  } catch (error) {
    // A device that was unplugged between the listing and now.
    if (isErrno(error, 'ENOENT', 'ENXIO')) return undefined;
    throw error;
  }
}

/** What a stat says about a node, or undefined when it is not one. */
export function deviceNode(stat: Stats, path: string): LinuxDevice | undefined {
  if (!stat.isBlockDevice() && !stat.isCharacterDevice()) return undefined;
  return { path, type: stat.isBlockDevice() ? 'b' : 'c', ...deviceNumbers(stat.rdev), fileMode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid };
}

/** Splits a dev_t as glibc does. */
export function deviceNumbers(rdev: number): { major: number; minor: number } {
  const value = BigInt(rdev);
  return {
    major: Number(((value >> 8n) & 0xfffn) | ((value >> 32n) & ~0xfffn)),
    minor: Number((value & 0xffn) | ((value >> 12n) & ~0xffn)),
  };
}
