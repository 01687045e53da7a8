import { rfc3339Nano, type Clock } from '#base/clock.ts';
import { conflict, EngineError, invalid } from '#base/errors.ts';
import { newId } from '#base/ids.ts';
import type { NetworkKernel, NetworkSight } from '#host/network-kernel.ts';
import type { Plugins } from '#host/plugin-client.ts';
import type { EmitEvent } from '#spec/event.ts';
import type { Filters } from '#spec/filters.ts';
import type {
  NetworkConnectRequest, NetworkCreateRequest, NetworkCreateResponse, NetworkDisconnectRequest, NetworkInspect, NetworksPruneResponse,
} from '#spec/wire/network.ts';
import { chooseSubnet, type AddressPool } from './address-pool.ts';
import type { Firewall } from './firewall.ts';
import { editHosts, ownHosts } from './hosts-file.ts';
import { parseSubnet, type Subnet } from './ipv4.ts';
import type { NameService } from './names/name-service.ts';
import { isPredefined, recordOf, remoteDriver } from './network-request.ts';
import { filterNetworks, isPrunable, viewNetwork } from './network-view.ts';
import type { ContainerLookup, FileChanges } from './options.ts';
import type { BridgeRecord, NetworkRecord, SandboxRecord } from './record.ts';
import type { Registry } from './registry.ts';
import type { ResolverFiles } from './resolver-files.ts';
import { hasNames } from './sandbox-view.ts';
import { checkEndpointSettings, type Sandboxes } from './sandboxes.ts';

interface NetworkServiceOptions {
  registry: Registry;
  kernel: NetworkKernel;
  firewall: Firewall;
  sandboxes: Sandboxes;
  containers: ContainerLookup;
  plugins: Plugins;
  emit: EmitEvent;
  clock: Clock;
  pools: readonly AddressPool[];
  mtu: number | undefined;
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
    return viewNetwork(network, registry.endpointsOn(network.id), (id) => containers.nameOf(id));
  }

  async create(body: NetworkCreateRequest): Promise<NetworkCreateResponse> {
    const { registry, kernel, firewall, plugins, clock, pools, mtu, names } = this.#options;
    // Whoever makes a network is about to use it.
    names.warm();
    const driver = remoteDriver(body);
    if (driver !== undefined) await plugins.get(driver, 'NetworkDriver');
    const sight = await kernel.observe();
    const taken = takenSubnets(sight);
    const others = bridgesOf(registry);
    const record = recordOf(body, {
      id: newId(), created: rfc3339Nano(clock.nowNanos()), mtu, others,
      choose: () => chooseSubnet(pools, [...taken, ...others.map(({ subnet }) => parseSubnet(subnet)).filter((subnet) => subnet !== undefined)]),
    });
    if (registry.networks().some(({ name }) => name === record.name)) throw conflict(`network with name ${record.name} already exists`);
    if (sight.links.some((link) => link.name === record.bridge?.name)) {
      throw conflict(`the machine has an interface ${record.bridge?.name ?? ''} already; choose another bridge name`);
    }
    registry.saveNetwork(record);
    try {
      await kernel.ensureBridge(bridgePlan(record));
      await firewall.apply();
    } catch (error) {
      await this.#erase(record).catch(() => {});
      throw error;
    }
    this.#tell('create', record);
    return { Id: record.id, Warning: '' };
  }

  async remove(name: string): Promise<void> {
    const network = this.#options.registry.get(name);
    if (isPredefined(network.name)) throw new EngineError('forbidden', `${network.name} is a pre-defined network and cannot be removed`);
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
    if (network.driver === 'host') throw new EngineError('forbidden', 'container cannot be connected to host network');
    if (network.driver === 'null') throw new EngineError('forbidden', 'container cannot be connected to multiple networks with one of the networks in private (none) mode');
    refuseMode(container.mode);
    if (containers.networksOf(container.id).includes(network.name)) {
      throw new EngineError('forbidden', `endpoint with name ${container.name} already exists in network ${network.name}`);
    }
    const settings = body.EndpointConfig ?? {};
    checkEndpointSettings(network, settings);
    const plugged = await sandboxes.connect(container.id, network, settings);
    const files = plugged && (await this.#filesAfter(plugged, network));
    containers.connected(container.id, network.name, settings, files);
  }

  async disconnect(name: string, body: NetworkDisconnectRequest): Promise<void> {
    const { registry, containers, sandboxes } = this.#options;
    const network = registry.get(name);
    const container = containers.find(body.Container);
    if (network.driver === 'host') throw new EngineError('forbidden', 'container cannot be disconnected from host network - container must be created in host network mode');
    refuseMode(container.mode);
    const former = registry.sandboxOf(container.id)?.endpoints.find((endpoint) => endpoint.network === network.id);
    const sandbox = await sandboxes.disconnect(container.id, network);
    if (sandbox === undefined && !containers.networksOf(container.id).includes(network.name) && body.Force !== true) {
      throw new EngineError('forbidden', `container ${container.id} is not connected to network ${network.name}`);
    }
    const gone = sandbox && former && ownHosts(sandbox, [former.address]);
    containers.disconnected(container.id, network.name, gone === undefined ? undefined : { hosts: (text) => editHosts(text, gone, '') });
  }

  /** The first network with names brings the resolver. */
  async #filesAfter(sandbox: SandboxRecord, network: NetworkRecord): Promise<FileChanges> {
    const { sandboxes, files } = this.#options;
    const added = ownHosts(sandbox, sandbox.endpoints.filter((endpoint) => endpoint.network === network.id).map(({ address }) => address));
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
    const { registry, kernel, firewall } = this.#options;
    registry.hideNetwork(network);
    try {
      if (network.bridge?.owned) await kernel.deleteLinks([network.bridge.name]);
      registry.deleteNetwork(network);
    } catch (error) {
      registry.saveNetwork(network);
      throw error;
    }
    await firewall.apply(network.bridge === undefined ? [] : [network.bridge.name]);
  }

  #tell(action: 'create' | 'destroy', network: NetworkRecord): void {
    this.#options.emit({ type: 'network', action, id: network.id, attributes: { name: network.name, type: network.driver } });
  }
}

function refuseMode(mode: string): void {
  if (mode === 'host' || mode.startsWith('container:')) {
    throw invalid('container sharing network namespace with another container or host cannot be connected to any other network');
  }
  if (mode === 'none') {
    throw new EngineError('forbidden', 'container cannot be connected to multiple networks with one of the networks in private (none) mode');
  }
}

export const bridgesOf = (registry: Registry): BridgeRecord[] => registry.networks().flatMap(({ bridge }) => (bridge === undefined ? [] : [bridge]));

/** Subnets that the machine itself uses: by its routes (not the default one) and its interfaces. */
export function takenSubnets({ routes, addresses }: NetworkSight): Subnet[] {
  return [...routes.map(({ destination }) => destination), ...addresses.map(({ address, prefix }) => `${address}/${prefix}`)]
    .map(parseSubnet)
    .filter((subnet) => subnet !== undefined && subnet.prefix > 0)
    .filter((subnet) => subnet !== undefined);
}

export function bridgePlan(network: NetworkRecord): { name: string; address: string | undefined; prefix: number; mtu: number | undefined } {
  const { bridge } = network;
  if (bridge === undefined) throw new EngineError('internal', `network ${network.name} has no bridge`);
  return { name: bridge.name, address: bridge.gateway, prefix: parseSubnet(bridge.subnet)?.prefix ?? 24, mtu: bridge.mtu };
}
