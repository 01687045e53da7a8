/** Networks and addresses that plugins manage: the client's side of Docker's NetworkDriver and IpamDriver protocols. */
import { EngineError, invalid, messageOf, wrap } from '#base/errors.ts';
import type { Log } from '#base/log.ts';
import type { Plugin, Plugins } from '#host/plugin-client.ts';
import type { IPAMConfig, EndpointSettings } from '#spec/wire/network.ts';
import type { Claims } from './endpoint-plan.ts';
import { formatAddress, formatSubnet, parseAddress, parseSubnet, type Family } from './ip.ts';
import { isInterfaceName } from './option-text.ts';
import type { EndpointRecord, NetworkRecord, PoolRecord, RouteRecord, SandboxRecord } from './record.ts';

type Answer = Readonly<Record<string, unknown>>;

const GENERIC = 'com.docker.network.generic';
const GATEWAY = 'com.docker.network.gateway';
/** Removal goes on without a plugin that does not answer in this time. */
const FAREWELL = { timeout: 10_000, patient: false } as const;

export class RemoteNetworks {
  readonly #plugins: Plugins;
  readonly #log: Log;

  constructor(options: { plugins: Plugins; log: Log }) {
    this.#plugins = options.plugins;
    this.#log = options.log;
  }

  /** Where the driver's networks reach: `local` or `global`. not_found when there is no such plugin. */
  async scopeOf(driver: string): Promise<string> {
    const plugin = await this.#plugins.get(driver, 'NetworkDriver');
    const { Scope: scope } = await plugin.call('NetworkDriver.GetCapabilities');
    if (scope === 'local' || scope === 'global') return scope;
    throw invalid(`network plugin ${driver} has no sound scope: ${JSON.stringify(scope)}, expected "local" or "global"`);
  }

  /** Pools of an IPAM plugin, gateways included; what was requested is released when a later step fails. */
  async requestPools(driver: string, wishes: { configs: readonly IPAMConfig[]; ipv4: boolean; ipv6: boolean; options: Record<string, string> }): Promise<PoolRecord[]> {
    if (driver === 'null') return nullPools(wishes);
    const plugin = await this.#plugins.get(driver, 'IpamDriver');
    const { LocalDefaultAddressSpace: space } = await plugin.call('IpamDriver.GetDefaultAddressSpaces');
    const pools: PoolRecord[] = [];
    const request = async (family: Family, config: IPAMConfig): Promise<void> => {
      const answer = await plugin.call('IpamDriver.RequestPool', {
        AddressSpace: textOf(space), Pool: config.Subnet ?? '', SubPool: config.IPRange ?? '', Options: wishes.options, V6: family === 6,
      });
      const subnet = parseSubnet(textOf(answer['Pool']));
      const remoteId = textOf(answer['PoolID']);
      if (subnet?.family !== family || remoteId === '') throw new EngineError('unavailable', `IPAM plugin ${driver} gave no sound pool: ${JSON.stringify(answer['Pool'])}`);
      const pool: PoolRecord = { family, subnet: formatSubnet(subnet), given: (config.Subnet ?? '') !== '', range: config.IPRange, gateway: undefined, reserved: {}, remote: { driver, id: remoteId } };
      pools.push(pool);
      const told = objectOf(answer['Data'])[GATEWAY];
      pool.gateway = config.Gateway || (typeof told === 'string' && told !== '' ? (told.split('/')[0] ?? '') : undefined);
      pool.gateway ??= (await this.#requestAddress(plugin, pool, '', { RequestAddressType: GATEWAY })).address;
    };
    try {
      for (const config of wishes.configs) await request((config.Subnet ?? '').includes(':') ? 6 : 4, config);
      if (wishes.ipv4 && !pools.some(({ family }) => family === 4)) await request(4, {});
      if (wishes.ipv6 && !pools.some(({ family }) => family === 6)) await request(6, {});
      return pools;
    } catch (error) {
      await this.releasePools(pools);
      throw error;
    }
  }

  async releasePools(pools: readonly PoolRecord[]): Promise<void> {
    for (const { remote, gateway } of pools) {
      if (remote === undefined) continue;
      if (gateway !== undefined) await this.#farewell(remote.driver, 'IpamDriver', (plugin) => plugin.call('IpamDriver.ReleaseAddress', { PoolID: remote.id, Address: gateway }, FAREWELL));
      await this.#farewell(remote.driver, 'IpamDriver', (plugin) => plugin.call('IpamDriver.ReleasePool', { PoolID: remote.id }, FAREWELL));
    }
  }

  /** Addresses for endpoints to be, by network id; nothing for networks of our own address management. */
  async claim(wishes: readonly { network: NetworkRecord; settings: EndpointSettings }[]): Promise<Map<string, Claims>> {
    const claimed = new Map<string, Claims>();
    try {
      for (const { network, settings } of wishes) {
        if (['default', 'null'].includes(network.ipamDriver) || network.via === undefined) continue;
        const plugin = await this.#plugins.get(network.ipamDriver, 'IpamDriver');
        const claims: Claims = {};
        claimed.set(network.id, claims);
        for (const family of [4, 6] as const) {
          const pool = network.pools.find((candidate) => candidate.family === family);
          if (pool === undefined) continue;
          const wanted = (family === 4 ? settings.IPAMConfig?.IPv4Address : settings.IPAMConfig?.IPv6Address) ?? '';
          claims[family] = { ...(await this.#requestAddress(plugin, pool, wanted, {})), pool };
        }
      }
      return claimed;
    } catch (error) {
      await this.unclaim(claimed);
      throw wrap(error, 'no address from the IPAM plugin');
    }
  }

  async unclaim(claimed: ReadonlyMap<string, Claims>): Promise<void> {
    for (const claims of claimed.values()) for (const { address, pool } of Object.values(claims)) await this.#release(address, pool);
  }

  async createNetwork(network: NetworkRecord): Promise<void> {
    if (network.via?.kind !== 'remote') return;
    const plugin = await this.#plugins.get(network.driver, 'NetworkDriver');
    const data = (family: Family) =>
      network.pools
        .filter((pool) => pool.family === family)
        .map(({ subnet, gateway, reserved }) => ({
          AddressSpace: 'LocalDefault', Pool: subnet, Gateway: gateway === undefined ? '' : `${gateway}/${subnet.split('/')[1] ?? ''}`,
          AuxAddresses: Object.fromEntries(Object.entries(reserved).map(([name, address]) => [name, `${address}/${subnet.split('/')[1] ?? ''}`])),
        }));
    await plugin.call('NetworkDriver.CreateNetwork', {
      NetworkID: network.id,
      Options: {
        [GENERIC]: network.options, 'com.docker.network.enable_ipv4': network.ipv4, 'com.docker.network.enable_ipv6': network.ipv6,
        ...(network.internal ? { 'com.docker.network.internal': true } : {}),
      },
      IPv4Data: data(4), IPv6Data: data(6),
    });
  }

  async deleteNetwork(network: NetworkRecord): Promise<void> {
    if (network.via?.kind !== 'remote') return;
    await this.#farewell(network.driver, 'NetworkDriver', (plugin) => plugin.call('NetworkDriver.DeleteNetwork', { NetworkID: network.id }, FAREWELL));
  }

  /** The endpoint with the plugin's interface, addresses and routes; for our own drivers as it was. */
  async join(network: NetworkRecord, endpoint: EndpointRecord, sandbox: SandboxRecord): Promise<EndpointRecord> {
    if (network.via?.kind !== 'remote') return endpoint;
    const plugin = await this.#plugins.get(network.driver, 'NetworkDriver');
    const ids = { NetworkID: network.id, EndpointID: endpoint.id };
    const options = { 'com.docker.network.endpoint.exposedports': exposedPorts(sandbox), 'com.docker.network.portmap': [], ...endpoint.settings.DriverOpts };
    const made = await plugin.call('NetworkDriver.CreateEndpoint', {
      ...ids, Options: options,
      Interface: {
        Address: cidr(endpoint.address, endpoint.prefix), AddressIPv6: cidr(endpoint.address6, endpoint.prefix6),
        // A MAC address that nobody asked for is the plugin's to choose.
        MacAddress: endpoint.settings.MacAddress ?? '',
      },
    });
    const addressed = withInterface(endpoint, objectOf(made['Interface']), network.driver);
    const joined = await plugin.call('NetworkDriver.Join', { ...ids, SandboxKey: sandbox.netnsPath, Options: options });
    return withJoin(addressed, joined, network, new Set(sandbox.endpoints.filter((item) => item.id !== endpoint.id).map((item) => item.interface)));
  }

  /** The plugin forgets the endpoint, and its addresses are given back; errors are told in the log. */
  async leave(network: NetworkRecord, endpoint: EndpointRecord): Promise<void> {
    if (network.via?.kind === 'remote') {
      const ids = { NetworkID: network.id, EndpointID: endpoint.id };
      await this.#farewell(network.driver, 'NetworkDriver', (plugin) => plugin.call('NetworkDriver.Leave', ids, FAREWELL));
      await this.#farewell(network.driver, 'NetworkDriver', (plugin) => plugin.call('NetworkDriver.DeleteEndpoint', ids, FAREWELL));
    }
    for (const [family, address] of [[4, endpoint.address], [6, endpoint.address6]] as const) {
      const pool = network.pools.find((candidate) => candidate.family === family);
      if (address !== undefined && pool !== undefined) await this.#release(address, pool);
    }
  }

  async #release(address: string, { remote }: PoolRecord): Promise<void> {
    if (remote === undefined) return;
    await this.#farewell(remote.driver, 'IpamDriver', (plugin) => plugin.call('IpamDriver.ReleaseAddress', { PoolID: remote.id, Address: address }, FAREWELL));
  }

  async #requestAddress(plugin: Plugin, pool: PoolRecord, wanted: string, options: Record<string, string>): Promise<{ address: string; prefix: number }> {
    const { Address: given } = await plugin.call('IpamDriver.RequestAddress', { PoolID: pool.remote?.id, Address: wanted, Options: options });
    const [text = '', prefix] = textOf(given).split('/');
    const address = parseAddress(text);
    if (address?.family !== pool.family) throw new EngineError('unavailable', `IPAM plugin ${plugin.name} gave no sound address: ${JSON.stringify(given)}`);
    return { address: formatAddress(address), prefix: Number(prefix ?? pool.subnet.split('/')[1]) };
  }

  /** What ends goes on ending without the plugin. */
  async #farewell(driver: string, capability: 'NetworkDriver' | 'IpamDriver', task: (plugin: Plugin) => Promise<unknown>): Promise<void> {
    try {
      await task(await this.#plugins.get(driver, capability, { patient: false }));
    } catch (error) {
      this.#log.warn('a network plugin was not told that something ended', { plugin: driver, reason: messageOf(error) });
    }
  }
}

/** The driver `null` manages no addresses: the network's own driver does. */
function nullPools({ ipv4, ipv6 }: { ipv4: boolean; ipv6: boolean }): PoolRecord[] {
  const pool = (family: Family, subnet: string): PoolRecord => ({ family, subnet, given: false, range: undefined, gateway: undefined, reserved: {} });
  return [...(ipv4 ? [pool(4, '0.0.0.0/0')] : []), ...(ipv6 ? [pool(6, '::/0')] : [])];
}

function withInterface(endpoint: EndpointRecord, made: Answer, driver: string): EndpointRecord {
  const mac = textOf(made['MacAddress']);
  if (mac !== '' && !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac)) throw new EngineError('unavailable', `network plugin ${driver} gave no sound MAC address: ${JSON.stringify(mac)}`);
  const [four, six] = [addressOf(made, 'Address', 4, driver), addressOf(made, 'AddressIPv6', 6, driver)];
  if (four !== undefined && endpoint.address !== undefined) throw new EngineError('unavailable', `network plugin ${driver} gave an address to an endpoint that has one`);
  return {
    ...endpoint,
    ...(mac === '' ? {} : { mac: mac.toLowerCase() }),
    ...(four === undefined ? {} : { address: four.address, prefix: four.prefix }),
    ...(six === undefined || endpoint.address6 !== undefined ? {} : { address6: six.address, prefix6: six.prefix }),
  };
}

function addressOf(made: Answer, key: string, family: Family, driver: string): { address: string; prefix: number } | undefined {
  const text = textOf(made[key]);
  if (text === '') return undefined;
  const [address = '', prefix = ''] = text.split('/');
  if (parseAddress(address)?.family !== family || parseSubnet(text) === undefined) throw new EngineError('unavailable', `network plugin ${driver} gave no sound address: ${JSON.stringify(text)}`);
  return { address, prefix: Number(prefix) };
}

function withJoin(endpoint: EndpointRecord, joined: Answer, { driver, internal }: NetworkRecord, used: ReadonlySet<string>): EndpointRecord {
  const names = objectOf(joined['InterfaceName']);
  const link = textOf(names['SrcName']);
  if (!isInterfaceName(link) || link === 'lo') throw new EngineError('unavailable', `network plugin ${driver} named no sound interface: ${JSON.stringify(link)}`);
  const stem = textOf(names['DstPrefix']);
  const prefix = isInterfaceName(`${stem}0`) ? stem : 'eth';
  let position = 0;
  while (used.has(`${prefix}${position}`)) position++;
  const gateway = (key: string, family: Family): string | undefined => {
    const address = parseAddress(textOf(joined[key]));
    return internal || address?.family !== family ? undefined : formatAddress(address);
  };
  return { ...endpoint, hostLink: link, interface: textOf(names['DstName']) || `${prefix}${position}`, gateway: gateway('Gateway', 4), gateway6: gateway('GatewayIPv6', 6), routes: staticRoutes(joined['StaticRoutes'], driver) };
}

const CONNECTED = 1;

function staticRoutes(value: unknown, driver: string): RouteRecord[] {
  if (!Array.isArray(value)) return [];
  return value.map(objectOf).map((route) => {
    const subnet = parseSubnet(textOf(route['Destination']));
    const hop = parseAddress(textOf(route['NextHop']));
    if (subnet === undefined || (route['RouteType'] !== CONNECTED && hop === undefined)) throw new EngineError('unavailable', `network plugin ${driver} gave no sound route: ${JSON.stringify(route)}`);
    return { destination: formatSubnet(subnet), gateway: route['RouteType'] === CONNECTED || hop === undefined ? undefined : formatAddress(hop) };
  });
}

const NUMBERS: Readonly<Record<string, number>> = { tcp: 6, udp: 17, sctp: 132 };

function exposedPorts({ exposed }: SandboxRecord): { Proto: number; Port: number }[] {
  return exposed.map((text) => {
    const [port = '', protocol = 'tcp'] = text.split('/');
    return { Proto: NUMBERS[protocol] ?? 6, Port: Number(port) };
  });
}

const cidr = (address: string | undefined, prefix: number): string => (address === undefined ? '' : `${address}/${prefix}`);
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const objectOf = (value: unknown): Answer => (typeof value === 'object' && value !== null ? (value as Answer) : {});
