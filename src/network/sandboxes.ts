import { randomBytes } from 'node:crypto';
import { EngineError, invalid, isErrno, messageOf, wrap } from '#base/errors.ts';
import { newId } from '#base/ids.ts';
import { KeyedLock } from '#base/keyed-lock.ts';
import type { NetworkKernel } from '#host/network-kernel.ts';
import type { InterfacePlan } from '#host/netns.ts';
import type { EmitEvent } from '#spec/event.ts';
import type { ContainerId } from '#spec/ids.ts';
import type { PortMap } from '#spec/wire/container.ts';
import type { EndpointSettings } from '#spec/wire/network.ts';
import { allocateAddress, claimAddress, macOf } from './address-pool.ts';
import type { Firewall } from './firewall.ts';
import { parseAddress, parseSubnet } from './ipv4.ts';
import type { NameService } from './names/name-service.ts';
import { parsePortMap } from './port-request.ts';
import type { PortTable } from './port-table.ts';
import type { EndpointRecord, NetworkRecord, SandboxRecord } from './record.ts';
import type { Registry } from './registry.ts';
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
  extraHosts: readonly string[];
  /** What its files say of names; `names` of the record. */
  resolver: Pick<SandboxRecord, 'resolvConf' | 'dns' | 'names'>;
}

interface SandboxesOptions {
  kernel: NetworkKernel;
  registry: Registry;
  ports: PortTable;
  firewall: Firewall;
  sweeper: Sweeper;
  names: Pick<NameService, 'put' | 'drop'>;
  emit: EmitEvent;
  netnsFolder: string;
  /** Name for a host end that no other has. */
  vethName: () => string;
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
      const former = this.#options.registry.sandboxOf(plan.container);
      if (former !== undefined) await this.#dismantle(former);
      const record = this.#reserve(plan);
      try {
        await this.#make(record);
      } catch (error) {
        this.#options.registry.deleteSandbox(record);
        // A whole application of the firewall in between may have brought the ports in.
        if (record.ports.length > 0) await this.#options.firewall.apply().catch(() => {});
        this.#options.ports.release(record.ports);
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
      const { registry, kernel } = this.#options;
      const sandbox = registry.sandboxOf(container);
      if (sandbox === undefined) return undefined;
      const used = new Set(sandbox.endpoints.map((item) => item.interface));
      const position = Array.from({ length: used.size + 1 }, (_, index) => index).find((index) => !used.has(`eth${index}`)) ?? 0;
      const endpoint = this.#newEndpoint(network, settings, `eth${position}`);
      const changed = { ...sandbox, endpoints: [...sandbox.endpoints, endpoint] };
      registry.saveSandbox(changed);
      try {
        const gateway = gatewayEndpoint(changed.endpoints) === endpoint ? endpoint.gateway : undefined;
        await kernel.plug(sandbox.netnsPath, this.#interfacePlan(endpoint), gateway);
      } catch (error) {
        registry.saveSandbox(sandbox);
        throw wrap(error, `could not connect container ${sandbox.name} to network ${network.name}`);
      }
      await this.#followGateway(sandbox, changed);
      await this.#options.names.put(changed);
      this.#tell('connect', changed, endpoint);
      return changed;
    });
  }

  /** Pulls a running container out of a network. Undefined when it was not in it. */
  disconnect(container: ContainerId, network: NetworkRecord): Promise<SandboxRecord | undefined> {
    return this.#locks.run(container, async () => {
      const { registry, kernel } = this.#options;
      const sandbox = registry.sandboxOf(container);
      const endpoint = sandbox?.endpoints.find((item) => item.network === network.id);
      if (sandbox === undefined || endpoint === undefined) return undefined;
      await kernel.deleteLinks([endpoint.veth]);
      const changed = { ...sandbox, endpoints: sandbox.endpoints.filter((item) => item !== endpoint) };
      registry.saveSandbox(changed);
      await this.#options.names.put(changed);
      const gateway = gatewayEndpoint(changed.endpoints);
      if (gateway?.gateway !== undefined) await kernel.route(changed.netnsPath, gateway.gateway, gateway.interface);
      await this.#followGateway(sandbox, changed);
      this.#tell('disconnect', changed, endpoint);
      return changed;
    });
  }

  /** Takes away what a killed engine left of sandboxes whose containers do not live. */
  async discard(sandboxes: readonly SandboxRecord[]): Promise<void> {
    const { registry, kernel, sweeper } = this.#options;
    for (const sandbox of sandboxes) {
      registry.saveSandbox({ ...sandbox, state: 'leaving' });
      this.#options.names.drop(sandbox);
      await kernel.remove(sandbox.netnsPath, '');
    }
    if (sandboxes.length > 0) sweeper.start();
  }

  /** Decides everything and records it, in one go: two containers never get the same address or port. */
  #reserve(plan: SandboxPlan): SandboxRecord {
    const { registry, ports, netnsFolder } = this.#options;
    const id = newId();
    const record: SandboxRecord = {
      version: 1, id, container: plan.container, name: plan.name, hostname: plan.hostname, domainname: plan.domainname, state: 'up',
      netnsPath: `${netnsFolder}/${id.slice(0, 12)}`,
      endpoints: plan.endpoints.map(({ network, settings }, position) => this.#newEndpoint(registry.get(network), settings, `eth${position}`)),
      ports: [],
      exposed: [...plan.exposed],
      extraHosts: [...plan.extraHosts], ...plan.resolver,
    };
    const gateway = gatewayEndpoint(record.endpoints);
    const hostAddress = (gateway === undefined ? undefined : registry.find(gateway.network)?.bridge?.hostAddress) ?? '0.0.0.0';
    const requests = parsePortMap(plan.ports, hostAddress);
    if (gateway !== undefined) {
      try {
        record.ports = ports.reserve(requests);
      } catch (error) {
        throw wrap(error, `driver failed programming external connectivity on endpoint ${plan.name} (${gateway.id})`);
      }
    }
    try {
      registry.saveSandbox(record);
    } catch (error) {
      ports.release(record.ports);
      throw error;
    }
    return record;
  }

  #newEndpoint(network: NetworkRecord, settings: EndpointSettings, name: string): EndpointRecord {
    const { bridge } = network;
    if (bridge === undefined) throw invalid(`a container cannot be given an interface on the ${network.name} network`);
    checkEndpointSettings(network, settings);
    const taken = this.#options.registry.takenAddresses(network.id);
    const wanted = settings.IPAMConfig?.IPv4Address;
    const address = wanted === undefined || wanted === '' ? allocateAddress(bridge, taken) : claimAddress(bridge, taken, wanted);
    const mac = settings.MacAddress === undefined || settings.MacAddress === '' ? macOf(address) : settings.MacAddress.toLowerCase().replaceAll('-', ':');
    return {
      id: randomBytes(32).toString('hex'), network: network.id, networkName: network.name, interface: name, veth: this.#options.vethName(),
      mac, address, prefix: parseSubnet(bridge.subnet)?.prefix ?? 24, gateway: network.internal ? undefined : bridge.gateway, settings,
    };
  }

  async #make(record: SandboxRecord): Promise<void> {
    const { kernel, firewall, repair } = this.#options;
    const plan = {
      path: record.netnsPath,
      interfaces: record.endpoints.map((endpoint) => this.#interfacePlan(endpoint)),
      gateway: gatewayEndpoint(record.endpoints)?.gateway,
    };
    const make = async (): Promise<void> => firewall.noted(await kernel.make(plan, firewall.additions(publishedPorts(record))));
    try {
      await make();
    } catch (error) {
      // Another program deleted a bridge or the table: once more, with everything put back.
      if (!isErrno(error, 'ENODEV', 'EINVAL') && !messageOf(error).startsWith('nft refused')) throw error;
      await repair();
      await make();
    }
    await this.#forgetUdpFlows(record);
  }

  /** Clients that went on talking while no container answered are let in; those of a container that went are cut off. */
  async #forgetUdpFlows(sandbox: SandboxRecord): Promise<void> {
    const udp = publishedPorts(sandbox).filter(({ protocol }) => protocol === 'udp');
    if (udp.length > 0) await this.#options.kernel.forgetUdpFlows(udp.map(({ hostPort }) => hostPort), udp.map(({ address }) => address));
  }

  async #dismantle(sandbox: SandboxRecord): Promise<void> {
    const { registry, kernel, firewall, ports, sweeper, names } = this.#options;
    registry.saveSandbox({ ...sandbox, state: 'leaving' });
    names.drop(sandbox);
    // Decided and recorded: told now, so that who does not wait for the kernel tells of the end in Docker's order.
    for (const endpoint of sandbox.endpoints) this.#tell('disconnect', sandbox, endpoint);
    const change = await kernel.remove(sandbox.netnsPath, firewall.deletions(publishedPorts(sandbox)));
    if (change.refused === undefined) await firewall.noted(change);
    else await firewall.apply();
    await this.#forgetUdpFlows(sandbox);
    ports.release(sandbox.ports);
    sweeper.start();
  }

  /** Published ports follow the endpoint that has the default route. */
  async #followGateway(before: SandboxRecord, after: SandboxRecord): Promise<void> {
    const changed = gatewayEndpoint(before.endpoints)?.id !== gatewayEndpoint(after.endpoints)?.id;
    if (changed && after.ports.length > 0) await this.#options.firewall.apply();
  }

  #interfacePlan(endpoint: EndpointRecord): InterfacePlan {
    const bridge = this.#options.registry.find(endpoint.network)?.bridge;
    if (bridge === undefined) throw new EngineError('internal', `network ${endpoint.networkName} has no bridge`);
    return {
      veth: endpoint.veth, bridge: bridge.name, name: endpoint.interface, mac: endpoint.mac, address: endpoint.address, prefix: endpoint.prefix,
      mtu: bridge.mtu, isolated: !bridge.communication,
    };
  }

  #tell(action: 'connect' | 'disconnect', sandbox: SandboxRecord, endpoint: EndpointRecord): void {
    this.#options.emit({
      type: 'network', action, id: endpoint.network, attributes: { container: sandbox.container, name: endpoint.networkName, type: 'bridge' },
    });
  }
}

/** Refuses what cannot be done on the network; Docker's words. */
export function checkEndpointSettings(network: NetworkRecord, settings: EndpointSettings): void {
  const isDefault = network.name === 'bridge';
  if (isDefault && (settings.IPAMConfig?.IPv4Address ?? '') !== '') {
    throw invalid('invalid endpoint settings: user specified IP address is supported on user defined networks only');
  }
  if (isDefault && (settings.Aliases?.length ?? 0) > 0) {
    throw invalid('invalid endpoint settings: network-scoped aliases are only supported for user-defined networks');
  }
  if ((settings.IPAMConfig?.IPv6Address ?? '') !== '') {
    throw invalid(`invalid endpoint settings: network ${network.name} has no IPv6 subnet for the address ${settings.IPAMConfig?.IPv6Address ?? ''}`);
  }
  const address = settings.IPAMConfig?.IPv4Address ?? '';
  if (address !== '' && parseAddress(address) === undefined) throw invalid(`invalid endpoint settings: invalid IPv4 address: ${address}`);
  const mac = settings.MacAddress ?? '';
  if (mac !== '' && (!/^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(mac) || (parseInt(mac.slice(0, 2), 16) & 1) === 1)) {
    throw invalid(`invalid MAC address ${JSON.stringify(mac)}`);
  }
}
