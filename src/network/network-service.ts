import { rfc3339Nano, type Clock } from '#base/clock.ts';
import { EngineError, invalid } from '#base/errors.ts';
import { newId } from '#base/ids.ts';
import type { NetworkKernel, NetworkSight } from '#host/network-kernel.ts';
import type { EmitEvent } from '#spec/event.ts';
import type { Filters } from '#spec/filters.ts';
import { asNetworkId } from '#spec/ids.ts';
import type {
  IPAMConfig, NetworkConnectRequest, NetworkCreateRequest, NetworkCreateResponse, NetworkDisconnectRequest, NetworkInspect, NetworksPruneResponse,
} from '#spec/wire/network.ts';
import { chooseSubnet, usageOf, type AddressPool } from './address-pool.ts';
import { bridgeAttachment } from './bridge-request.ts';
import { childAttachment } from './child-request.ts';
import { ALIAS_CONFLICT, checkEndpointSettings } from './endpoint-settings.ts';
import type { Firewall } from './firewall.ts';
import { editHosts, ownHosts } from './hosts-file.ts';
import { parseSubnet } from './ip.ts';
import type { NameService } from './names/name-service.ts';
import { isBridge, networkSubnets, ownedLinks, takenSubnets } from './network-plan.ts';
import { isPredefined, readCreateRequest, type NetworkWish } from './network-request.ts';
import { filterNetworks, isPrunable, viewNetwork } from './network-view.ts';
import type { Options } from './option-text.ts';
import type { ContainerLookup, FileChanges } from './options.ts';
import { checkPools, planPools, poolOf } from './pool-request.ts';
import type { Attachment, NetworkRecord, PoolRecord, SandboxRecord } from './record.ts';
import { addressesOf, type Registry } from './registry.ts';
import type { RemoteNetworks } from './remote-networks.ts';
import type { ResolverFiles } from './resolver-files.ts';
import { hasNames } from './sandbox-view.ts';
import type { Sandboxes } from './sandboxes.ts';

interface NetworkServiceOptions {
  registry: Registry;
  kernel: NetworkKernel;
  firewall: Firewall;
  sandboxes: Sandboxes;
  containers: ContainerLookup;
  remote: RemoteNetworks;
  /** Makes the network's interfaces on the host. */
  makeLinks: (network: NetworkRecord) => Promise<void>;
  emit: EmitEvent;
  clock: Clock;
  pools: readonly AddressPool[];
  mtu: number | undefined;
  defaultOptions: Readonly<Record<string, Options>>;
  names: Pick<NameService, 'warm'>;
  files: ResolverFiles;
}

/** Networks as the API serves them. */
export class NetworkObjects {
  readonly #options: NetworkServiceOptions;

  constructor(options: NetworkServiceOptions) {
    this.#options = options;
  }

  async list(filters: Filters): Promise<NetworkInspect[]> {
    const { registry } = this.#options;
    const found = filterNetworks(registry.networks(), filters, (network) => this.#isInUse(network));
    return found.map((network) => viewNetwork(network, [], () => undefined));
  }

  async inspect(name: string, options: { verbose: boolean; scope: string | undefined }): Promise<NetworkInspect> {
    const { registry, containers } = this.#options;
    const network = registry.get(name);
    if (options.scope !== undefined && options.scope !== '' && options.scope !== 'local') throw new EngineError('not_found', `network ${name} not found`);
    const shown = viewNetwork(network, registry.endpointsOn(network.id), (id) => containers.nameOf(id));
    return { ...shown, Status: { IPAM: { Subnets: Object.fromEntries(network.pools.map((pool) => [pool.subnet, usageOf(pool, registry.takenAddresses(network.id))])) } } };
  }

  async create(body: NetworkCreateRequest): Promise<NetworkCreateResponse> {
    const { registry, kernel, firewall, clock, remote, makeLinks, names } = this.#options;
    // Whoever makes a network is about to use it.
    names.warm();
    const wish = readCreateRequest(body, registry.networks());
    const sight = wish.body.ConfigOnly === true ? undefined : await kernel.observe();
    const scope = wish.remote ? await remote.scopeOf(wish.driver) : 'local';
    const wishes = { configs: wish.body.IPAM?.Config ?? [], ipv4: wish.ipv4, ipv6: wish.ipv6 };
    const options = wish.body.IPAM?.Options ?? {};
    if (wish.ipamDriver === 'default') checkPools(wishes);
    const pools = wish.ipamDriver === 'default' ? undefined : await remote.requestPools(wish.ipamDriver, { ...wishes, options });
    let record: NetworkRecord;
    try {
      // From here to the record nothing waits: two networks never get the same subnet.
      readCreateRequest(body, registry.networks());
      record = this.#decide(wish, rfc3339Nano(clock.nowNanos()), scope, sight, pools);
      registry.saveNetwork(record);
    } catch (error) {
      await remote.releasePools(pools ?? []);
      throw error;
    }
    try {
      await remote.createNetwork(record);
      await makeLinks(record);
      if (isBridge(record)) await firewall.apply();
    } catch (error) {
      await this.#erase(record).catch(() => {});
      throw error;
    }
    this.#tell('create', record);
    return { Id: record.id, Warning: '' };
  }

  #decide(wish: NetworkWish, created: string, scope: string, sight: NetworkSight | undefined, remotePools: PoolRecord[] | undefined): NetworkRecord {
    const { registry, mtu, pools: defaults, defaultOptions } = this.#options;
    const { body, driver } = wish;
    const id = newId();
    const networks = registry.networks();
    const configOnly = body.ConfigOnly ?? false;
    const internal = body.Internal ?? false;
    const links = new Map((sight?.links ?? []).map((link) => [link.name, link.kind ?? '']));
    const options = { ...(configOnly ? {} : defaultOptions[driver]), ...body.Options };
    const via = (): Attachment | undefined => {
      if (configOnly) return undefined;
      if (driver === 'bridge') return bridgeAttachment(options, { id, internal, mtu, networks, linkKind: (name) => links.get(name) });
      if (driver === 'macvlan' || driver === 'ipvlan') return childAttachment(driver, options, { id, internal, mtu, networks, hasLink: (name) => links.has(name) });
      return { kind: 'remote', scope, interfacePrefix: 'eth' };
    };
    const configs = body.IPAM?.Config ?? [];
    const plan = (): PoolRecord[] => {
      if (configOnly) return configs.flatMap((config) => configurationPool(config));
      const taken = networkSubnets(networks);
      const machine = sight === undefined ? [] : takenSubnets(sight);
      return planPools({ configs, ipv4: wish.ipv4, ipv6: wish.ipv6 }, { taken, choose: (family, also) => chooseSubnet(defaults, family, [...taken, ...machine, ...also]) });
    };
    return {
      version: 2, id: asNetworkId(id), name: wish.name, driver, created, internal, attachable: body.Attachable ?? false, options, labels: body.Labels ?? {},
      ipv4: wish.ipv4, ipv6: wish.ipv6, configOnly, configFrom: body.ConfigFrom?.Network ?? '', ipamDriver: wish.ipamDriver, ipamOptions: body.IPAM?.Options ?? undefined,
      via: via(), pools: remotePools ?? plan(),
    };
  }

  async remove(name: string): Promise<void> {
    const { registry } = this.#options;
    const network = registry.get(name);
    if (isPredefined(network.name)) throw new EngineError('forbidden', `${network.name} is a pre-defined network and cannot be removed`);
    const dependent = network.configOnly && registry.networks().some(({ configFrom }) => configFrom === network.name);
    if (dependent) throw new EngineError('forbidden', `error while removing network: configuration network ${JSON.stringify(network.name)} is in use`);
    if (this.#isInUse(network)) throw new EngineError('forbidden', `error while removing network: network ${network.name} id ${network.id} has active endpoints`);
    await this.#erase(network);
    this.#tell('destroy', network);
  }

  async prune(filters: Filters): Promise<NetworksPruneResponse> {
    const { registry, clock } = this.#options;
    const deleted: string[] = [];
    for (const network of registry.networks()) {
      if (!isPrunable(network, filters, clock.now()) || isPredefined(network.name) || this.#isInUse(network)) continue;
      await this.#erase(network);
      this.#tell('destroy', network);
      deleted.push(network.name);
    }
    this.#options.emit({ type: 'network', action: 'prune', id: '', attributes: { reclaimed: '0' } });
    return { NetworksDeleted: deleted };
  }

  async connect(name: string, body: NetworkConnectRequest): Promise<void> {
    const { registry, containers, sandboxes } = this.#options;
    const network = registry.get(name);
    const container = containers.find(body.Container);
    if ((body.EndpointConfig?.Aliases?.length ?? 0) > 0 && isPredefined(network.name)) throw invalid(ALIAS_CONFLICT);
    if (network.driver === 'host') throw new EngineError('forbidden', HOST_CONFLICT);
    if (network.driver === 'null') throw new EngineError('forbidden', 'container cannot be connected to multiple networks with one of the networks in private (none) mode');
    refuseMode(container.mode);
    const settings = body.EndpointConfig ?? {};
    checkEndpointSettings(network, settings);
    if (containers.networksOf(container.id).includes(network.name)) {
      throw new EngineError('forbidden', `endpoint with name ${container.name} already exists in network ${network.name}`);
    }
    const plugged = await sandboxes.connect(container.id, network, settings);
    const files = plugged && (await this.#filesAfter(plugged, network));
    containers.connected(container.id, network.name, settings, files);
  }

  async disconnect(name: string, body: NetworkDisconnectRequest): Promise<void> {
    const { registry, containers, sandboxes } = this.#options;
    const container = containers.find(body.Container);
    if (body.Force === true && !registry.networks().some((known) => known.name === name || known.id.startsWith(name))) {
      // The network went while the container was stopped.
      if (!containers.networksOf(container.id).includes(name)) throw new EngineError('internal', `container ${container.id} is not connected to the network ${name}`);
      containers.disconnected(container.id, name, undefined);
      return;
    }
    const network = registry.get(name);
    if (network.driver === 'host') throw new EngineError('forbidden', container.mode === 'host' ? HOST_CONFLICT : `container ${container.id} is not connected to network host`);
    refuseMode(container.mode);
    const former = registry.sandboxOf(container.id)?.endpoints.find((endpoint) => endpoint.network === network.id);
    const sandbox = await sandboxes.disconnect(container.id, network);
    if (sandbox === undefined && !containers.networksOf(container.id).includes(network.name) && body.Force !== true) {
      throw new EngineError('forbidden', `container ${container.id} is not connected to network ${network.name}`);
    }
    const gone = sandbox && former && ownHosts(sandbox, addressesOf(former));
    containers.disconnected(container.id, network.name, gone === undefined ? undefined : { hosts: (text) => editHosts(text, gone, '') });
  }

  /** The first network with names brings the resolver. */
  async #filesAfter(sandbox: SandboxRecord, network: NetworkRecord): Promise<FileChanges> {
    const { sandboxes, files } = this.#options;
    const added = ownHosts(sandbox, sandbox.endpoints.filter((endpoint) => endpoint.network === network.id).flatMap(addressesOf));
    const hosts = (text: string): string => editHosts(text, '', added);
    if (sandbox.names !== undefined || !hasNames({ networkName: network.name })) return { hosts };
    const { resolvConf, names } = files.of(sandbox.dns ?? { dns: [], dnsSearch: [], dnsOptions: [] }, 'resolver');
    await sandboxes.change(sandbox.container, { resolvConf, names });
    return { hosts, resolvConf: { from: sandbox.resolvConf, to: resolvConf } };
  }

  #isInUse(network: NetworkRecord): boolean {
    return this.#options.registry.endpointsOn(network.id).length > 0;
  }

  /** The record goes last: a crash in between leaves a network that can be removed again. */
  async #erase(network: NetworkRecord): Promise<void> {
    const { registry, kernel, firewall, remote } = this.#options;
    registry.hideNetwork(network);
    try {
      await remote.deleteNetwork(network);
      const links = ownedLinks(network, registry.networks());
      if (links.length > 0) await kernel.deleteLinks(links);
      registry.deleteNetwork(network);
    } catch (error) {
      registry.saveNetwork(network);
      throw error;
    }
    await remote.releasePools(network.pools);
    if (isBridge(network)) await firewall.apply([network.via.name]);
  }

  #tell(action: 'create' | 'destroy', network: NetworkRecord): void {
    this.#options.emit({ type: 'network', action, id: network.id, attributes: { name: network.name, type: network.driver } });
  }
}

const HOST_CONFLICT = 'container cannot be disconnected from host network or connected to host network';

function refuseMode(mode: string): void {
  if (mode === 'host' || mode.startsWith('container:')) {
    throw invalid('container sharing network namespace with another container or host cannot be connected to any other network');
  }
  if (mode === 'none') {
    throw new EngineError('forbidden', 'container cannot be connected to multiple networks with one of the networks in private (none) mode');
  }
}

/** A configuration says what was given and chooses nothing. */
function configurationPool(config: IPAMConfig): PoolRecord[] {
  const subnet = parseSubnet(config.Subnet ?? '');
  if (subnet === undefined) return [];
  const pool = poolOf(subnet, config, true);
  return [{ ...pool, gateway: (config.Gateway ?? '') === '' ? undefined : pool.gateway }];
}
