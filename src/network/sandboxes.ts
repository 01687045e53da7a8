import { EngineError, isErrno, messageOf, wrap } from '#base/errors.ts';
import { newId } from '#base/ids.ts';
import { KeyedLock } from '#base/keyed-lock.ts';
import type { NetworkKernel } from '#host/network-kernel.ts';
import type { EmitEvent } from '#spec/event.ts';
import type { ContainerId } from '#spec/ids.ts';
import type { PortMap } from '#spec/wire/container.ts';
import type { EndpointSettings } from '#spec/wire/network.ts';
import { interfacePlan, interfaceSource, planEndpoint, routesOf, type Claims } from './endpoint-plan.ts';
import type { Firewall } from './firewall.ts';
import type { LinkedPort } from './firewall-state.ts';
import { canonical } from './ip.ts';
import type { NameService } from './names/name-service.ts';
import { parsePortMap, type PortSurroundings } from './port-request.ts';
import type { PortTable } from './port-table.ts';
import type { EndpointRecord, NetworkRecord, PortRecord, SandboxRecord } from './record.ts';
import { addressesOf, type Registry } from './registry.ts';
import type { RemoteNetworks } from './remote-networks.ts';
import { gatewayEndpoint, publishedPorts } from './sandbox-view.ts';
import type { Sweeper } from './sweeper.ts';

/** What a sandbox is made from; names and contents as the engine room gives them. */
export interface SandboxPlan {
  container: ContainerId;
  name: string;
  hostname: string;
  domainname: string;
  endpoints: readonly { network: string; settings: EndpointSettings }[];
  ports: PortMap;
  exposed: readonly string[];
  linked: readonly ContainerId[];
  extraHosts: readonly string[];
  /** What its files say of names; `names` of the record. */
  resolver: Pick<SandboxRecord, 'resolvConf' | 'dns' | 'names' | 'withoutIpv6'>;
}

interface SandboxesOptions {
  kernel: NetworkKernel;
  registry: Registry;
  ports: PortTable;
  firewall: Firewall;
  sweeper: Sweeper;
  remote: RemoteNetworks;
  names: Pick<NameService, 'put' | 'drop'>;
  emit: EmitEvent;
  netnsFolder: string;
  /** Name for a host end that no other has. */
  vethName: () => string;
  /** Exceptions from the separation of containers, for `--link`. */
  linksOf: (sandbox: SandboxRecord) => LinkedPort[];
  /** Whether the engine forwards from IPv6 to containers without it. */
  forwards: () => boolean;
  /** Makes bridges and firewall anew after another program took them away. */
  repair: () => Promise<void>;
}

/** Makes, changes and removes the network namespaces of containers. */
export class Sandboxes {
  readonly #options: SandboxesOptions;
  readonly #locks = new KeyedLock();

  constructor(options: SandboxesOptions) {
    this.#options = options;
  }

  up(plan: SandboxPlan): Promise<SandboxRecord> {
    return this.#locks.run(plan.container, async () => {
      const { registry, remote, firewall, ports } = this.#options;
      const former = registry.sandboxOf(plan.container);
      if (former !== undefined) await this.#dismantle(former);
      await this.#untilFree(plan);
      const claims = await remote.claim(plan.endpoints.map(({ network, settings }) => ({ network: registry.get(network), settings })));
      let record: SandboxRecord;
      try {
        record = this.#reserve(plan, claims);
      } catch (error) {
        await remote.unclaim(claims);
        throw error;
      }
      try {
        record = await this.#join(record);
        await this.#make(record);
      } catch (error) {
        await this.#leave(record);
        registry.deleteSandbox(record);
        // A whole application of the firewall in between may have brought the ports in.
        if (record.ports.length > 0) await firewall.apply().catch(() => {});
        ports.release(record.ports);
        throw error;
      }
      for (const endpoint of record.endpoints) this.#tell('connect', record, endpoint);
      // A container without names is better than none: what hinders the resolver is in the log.
      await this.#options.names.put(record, true);
      return record;
    });
  }

  down(container: ContainerId): Promise<void> {
    return this.#locks.run(container, async () => {
      const sandbox = this.#options.registry.sandboxOf(container);
      if (sandbox !== undefined) await this.#dismantle(sandbox);
    });
  }

  /** Changes what is remembered of a running container. Undefined when it has no sandbox (any more). */
  change(container: ContainerId, changes: Partial<Pick<SandboxRecord, 'name' | 'resolvConf' | 'names'>>): Promise<SandboxRecord | undefined> {
    return this.#locks.run(container, async () => {
      const sandbox = this.#options.registry.sandboxOf(container);
      if (sandbox === undefined) return undefined;
      const changed = { ...sandbox, ...changes };
      this.#options.registry.saveSandbox(changed);
      await this.#options.names.put(changed, sandbox.names === undefined);
      return changed;
    });
  }

  /** Plugs a running container into one more network. Undefined when it has no sandbox (any more). */
  connect(container: ContainerId, network: NetworkRecord, settings: EndpointSettings): Promise<SandboxRecord | undefined> {
    return this.#locks.run(container, async () => {
      const { registry, kernel, remote } = this.#options;
      const sandbox = registry.sandboxOf(container);
      if (sandbox === undefined) return undefined;
      const claims = await remote.claim([{ network, settings }]);
      let planned: EndpointRecord;
      try {
        planned = this.#newEndpoint(network, settings, sandbox.endpoints, claims.get(network.id));
      } catch (error) {
        await remote.unclaim(claims);
        throw error;
      }
      let changed = { ...sandbox, endpoints: [...sandbox.endpoints, planned] };
      registry.saveSandbox(changed);
      let endpoint = planned;
      try {
        endpoint = await remote.join(network, planned, changed);
        changed = { ...sandbox, endpoints: [...sandbox.endpoints, endpoint] };
        registry.saveSandbox(changed);
        await kernel.plug(sandbox.netnsPath, interfacePlan(network, endpoint), this.#routes(changed.endpoints));
      } catch (error) {
        await remote.leave(network, endpoint);
        registry.saveSandbox(sandbox);
        throw wrap(error, `could not connect container ${sandbox.name} to network ${network.name}`);
      }
      try {
        changed = await this.#followGateway(sandbox, changed);
      } catch (error) {
        await kernel.unplug(sandbox.netnsPath, interfaceSource(network, endpoint), endpoint.interface);
        await remote.leave(network, endpoint);
        registry.saveSandbox(sandbox);
        await kernel.route(sandbox.netnsPath, this.#routes(sandbox.endpoints));
        throw error;
      }
      await this.#options.names.put(changed);
      this.#tell('connect', changed, endpoint);
      return changed;
    });
  }

  /** Pulls a running container out of a network. Undefined when it was not in it. */
  disconnect(container: ContainerId, network: NetworkRecord): Promise<SandboxRecord | undefined> {
    return this.#locks.run(container, async () => {
      const { registry, kernel, remote } = this.#options;
      const sandbox = registry.sandboxOf(container);
      const endpoint = sandbox?.endpoints.find((item) => item.network === network.id);
      if (sandbox === undefined || endpoint === undefined) return undefined;
      registry.saveSandbox({ ...sandbox, endpoints: sandbox.endpoints.map((item) => (item === endpoint ? { ...item, leaving: true } : item)) });
      await kernel.unplug(sandbox.netnsPath, interfaceSource(network, endpoint), endpoint.interface);
      await remote.leave(network, endpoint);
      const changed = { ...sandbox, endpoints: sandbox.endpoints.filter((item) => item !== endpoint) };
      registry.saveSandbox(changed);
      await this.#options.names.put(changed);
      await kernel.route(changed.netnsPath, this.#routes(changed.endpoints));
      const followed = await this.#followGateway(sandbox, changed);
      this.#tell('disconnect', followed, endpoint);
      return followed;
    });
  }

  /** Takes away what a killed engine left of sandboxes whose containers do not live. */
  async discard(sandboxes: readonly SandboxRecord[]): Promise<void> {
    const { registry, kernel, sweeper } = this.#options;
    for (const sandbox of sandboxes) {
      registry.saveSandbox({ ...sandbox, state: 'leaving' });
      this.#options.names.drop(sandbox);
      await this.#leave(sandbox);
      await kernel.remove(sandbox.netnsPath, []);
    }
    if (sandboxes.length > 0) sweeper.start();
  }

  /** A chosen address may still be that of the container's former run, whose links the kernel is about to end. */
  async #untilFree({ endpoints }: SandboxPlan): Promise<void> {
    const { registry, sweeper } = this.#options;
    const wanted = endpoints.flatMap(({ settings }) => [settings.IPAMConfig?.IPv4Address, settings.IPAMConfig?.IPv6Address].flatMap((address) => (address ? [canonical(address)] : [])));
    if (wanted.length === 0) return;
    const leaving = registry.leaving().flatMap((sandbox) => sandbox.endpoints.flatMap(addressesOf));
    if (leaving.some((address) => wanted.includes(address))) await sweeper.finish(true);
  }

  /** Decides everything and records it, in one go: two containers never get the same address or port. */
  #reserve(plan: SandboxPlan, claims: ReadonlyMap<string, Claims>): SandboxRecord {
    const { registry, ports, netnsFolder } = this.#options;
    const id = newId();
    const endpoints: EndpointRecord[] = [];
    for (const { network: name, settings } of plan.endpoints) {
      const network = registry.get(name);
      endpoints.push(this.#newEndpoint(network, settings, endpoints, claims.get(network.id)));
    }
    const record: SandboxRecord = {
      version: 2, id, container: plan.container, name: plan.name, hostname: plan.hostname, domainname: plan.domainname, state: 'up',
      netnsPath: `${netnsFolder}/${id.slice(0, 12)}`,
      endpoints, ports: [], asked: plan.ports, exposed: [...plan.exposed], linked: [...plan.linked],
      extraHosts: [...plan.extraHosts], ...plan.resolver,
    };
    record.ports = this.#reservePorts(record, plan.ports);
    try {
      registry.saveSandbox(record);
    } catch (error) {
      ports.release(record.ports);
      throw error;
    }
    return record;
  }

  #reservePorts({ endpoints, name }: SandboxRecord, asked: PortMap): PortRecord[] {
    const { ports, registry, forwards } = this.#options;
    const bridgeOf = (family: 4 | 6) => {
      const endpoint = gatewayEndpoint(endpoints, family);
      const via = endpoint && registry.find(endpoint.network)?.via;
      return via?.kind === 'bridge' ? via : undefined;
    };
    const [four, six] = [bridgeOf(4), bridgeOf(6)];
    const around: PortSurroundings = {
      defaultAddress: (four ?? six)?.hostAddress ?? '0.0.0.0',
      ways: { 4: four && (four.mode4 === 'routed' ? 'routed' : 'nat'), 6: six && (six.mode6 === 'routed' ? 'routed' : 'nat') },
      forwards: forwards(),
    };
    const { requests, routed } = parsePortMap(asked, around);
    const endpoint = gatewayEndpoint(endpoints, 4) ?? gatewayEndpoint(endpoints, 6);
    try {
      return [...ports.reserve(requests), ...routed.map((port) => ({ ...port, hostPort: 0 }))];
    } catch (error) {
      throw wrap(error, `driver failed programming external connectivity on endpoint ${name} (${endpoint?.id ?? ''})`);
    }
  }

  #newEndpoint(network: NetworkRecord, settings: EndpointSettings, others: readonly EndpointRecord[], claims: Claims | undefined): EndpointRecord {
    const { registry, vethName } = this.#options;
    return planEndpoint(network, settings, { taken: registry.takenAddresses(network.id), used: new Set(others.map((item) => item.interface)), vethName, claims });
  }

  /** Plugins make their ends; nothing happens for our own drivers. */
  async #join(record: SandboxRecord): Promise<SandboxRecord> {
    const { registry, remote } = this.#options;
    if (!record.endpoints.some((endpoint) => this.#networkOf(endpoint)?.via?.kind === 'remote')) return record;
    let current = record;
    for (const endpoint of record.endpoints) {
      const network = this.#networkOf(endpoint);
      if (network?.via?.kind !== 'remote') continue;
      const joined = await remote.join(network, endpoint, current);
      current = { ...current, endpoints: current.endpoints.map((item) => (item === endpoint ? joined : item)) };
      registry.saveSandbox(current);
    }
    return current;
  }

  /** What plugins know of the sandbox ends; an interface of theirs goes back to the host before. */
  async #leave(sandbox: SandboxRecord): Promise<void> {
    const { kernel, remote } = this.#options;
    for (const endpoint of sandbox.endpoints) {
      const network = this.#networkOf(endpoint);
      if (network === undefined) continue;
      if (network.via?.kind === 'remote' && endpoint.hostLink !== undefined) {
        await kernel.unplug(sandbox.netnsPath, interfaceSource(network, endpoint), endpoint.interface).catch(() => {});
      }
      await remote.leave(network, endpoint);
    }
  }

  async #make(record: SandboxRecord): Promise<void> {
    const { kernel, firewall, repair, linksOf } = this.#options;
    const plan = {
      path: record.netnsPath,
      interfaces: record.endpoints.map((endpoint) => interfacePlan(this.#require(endpoint), endpoint)),
      routes: this.#routes(record.endpoints),
    };
    const make = async (): Promise<void> => firewall.noted(await kernel.make(plan, firewall.additions(publishedPorts(record), linksOf(record))));
    try {
      await make();
    } catch (error) {
      // Another program deleted a bridge or the table: once more, with everything put back.
      if (!isErrno(error, 'ENODEV', 'EINVAL') && !messageOf(error).startsWith('nft refused')) throw this.#named(record, error);
      await repair();
      await make().catch((again: unknown) => {
        throw this.#named(record, again);
      });
    }
    await this.#forgetUdpFlows(record);
  }

  /** The kernel names an interface at most; people know networks. */
  #named(record: SandboxRecord, error: unknown): unknown {
    const network = record.endpoints.map((endpoint) => this.#networkOf(endpoint)).find((item) => item?.via !== undefined && item.via.kind !== 'bridge');
    return network !== undefined && !(error instanceof EngineError) ? wrap(error, `no interface on network ${network.name}`) : error;
  }

  /** Clients that went on talking while no container answered are let in; those of a container that went are cut off. */
  async #forgetUdpFlows(sandbox: SandboxRecord): Promise<void> {
    const udp = publishedPorts(sandbox).filter(({ protocol }) => protocol === 'udp');
    if (udp.length > 0) await this.#options.kernel.forgetUdpFlows(udp.map(({ hostPort }) => hostPort), udp.map(({ address }) => address));
  }

  async #dismantle(sandbox: SandboxRecord): Promise<void> {
    const { registry, kernel, firewall, ports, sweeper, linksOf, names } = this.#options;
    const links = linksOf(sandbox);
    registry.saveSandbox({ ...sandbox, state: 'leaving' });
    names.drop(sandbox);
    // Decided and recorded: told now, so that who does not wait for the kernel tells of the end in Docker's order.
    for (const endpoint of sandbox.endpoints) this.#tell('disconnect', sandbox, endpoint);
    await this.#leave(sandbox);
    const change = await kernel.remove(sandbox.netnsPath, firewall.deletions(publishedPorts(sandbox), links));
    if (change.refused === undefined) firewall.noted(change);
    else await firewall.apply();
    await this.#forgetUdpFlows(sandbox);
    ports.release(sandbox.ports);
    sweeper.start();
  }

  /**
   * Published ports follow the endpoints that have the default routes: those with numbers keep them, the others get new
   * ones, as in Docker. What is published where there was no way out before begins here.
   */
  async #followGateway(before: SandboxRecord, after: SandboxRecord): Promise<SandboxRecord> {
    const { registry, ports, firewall } = this.#options;
    const moved = ([4, 6] as const).some((family) => gatewayEndpoint(before.endpoints, family)?.id !== gatewayEndpoint(after.endpoints, family)?.id);
    if (!moved || (before.ports.length === 0 && Object.keys(after.asked ?? {}).length === 0)) return after;
    let changed = after;
    if (after.asked !== undefined) {
      ports.release(before.ports);
      try {
        changed = { ...after, ports: this.#reservePorts(after, after.asked) };
      } catch (error) {
        ports.adopt(before.ports);
        throw error;
      }
      registry.saveSandbox(changed);
    }
    await firewall.apply();
    return changed;
  }

  #routes = (endpoints: readonly EndpointRecord[]) => routesOf(endpoints, (endpoint) => this.#networkOf(endpoint));

  #networkOf(endpoint: EndpointRecord): NetworkRecord | undefined {
    return this.#options.registry.find(endpoint.network);
  }

  #require(endpoint: EndpointRecord): NetworkRecord {
    const network = this.#networkOf(endpoint);
    if (network === undefined) throw new EngineError('internal', `network ${endpoint.networkName} is gone`);
    return network;
  }

  #tell(action: 'connect' | 'disconnect', sandbox: SandboxRecord, endpoint: EndpointRecord): void {
    this.#options.emit({
      type: 'network', action, id: endpoint.network, attributes: { container: sandbox.container, name: endpoint.networkName, type: endpoint.driver },
    });
  }
}
