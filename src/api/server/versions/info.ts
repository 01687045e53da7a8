import type { SystemInfo } from '#spec/wire/system.ts';
import { versionBelow } from '../../version.ts';

/** GET /info as a client of this version knows it. */
export function adaptInfo(info: SystemInfo, version: string): SystemInfo {
  if (!versionBelow(version, '1.53')) return info;
  const adapted: Record<string, unknown> = { ...info };
  delete adapted['NRI'];
  if (versionBelow(version, '1.50')) {
    delete adapted['DiscoveredDevices'];
    adapted['BridgeNfIptables'] = false;
    adapted['BridgeNfIp6tables'] = false;
  }
  if (versionBelow(version, '1.49')) {
    delete adapted['FirewallBackend'];
    for (const name of ['ContainerdCommit', 'RuncCommit', 'InitCommit'] as const) {
      adapted[name] = { ...info[name], Expected: info[name]?.ID ?? '' };
    }
  }
  if (versionBelow(version, '1.47')) {
    adapted['RegistryConfig'] = {
      ...info.RegistryConfig,
      AllowNondistributableArtifactsCIDRs: null,
      AllowNondistributableArtifactsHostnames: null,
    };
  }
  if (versionBelow(version, '1.46')) delete adapted['Containerd'];
  if (versionBelow(version, '1.44') && info.Runtimes !== undefined) {
    adapted['Runtimes'] = Object.fromEntries(
      Object.entries(info.Runtimes).map(([name, { status: _, ...runtime }]) => [name, runtime]),
    );
  }
  return adapted as SystemInfo;
}
