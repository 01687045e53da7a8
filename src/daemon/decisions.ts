/** What settings in daemon.json's terms mean for the rooms. */
import { accessSync, constants, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { invalid, messageOf } from '#base/errors.ts';
import { dockerDefaults } from '#engine/oci/defaults.ts';
import type { ContainerDefaults } from '#engine/oci/input.ts';
import type { NetworkConfig } from '#network/options.ts';
import type { Settings } from '#spec/daemon/options.ts';
import { parseAddress } from './address.ts';

const folders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin', '/usr/libexec/podman', '/usr/lib/podman'];

/** An executable by name, in PATH and the usual places. */
export function findProgram(name: string): string | undefined {
  const places = name.includes('/') ? [name] : [...(process.env['PATH'] ?? '').split(':'), ...folders].filter((folder) => folder !== '').map((folder) => join(folder, name));
  return places.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Paths of runtimes by name: crun and runc where they are installed, and those of the configuration. */
export function runtimePaths({ runtimes = {} }: Readonly<Settings>): Record<string, string> {
  const paths: Record<string, string> = {};
  for (const name of ['crun', 'runc']) {
    const path = findProgram(name);
    if (path !== undefined) paths[name] = path;
  }
  for (const [name, { path }] of Object.entries(runtimes)) paths[name] = findProgram(path) ?? path;
  return paths;
}

/** Defaults of every container. Throws invalid_argument for values that make none. */
export function containerDefaults(settings: Readonly<Settings>, runtimes: readonly string[]): ContainerDefaults {
  const ipc = settings['default-ipc-mode'] ?? 'private';
  if (ipc !== 'private' && ipc !== 'shareable') throw invalid(`default-ipc-mode must be private or shareable, not ${JSON.stringify(ipc)}`);
  const cgroupns = settings['default-cgroupns-mode'];
  if (cgroupns !== undefined && cgroupns !== 'private' && cgroupns !== 'host') {
    throw invalid(`default-cgroupns-mode must be private or host, not ${JSON.stringify(cgroupns)}`);
  }
  const runtime = settings['default-runtime'] ?? (runtimes.includes('crun') ? 'crun' : (runtimes[0] ?? 'crun'));
  if (settings['default-runtime'] !== undefined && !runtimes.includes(runtime)) throw invalid(`default-runtime ${runtime} is not among the runtimes: ${runtimes.join(', ')}`);
  return {
    ...dockerDefaults,
    runtimes,
    defaultRuntime: runtime,
    shmSize: settings['default-shm-size'] === undefined ? dockerDefaults.shmSize : parseBytes(settings['default-shm-size']),
    ipcMode: ipc,
    cgroupnsMode: cgroupns,
    logConfig: { Type: settings['log-driver'] ?? dockerDefaults.logConfig.Type, Config: settings['log-opts'] ?? {} },
    ulimits: Object.entries(settings['default-ulimits'] ?? {}).map(([Name, { Soft, Hard }]) => ({ Name, Soft, Hard })),
    init: settings.init ?? false,
    noNewPrivileges: settings['no-new-privileges'] ?? false,
    seccompProfile: seccompProfile(settings['seccomp-profile']),
    cgroupParent: settings['cgroup-parent'] ?? '',
  };
}

function seccompProfile(given: string | undefined): string | undefined {
  if (given === undefined || given === '' || given === 'builtin') return undefined;
  if (given === 'unconfined') return given;
  try {
    return readFileSync(given, 'utf8');
  } catch (error) {
    throw invalid(`seccomp-profile ${given} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/** `64M`, `1g`, `65536`. */
function parseBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?$/i.exec(text.trim());
  if (!match) throw invalid(`invalid size: '${text}'`);
  return Math.floor(Number(match[1]) * 1024 ** ['', 'k', 'm', 'g', 't'].indexOf((match[2] ?? '').toLowerCase()));
}

/** At most one of each family; Docker's words. */
function hostGateways(addresses: readonly string[] | undefined): readonly string[] | undefined {
  for (const address of addresses ?? []) if (isIP(address) === 0) throw invalid(`invalid IP address in host-gateway-ip: ${address}`);
  for (const family of [4, 6]) {
    if ((addresses ?? []).filter((address) => isIP(address) === family).length > 1) throw invalid(`only one IPv${family} host gateway IP address can be specified`);
  }
  return addresses;
}

export function networkConfig(settings: Readonly<Settings>): NetworkConfig {
  return {
    bridgeAddress: settings.bip,
    bridgeName: settings.bridge,
    mtu: settings.mtu,
    hostAddress: settings.ip,
    defaultAddressPools: settings['default-address-pools'],
    dns: settings.dns,
    hostGateways: hostGateways(settings['host-gateway-ips']),
    dnsSearch: settings['dns-search'],
    dnsOptions: settings['dns-opts'],
    communication: settings.icc,
    masquerade: settings['ip-masq'],
    forwarding: settings['ip-forward'],
    ipv6: settings.ipv6,
    bridgeAddress6: settings.bip6,
    fixedRange: settings['fixed-cidr'] || undefined,
    fixedRange6: settings['fixed-cidr-v6'] || undefined,
    gateway: settings['default-gateway'] || undefined,
    gateway6: settings['default-gateway-v6'] || undefined,
    firewall: settings.iptables,
    publishPolicy: publishPolicy(settings['publish-policy']),
    userlandProxy: settings['userland-proxy'],
    defaultOptions: networkOptions(settings['default-network-opts'] ?? {}),
    apiPorts: (settings.hosts ?? []).flatMap((host) => apiPort(host, settings)),
  };
}

function publishPolicy(text: string | undefined): 'engine' | 'host' | undefined {
  if (text === undefined || text === 'engine' || text === 'host') return text;
  throw invalid(`publish-policy must be engine or host, not ${JSON.stringify(text)}`);
}

/** `{"bridge": {"com.docker.network.driver.mtu": "1400"}}` */
function networkOptions(given: Readonly<Record<string, unknown>>): Record<string, Record<string, string>> {
  return Object.fromEntries(
    Object.entries(given).map(([driver, options]) => {
      if (typeof options !== 'object' || options === null) throw invalid(`default-network-opts.${driver} must be an object`);
      return [driver, Object.fromEntries(Object.entries(options).map(([key, value]) => [key, String(value)]))];
    }),
  );
}

function apiPort(host: string, settings: Readonly<Settings>): number[] {
  const address = parseAddress(host, { tls: settings.tls === true || settings.tlsverify === true, socket: '/' });
  return address.kind === 'tcp' ? [address.port] : [];
}
