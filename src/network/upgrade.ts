/** Records of version 1, of engines that knew bridges with one IPv4 subnet only, as today's. */
import type { ContainerId, NetworkId } from '#spec/ids.ts';
import type { EndpointRecord, NetworkRecord, PortRecord, SandboxRecord } from './record.ts';

export interface FormerNetwork extends Pick<NetworkRecord, 'id' | 'name' | 'driver' | 'created' | 'internal' | 'attachable' | 'options' | 'labels'> {
  version: 1;
  ipamOptions?: Record<string, string> | undefined;
  bridge?: {
    name: string;
    owned: boolean;
    subnet: string;
    subnetGiven: boolean;
    range?: string | undefined;
    gateway: string;
    reserved: Record<string, string>;
    mtu?: number | undefined;
    masquerade: boolean;
    communication: boolean;
    hostAddress: string;
  };
}

export interface FormerSandbox {
  version: 1;
  id: string;
  container: ContainerId;
  name: string;
  hostname: string;
  domainname: string;
  state: 'up' | 'leaving';
  netnsPath: string;
  endpoints: (Pick<EndpointRecord, 'id' | 'network' | 'networkName' | 'interface' | 'mac' | 'prefix' | 'gateway' | 'settings'> & { address: string; veth: string; network: NetworkId })[];
  ports: PortRecord[];
  exposed: string[];
  extraHosts: string[];
  resolvConf: string;
}

export function upgradeNetwork(record: NetworkRecord | FormerNetwork): NetworkRecord {
  if (record.version === 2) return record;
  const { bridge, ipamOptions, ...rest } = record;
  const common = { ...rest, version: 2, ipv4: true, ipv6: false, configOnly: false, configFrom: '', ipamDriver: 'default', ipamOptions } as const;
  if (bridge === undefined) return { ...common, pools: [], via: undefined };
  const { subnet, subnetGiven: given, range, gateway, reserved, name, owned, mtu, masquerade, communication, hostAddress } = bridge;
  return {
    ...common,
    pools: [{ family: 4, subnet, given, range, gateway, reserved }],
    via: {
      kind: 'bridge', name, owned, mtu, masquerade, communication, hostAddress, mode4: 'nat', mode6: 'nat', source4: undefined, source6: undefined,
      trusted: [], address4: true, interfacePrefix: 'eth',
    },
  };
}

export function upgradeSandbox(record: SandboxRecord | FormerSandbox): SandboxRecord {
  if (record.version === 2) return record;
  return {
    ...record,
    version: 2,
    linked: [],
    endpoints: record.endpoints.map(({ veth, ...endpoint }) => ({
      ...endpoint, driver: 'bridge', hostLink: veth, address6: undefined, prefix6: 0, gateway6: undefined, routes: [],
    })),
  };
}
