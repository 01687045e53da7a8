import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { systemClock } from '#base/clock.ts';
import { openNetworkKernel, type NetworkKernel } from '#host/network-kernel.ts';
import type { ContainerId } from '#spec/ids.ts';
import type { PortMap } from '#spec/wire/container.ts';
import type { EndpointSettings } from '#spec/wire/network.ts';
import { BRIDGE_POOLS, DEFAULT_POOLS, withUla, type AddressPool } from './address-pool.ts';
import { ensurePredefined } from './default-bridge.ts';
import { checkEndpointSettings } from './endpoint-settings.ts';
import { explainPaths, partyOf, publishedPortInfo, type Party } from './explain.ts';
import { Firewall } from './firewall.ts';
import type { FirewallState, LinkedPort } from './firewall-state.ts';
import { renderHostHosts, renderHosts } from './hosts-file.ts';
import { NameService } from './names/name-service.ts';
import { bridgePlan, bridgePorts, firewalled, isBridge, ownedLinks, parentPlan } from './network-plan.ts';
import { NetworkObjects } from './network-service.ts';
import { tableName } from './nft-table.ts';
import type { NetworksOptions } from './options.ts';
import { ephemeralPorts, hostHasIpv6, portHolder } from './port-holder.ts';
import { parsePort } from './port-request.ts';
import { PortTable } from './port-table.ts';
import type { NetworkRecord, PortRecord, SandboxRecord } from './record.ts';
import { addressesOf, Registry } from './registry.ts';
import { reconcileSandboxes } from './reconcile.ts';
import { RemoteNetworks } from './remote-networks.ts';
import type { ResolvOverrides } from './resolv-conf.ts';
import { ResolverFiles } from './resolver-files.ts';
import { Sandboxes } from './sandboxes.ts';
import { forwardTarget, hasNames, linkedPorts, publishedPorts, viewEndpoint, viewPorts } from './sandbox-view.ts';
import { openNetworkStore } from './store.ts';
import { Sweeper } from './sweeper.ts';
import { watchMachine, type Watch } from './watch.ts';

/** The shape of engine/ports.ts SandboxRequest. */
interface Request extends FileRequest {
  container: ContainerId;
  endpoints: readonly { network: string; settings: EndpointSettings }[];
  ports: PortMap;
  exposed: readonly string[];
  linked: readonly ContainerId[];
  sysctls?: Readonly<Record<string, string>>;
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
  const portTarget = (port: PortRecord) => {
    const sandbox = registry.living().find(({ ports: own }) => own.some((item) => item.hostPort === port.hostPort && item.protocol === port.protocol && item.hostAddress === port.hostAddress));
    return sandbox && forwardTarget(sandbox, port);
  };
  const ports = new PortTable({ hold: portHolder(portTarget, { everything: config.firewall === false }), ephemeral: ephemeralPorts() });
  const poolsOr = (ours: readonly AddressPool[]) => withUla(config.defaultAddressPools ?? ours, `${readText('/etc/machine-id') ?? ''} ${layout.root}`);
  const pools = poolsOr(DEFAULT_POOLS);
  const remote = new RemoteNetworks({ plugins, log });

  /** `--link` where containers may not reach each other. */
  const linksOf = (sandbox: SandboxRecord): LinkedPort[] => {
    const apart = sandbox.endpoints.some(({ network }) => {
      const via = registry.find(network)?.via;
      return via?.kind === 'bridge' && !via.communication;
    });
    if (!apart) return [];
    return linkedPorts(sandbox, sandbox.linked.map((id) => registry.sandboxOf(id)).filter((other) => other !== undefined));
  };
  const firewallState = (): FirewallState => ({
    table: tableName(layout.instance),
    networks: registry.networks().filter(isBridge).map(firewalled),
    ports: registry.living().flatMap(publishedPorts),
    links: registry.living().flatMap(linksOf),
    apiPorts: config.apiPorts ?? [],
  });
  const firewall = new Firewall({ kernel, log, table: tableName(layout.instance), state: firewallState, policy: config.publishPolicy ?? 'engine', enabled: config.firewall !== false });

  const vethPrefix = layout.instance === '' ? 'gtv-' : `gtv${layout.instance}`;
  const vethName = (): string => (vethPrefix + randomBytes(6).toString('hex')).slice(0, 15);
  const isStray = (link: string): boolean =>
    link.length === 15 && link.startsWith(vethPrefix) &&
    ![...registry.living(), ...registry.leaving()].some(({ endpoints }) => endpoints.some(({ hostLink }) => hostLink === link));
  const sweeper = new Sweeper({ kernel, registry, log, isStray });

  const makeLinks = async (network: NetworkRecord): Promise<void> => {
    if (isBridge(network)) await kernel.ensureBridge(bridgePlan(network, config.forwarding !== false));
    const parent = parentPlan(network);
    if (parent !== undefined) await kernel.ensureParent(parent);
  };
  /** Interfaces and firewall as the records say. */
  const prepare = async (): Promise<void> => {
    for (const network of registry.networks()) {
      // One that was removed meanwhile stays gone: its removal comes after what was asked of the kernel before.
      if (!registry.knows(network)) continue;
      try {
        await makeLinks(network);
      } catch (error) {
        // A parent interface that is not there (any more) is its own network's trouble.
        if (isBridge(network)) throw error;
        log.warn('a network cannot be used now', { network: network.name, error });
      }
    }
    await kernel.adoptPorts(bridgePorts(registry));
    await firewall.apply();
  };
  const names = new NameService({ run: layout.run, resolver: options.resolver, log });
  const sandboxes = new Sandboxes({ kernel, registry, ports, firewall, sweeper, remote, names, emit, netnsFolder: layout.netns, vethName, linksOf, repair: prepare, forwards: () => config.userlandProxy !== false && hostHasIpv6() });

  const hostGateways = (): readonly string[] => {
    if (config.hostGateways !== undefined && config.hostGateways.length > 0) return config.hostGateways;
    const pools = registry.find('bridge')?.pools ?? [];
    return ([4, 6] as const).flatMap((family) => pools.find((pool) => pool.family === family)?.gateway ?? []);
  };
  const hostsOf = (sandbox: SandboxRecord): string => renderHosts(sandbox, sandbox.endpoints.flatMap(addressesOf), hostGateways());
  const files = new ResolverFiles(config);
  const service = new NetworkObjects({ registry, kernel, firewall, sandboxes, containers, remote, makeLinks, emit, clock: systemClock, pools, mtu: config.mtu, defaultOptions: config.defaultOptions ?? {}, names, files });

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
  let watch: Watch | undefined;
  const beginWatch = (): Watch =>
    watchMachine({
      log,
      /** The fake kernel of tests tells nothing. */
      kernelTells: options.kernel === undefined,
      verifyRules: () => firewall.verify(),
      bridges: () => registry.networks().filter(isBridge).map(({ via }) => via.name),
      repair: prepare,
    });

  return {
    networks: {
      list: service.list.bind(service),
      inspect: service.inspect.bind(service),
      create: service.create.bind(service),
      remove: service.remove.bind(service),
      connect: service.connect.bind(service),
      disconnect: service.disconnect.bind(service),
      prune: service.prune.bind(service),
      ports: () => Promise.resolve(publishedPortInfo(registry.living(), (id) => containers.nameOf(id))),
      explain(question: { from: string; to: string; port: string | undefined }) {
        const facts = { state: firewallState(), living: registry.living(), networks: registry.networks() };
        const party = (text: string): Party => partyOf(text, facts, (name) => containers.find(name).id);
        const { port, protocol } = question.port === undefined ? { port: undefined, protocol: 'tcp' as const } : parsePort(question.port);
        return Promise.resolve(explainPaths(facts, { from: party(question.from), to: party(question.to), port, protocol }));
      },
    },

    sandboxes: {
      /** Throws not_found `network x not found`. host, none and container: are always known. */
      nameOf(network: string): string {
        if (network === 'host' || network === 'none' || network.startsWith('container:')) return network;
        return registry.get(network === 'default' ? 'bridge' : network).name;
      },
      check(name: string, settings: EndpointSettings): void {
        const network = registry.find(name === 'default' ? 'bridge' : name);
        if (network?.via !== undefined) checkEndpointSettings(network, settings);
      },
      async up(request: Request) {
        await whenReady();
        const endpoints = request.endpoints.map(({ network, settings }) => ({ network: network === 'default' ? 'bridge' : network, settings }));
        const joined = endpoints.map(({ network }) => registry.get(network));
        const mode = joined.some(({ name }) => hasNames({ networkName: name })) ? 'resolver' : 'reachable';
        const withoutIpv6 = request.sysctls?.['net.ipv6.conf.all.disable_ipv6'] === '1';
        const resolver = { withoutIpv6, ...files.of(request, mode, joined.some(({ ipv6 }) => ipv6)) };
        return view(await sandboxes.up({ ...request, endpoints, resolver }));
      },
      down: (container: ContainerId) => sandboxes.down(container),
      find(container: ContainerId) {
        const sandbox = registry.sandboxOf(container);
        return sandbox && view(sandbox);
      },
      hostFiles(request: FileRequest, mode: 'host' | 'none') {
        const { resolvConf } = files.of(request, mode === 'host' ? 'host' : 'reachable');
        const hosts = mode === 'host' ? renderHostHosts(files.read('/etc/hosts'), request.extraHosts, hostGateways()) : renderHosts(request, [], hostGateways());
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
          await ensurePredefined(registry, { kernel, config, pools: poolsOr(BRIDGE_POOLS), instance: layout.instance });
          const dead = [...registry.living().filter(({ container }) => !live.has(container)), ...registry.leaving()];
          await sandboxes.discard(dead);
          ports.adopt(registry.living().flatMap((sandbox) => sandbox.ports));
          const known = new Set(registry.living().map(({ netnsPath }) => netnsPath));
          for (const path of listFolder(layout.netns)) if (!known.has(path)) await kernel.remove(path, []);
          names.recover(registry.living());
          if (registry.networks().some((network) => network.via !== undefined && hasNames({ networkName: network.name }))) names.warm();
          await whenReady();
          await reconcileSandboxes({ registry, kernel, sandboxes, containers, log });
          sweeper.start();
        } catch (error) {
          log.error('networks could not be prepared; containers with a network will not start', { error });
        }
        watch ??= beginWatch();
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
      watch?.[Symbol.dispose]();
      watch = undefined;
      ready = undefined;
      for (const path of listFolder(layout.netns)) await kernel.remove(path, []);
      await names.end();
      await sweeper.finish(true);
      await firewall.remove();
      await kernel.deleteLinks(registry.networks().flatMap((network) => ownedLinks(network, [])));
      return true;
    },

    /** Ends the worker, timers and sockets of this process. Sandboxes go on. */
    async close(): Promise<void> {
      watch?.[Symbol.dispose]();
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

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder).map((name) => `${folder}/${name}`);
  } catch {
    return [];
  }
}
