import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { systemClock, rfc3339Nano } from '#base/clock.ts';
import { invalid } from '#base/errors.ts';
import { newId } from '#base/ids.ts';
import { openNetworkKernel, type NetworkKernel, type NetworkSight } from '#host/network-kernel.ts';
import { asNetworkId, type ContainerId } from '#spec/ids.ts';
import type { PortMap } from '#spec/wire/container.ts';
import type { EndpointSettings } from '#spec/wire/network.ts';
import { chooseSubnet, DEFAULT_POOLS } from './address-pool.ts';
import { Firewall } from './firewall.ts';
import type { FirewallState } from './firewall-state.ts';
import { renderHostHosts, renderHosts } from './hosts-file.ts';
import { formatAddress, formatSubnet, parseAddress, parseSubnet } from './ipv4.ts';
import { NameService } from './names/name-service.ts';
import { bridgePlan, bridgesOf, NetworkObjects, takenSubnets } from './network-service.ts';
import { tableName } from './nft-table.ts';
import type { NetworkConfig, NetworksOptions } from './options.ts';
import { ephemeralPorts, holdPort } from './port-holder.ts';
import { PortTable } from './port-table.ts';
import type { BridgeRecord, NetworkRecord, SandboxRecord } from './record.ts';
import { Registry } from './registry.ts';
import type { ResolvOverrides } from './resolv-conf.ts';
import { ResolverFiles } from './resolver-files.ts';
import { Sandboxes } from './sandboxes.ts';
import { hasNames, publishedPorts, viewEndpoint, viewPorts } from './sandbox-view.ts';
import { openNetworkStore } from './store.ts';
import { Sweeper } from './sweeper.ts';

/** How often the firewall is looked at for damage by other programs; one look is one question to the kernel. */
const WATCH_INTERVAL = 5000;

/** The shape of engine/ports.ts SandboxRequest. */
interface Request extends FileRequest {
  container: ContainerId;
  endpoints: readonly { network: string; settings: EndpointSettings }[];
  ports: PortMap;
  exposed: readonly string[];
}

interface FileRequest extends ResolvOverrides {
  name: string;
  hostname: string;
  domainname: string;
  extraHosts: readonly string[];
}

export type NetworkRoom = ReturnType<typeof createNetworks>;

/**
 * Networks and the sandboxes of containers. Nothing is touched before `recover`, which must run first. Sandboxes live in
 * the kernel and outlive the process; `close` ends what is this process's own, `removeAll` takes everything away.
 */
export function createNetworks(options: NetworksOptions) {
  const { layout, db, log, config, emit, containers, plugins } = options;
  const kernel = options.kernel ?? warmKernel();
  const registry = new Registry(openNetworkStore(db));
  const ports = new PortTable({ hold: holdPort, ephemeral: ephemeralPorts() });
  const pools = config.defaultAddressPools ?? DEFAULT_POOLS;

  const firewallState = (): FirewallState => ({
    table: tableName(layout.instance),
    bridges: registry.networks().flatMap(({ bridge, internal }) => (bridge ? [{ name: bridge.name, subnet: bridge.subnet, internal, masquerade: bridge.masquerade }] : [])),
    ports: registry.living().flatMap(publishedPorts),
  });
  const firewall = new Firewall({ kernel, log, state: firewallState });

  const vethPrefix = layout.instance === '' ? 'gtv-' : `gtv${layout.instance}`;
  const vethName = (): string => (vethPrefix + randomBytes(6).toString('hex')).slice(0, 15);
  const isStray = (link: string): boolean =>
    link.length === 15 && link.startsWith(vethPrefix) &&
    ![...registry.living(), ...registry.leaving()].some(({ endpoints }) => endpoints.some(({ veth }) => veth === link));
  const sweeper = new Sweeper({ kernel, registry, log, isStray });

  /** Bridges and firewall as the records say. */
  const prepare = async (): Promise<void> => {
    if (config.forwarding !== false) await kernel.enableForwarding();
    for (const network of registry.networks()) if (network.bridge !== undefined) await kernel.ensureBridge(bridgePlan(network));
    await firewall.apply();
  };
  const names = new NameService({ run: layout.run, start: options.startResolver, log });
  const sandboxes = new Sandboxes({ kernel, registry, ports, firewall, sweeper, names, emit, netnsFolder: layout.netns, vethName, repair: prepare });

  const hostGateway = (): string | undefined => registry.find('bridge')?.bridge?.gateway;
  const hostsOf = (sandbox: SandboxRecord): string => renderHosts(sandbox, sandbox.endpoints.map(({ address }) => address), hostGateway());
  const files = new ResolverFiles(config);
  const service = new NetworkObjects({ registry, kernel, firewall, sandboxes, names, containers, plugins, emit, clock: systemClock, pools, mtu: config.mtu, files });

  const view = (sandbox: SandboxRecord) => ({
    id: sandbox.id,
    netnsPath: sandbox.netnsPath,
    endpoints: Object.fromEntries(sandbox.endpoints.map((endpoint) => [endpoint.networkName, viewEndpoint(endpoint, sandbox)])),
    ports: viewPorts(sandbox.ports, sandbox.exposed),
    hosts: hostsOf(sandbox),
    resolvConf: sandbox.resolvConf,
  });

  let ready: Promise<void> | undefined;
  /** What `recover` could not do is tried again by the first container that needs it. */
  const whenReady = (): Promise<void> => {
    ready ??= prepare().catch((error: unknown) => {
      ready = undefined;
      throw error;
    });
    return ready;
  };
  let watch: NodeJS.Timeout | undefined;

  return {
    networks: {
      list: service.list.bind(service),
      inspect: service.inspect.bind(service),
      create: service.create.bind(service),
      remove: service.remove.bind(service),
      connect: service.connect.bind(service),
      disconnect: service.disconnect.bind(service),
      prune: service.prune.bind(service),
    },

    sandboxes: {
      /** Throws not_found `network x not found`. host, none and container: are always known. */
      nameOf(network: string): string {
        if (network === 'host' || network === 'none' || network.startsWith('container:')) return network;
        return registry.get(network === 'default' ? 'bridge' : network).name;
      },
      async up(request: Request) {
        await whenReady();
        const endpoints = request.endpoints.map(({ network, settings }) => ({ network: network === 'default' ? 'bridge' : network, settings }));
        const asks = endpoints.some(({ network }) => hasNames({ networkName: registry.get(network).name }));
        return view(await sandboxes.up({ ...request, endpoints, resolver: files.of(request, asks ? 'resolver' : 'reachable') }));
      },
      down: (container: ContainerId) => sandboxes.down(container),
      find(container: ContainerId) {
        const sandbox = registry.sandboxOf(container);
        return sandbox && view(sandbox);
      },
      hostFiles(request: FileRequest, mode: 'host' | 'none') {
        const { resolvConf } = files.of(request, mode === 'host' ? 'host' : 'reachable');
        const hosts = mode === 'host' ? renderHostHosts(files.read('/etc/hosts'), request.extraHosts, hostGateway()) : renderHosts(request, [], hostGateway());
        return { hosts, resolvConf };
      },
      /** A container has another name from now on. */
      async renamed(container: ContainerId, name: string): Promise<void> {
        await sandboxes.change(container, { name });
      },
      /**
       * Keeps the sandboxes of `live` containers, removes every other trace, re-applies the firewall. A machine where that
       * fails (no nftables, no rights) is told in the log; containers without a network still work.
       */
      async recover(live: ReadonlySet<ContainerId>): Promise<void> {
        try {
          await ensurePredefined(registry, { kernel, config, instance: layout.instance });
          const dead = [...registry.living().filter(({ container }) => !live.has(container)), ...registry.leaving()];
          await sandboxes.discard(dead);
          ports.adopt(registry.living().flatMap((sandbox) => sandbox.ports));
          const known = new Set(registry.living().map(({ netnsPath }) => netnsPath));
          for (const path of listFolder(layout.netns)) if (!known.has(path)) await kernel.remove(path, '');
          names.recover(registry.living());
          if (registry.networks().some(({ name, bridge }) => bridge !== undefined && hasNames({ networkName: name }))) names.warm();
          await whenReady();
          sweeper.start();
        } catch (error) {
          log.error('networks could not be prepared; containers with a network will not start', { error });
        }
        watch ??= setInterval(() => {
          firewall.verify().catch((error: unknown) => log.warn('the firewall could not be looked at', { error }));
        }, WATCH_INTERVAL).unref();
      },
    },

    /** The id of a network by name, for what inspect shows of host and none. */
    idOf: (name: string): string | undefined => registry.find(name)?.id,

    /** Resolves when the kernel has ended all links of removed sandboxes. */
    settled: (): Promise<void> => sweeper.finish(false),

    /**
     * Takes away bridges, rules and namespaces; false (and nothing done) while a container has a sandbox. Records stay: the
     * next `recover` makes the networks anew.
     */
    async removeAll(): Promise<boolean> {
      if (registry.living().length > 0) return false;
      clearInterval(watch);
      watch = undefined;
      ready = undefined;
      for (const path of listFolder(layout.netns)) await kernel.remove(path, '');
      await names.end();
      await sweeper.finish(true);
      await firewall.remove();
      await kernel.deleteLinks(bridgesOf(registry).filter(({ owned }) => owned).map(({ name }) => name));
      return true;
    },

    /** Ends the worker, timers and sockets of this process. Sandboxes go on. */
    async close(): Promise<void> {
      clearInterval(watch);
      sweeper.stop();
      names.close();
      ports.release(registry.living().flatMap((sandbox) => sandbox.ports));
      await kernel[Symbol.asyncDispose]();
    },
  };
}

/** Its thread starts while the engine goes on starting. */
function warmKernel(): NetworkKernel {
  const kernel = openNetworkKernel();
  kernel.warm();
  return kernel;
}

async function ensurePredefined(
  registry: Registry,
  given: { kernel: NetworkKernel; config: NetworkConfig; instance: string },
): Promise<void> {
  const created = rfc3339Nano(systemClock.nowNanos());
  const plain = { version: 1, created, internal: false, attachable: false, options: {}, labels: {}, bridge: undefined } as const;
  if (registry.find('none') === undefined) registry.saveNetwork({ ...plain, id: asNetworkId(newId()), name: 'none', driver: 'null' });
  if (registry.find('host') === undefined) registry.saveNetwork({ ...plain, id: asNetworkId(newId()), name: 'host', driver: 'host' });
  const former = registry.find('bridge');
  if (given.config.bridgeName === 'none') {
    if (former !== undefined && registry.endpointsOn(former.id).length === 0) registry.deleteNetwork(former);
    return;
  }
  // Containers that are running keep the network that they know, whatever the configuration says now.
  if (former !== undefined && registry.endpointsOn(former.id).length > 0) return;
  const bridge = await defaultBridge(registry, given, former?.bridge);
  const record: NetworkRecord = { ...plain, id: asNetworkId(newId()), name: 'bridge', driver: 'bridge', ...former, options: bridgeOptions(bridge), bridge };
  if (JSON.stringify(record) !== JSON.stringify(former)) registry.saveNetwork(record);
}

async function defaultBridge(
  registry: Registry,
  { kernel, config, instance }: { kernel: NetworkKernel; config: NetworkConfig; instance: string },
  former: BridgeRecord | undefined,
): Promise<BridgeRecord> {
  const sight = await kernel.observe();
  let { subnet, gateway } = former ?? {};
  if (config.bridgeName !== undefined) [subnet, gateway] = addressOf(config.bridgeName, sight);
  if (config.bridgeAddress !== undefined) {
    const [address = ''] = config.bridgeAddress.split('/');
    const chosen = parseSubnet(config.bridgeAddress);
    if (chosen === undefined || parseAddress(address) === undefined) throw invalid(`invalid bip ${JSON.stringify(config.bridgeAddress)}: expected an address with a prefix, e.g. 192.168.5.1/24`);
    [subnet, gateway] = [formatSubnet(chosen), address];
  }
  if (subnet === undefined || gateway === undefined) {
    const others = bridgesOf(registry).map((bridge) => parseSubnet(bridge.subnet)).filter((item) => item !== undefined);
    const chosen = chooseSubnet(config.defaultAddressPools ?? DEFAULT_POOLS, [...takenSubnets(sight), ...others]);
    [subnet, gateway] = [formatSubnet(chosen), formatAddress(chosen.base + 1)];
  }
  return {
    name: config.bridgeName ?? (instance === '' ? 'gantry0' : `gtr${instance}`),
    owned: config.bridgeName === undefined, subnet, subnetGiven: false, range: undefined, gateway, reserved: {}, mtu: config.mtu, masquerade: config.masquerade ?? true,
    communication: config.communication ?? true, hostAddress: config.hostAddress ?? '0.0.0.0',
  };
}

/** Subnet and address of a bridge that the administrator made. */
function addressOf(name: string, { links, addresses }: NetworkSight): [subnet: string, gateway: string] {
  const link = links.find((item) => item.name === name);
  if (link === undefined) throw invalid(`the configured bridge ${name} does not exist: make it, or leave out the option "bridge"`);
  const own = addresses.find((item) => item.index === link.index && !item.address.includes(':'));
  const subnet = own && parseSubnet(`${own.address}/${own.prefix}`);
  if (own === undefined || subnet === undefined) throw invalid(`the configured bridge ${name} has no IPv4 address: give it one`);
  return [formatSubnet(subnet), own.address];
}

function bridgeOptions(bridge: BridgeRecord): Record<string, string> {
  return {
    'com.docker.network.bridge.default_bridge': 'true',
    'com.docker.network.bridge.enable_icc': String(bridge.communication),
    'com.docker.network.bridge.enable_ip_masquerade': String(bridge.masquerade),
    'com.docker.network.bridge.host_binding_ipv4': bridge.hostAddress,
    'com.docker.network.bridge.name': bridge.name,
    'com.docker.network.driver.mtu': String(bridge.mtu ?? 1500),
  };
}

function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder).map((name) => `${folder}/${name}`);
  } catch {
    return [];
  }
}
