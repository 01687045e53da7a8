/** Translates the engine's options into what the rooms take. */
import { accessSync, constants, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { invalid, messageOf } from '#base/errors.ts';
import { parseSize } from '#engine/logs/log-config.ts';
import { dockerDefaults } from '#engine/oci/defaults.ts';
import type { ContainerDefaults } from '#engine/oci/input.ts';
import type { NetworkConfig } from '#network/options.ts';
import type { Settings } from '#spec/daemon/options.ts';

/** `runtimes` are the names that `installedRuntimes` found. */
export function containerDefaults(settings: Readonly<Settings>, runtimes: readonly string[]): ContainerDefaults {
  const chosen = settings['default-runtime'];
  if (chosen !== undefined && !runtimes.includes(chosen)) throw invalid(`default-runtime ${JSON.stringify(chosen)} is not among the runtimes: ${runtimes.join(', ')}`);
  return {
    runtimes,
    defaultRuntime: chosen ?? runtimes[0] ?? dockerDefaults.defaultRuntime,
    shmSize: size(settings['default-shm-size'], 'default-shm-size') ?? dockerDefaults.shmSize,
    ipcMode: oneOf(settings['default-ipc-mode'], 'default-ipc-mode', ['private', 'shareable']) ?? dockerDefaults.ipcMode,
    cgroupnsMode: oneOf(settings['default-cgroupns-mode'], 'default-cgroupns-mode', ['private', 'host']) ?? dockerDefaults.cgroupnsMode,
    logConfig: { Type: settings['log-driver'] ?? dockerDefaults.logConfig.Type, Config: settings['log-opts'] ?? {} },
    ulimits: Object.values(settings['default-ulimits'] ?? {}),
    init: settings.init ?? dockerDefaults.init,
    noNewPrivileges: settings['no-new-privileges'] ?? dockerDefaults.noNewPrivileges,
    seccompProfile: seccompProfile(settings['seccomp-profile']),
    cgroupParent: settings['cgroup-parent'] ?? dockerDefaults.cgroupParent,
    usernsRemap: undefined,
  };
}

export function networkConfig(settings: Readonly<Settings>): NetworkConfig {
  return {
    bridgeAddress: settings.bip,
    bridgeName: settings.bridge,
    mtu: settings.mtu,
    hostAddress: settings.ip,
    defaultAddressPools: settings['default-address-pools'],
    dns: settings.dns,
    dnsSearch: settings['dns-search'],
    dnsOptions: settings['dns-opts'],
    communication: settings.icc,
    masquerade: settings['ip-masq'],
    forwarding: settings['ip-forward'],
  };
}

export interface InstalledRuntime {
  name: string;
  path: string;
  args: readonly string[];
}

/** crun and runc where they are installed, then those of the configuration; the first is the default. */
export function installedRuntimes(settings: Readonly<Settings>, searchPath = process.env['PATH'] ?? ''): InstalledRuntime[] {
  const found: InstalledRuntime[] = [];
  for (const name of ['crun', 'runc']) {
    const path = findProgram(name, searchPath);
    if (path !== undefined) found.push({ name, path, args: [] });
  }
  for (const [name, { path, runtimeArgs }] of Object.entries(settings.runtimes ?? {})) {
    const program = path.includes('/') ? path : findProgram(path, searchPath);
    if (program === undefined) throw invalid(`runtimes.${name}: the program ${path} is not installed`);
    found.push({ name, path: program, args: runtimeArgs });
  }
  return found;
}

/** The first executable of that name on the path or in the system's folders. */
export function findProgram(name: string, searchPath = process.env['PATH'] ?? ''): string | undefined {
  for (const folder of [...searchPath.split(':'), '/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']) {
    if (!folder.startsWith('/')) continue;
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here.
    }
  }
  return undefined;
}

function size(text: string | undefined, key: string): number | undefined {
  if (text === undefined) return undefined;
  const bytes = parseSize(text, 1024);
  if (bytes === undefined) throw invalid(`invalid ${key} ${JSON.stringify(text)}: it is a size such as 64m`);
  return bytes;
}

function oneOf<const T extends string>(value: string | undefined, key: string, among: readonly T[]): T | undefined {
  const found = among.find((one) => one === value);
  if (value !== undefined && found === undefined) throw invalid(`invalid ${key} ${JSON.stringify(value)}: it is ${among.join(' or ')}`);
  return found;
}

function seccompProfile(path: string | undefined): string | undefined {
  if (path === undefined || path === '' || path === 'builtin') return undefined;
  if (path === 'unconfined') return path;
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw invalid(`seccomp-profile cannot be read: ${messageOf(error)}`);
  }
}
