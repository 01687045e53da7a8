import { EngineError, notFound } from '#base/errors.ts';
import type { ContainerId, NetworkId } from '#spec/ids.ts';
import type { EndpointRecord, NetworkRecord, SandboxRecord } from './record.ts';
import type { NetworkStore } from './store.ts';

/**
 * All networks and sandboxes in memory, mirrored to the store at every change. Synchronous, so that whoever decides on
 * what it says and changes it in one go needs no lock.
 */
export class Registry {
  readonly #store: NetworkStore;
  readonly #networks = new Map<NetworkId, NetworkRecord>();
  readonly #sandboxes = new Map<string, SandboxRecord>();
  readonly #byContainer = new Map<ContainerId, SandboxRecord>();
  readonly #addresses = new Map<NetworkId, Set<string>>();

  constructor(store: NetworkStore) {
    this.#store = store;
    for (const network of store.networks()) this.#networks.set(network.id, network);
    for (const sandbox of store.sandboxes()) this.#index(sandbox);
  }

  networks(): NetworkRecord[] {
    return [...this.#networks.values()];
  }

  /** By name, full id or unique id prefix, in that order. */
  find(name: string): NetworkRecord | undefined {
    const all = this.networks();
    const exact = all.find((network) => network.name === name) ?? this.#networks.get(name as NetworkId);
    if (exact !== undefined || name === '') return exact;
    const matches = all.filter((network) => network.id.startsWith(name));
    if (matches.length > 1) throw new EngineError('invalid_argument', `network ${name} is ambiguous (${matches.length} matches found based on ID prefix)`);
    return matches[0];
  }

  get(name: string): NetworkRecord {
    const network = this.find(name);
    if (network === undefined) throw notFound(`network ${name} not found`);
    return network;
  }

  saveNetwork(network: NetworkRecord): void {
    this.#store.saveNetwork(network);
    this.#networks.set(network.id, network);
  }

  /** Nobody finds it any more; a crash from here on brings it back. `saveNetwork` does too. */
  hideNetwork(network: NetworkRecord): void {
    this.#networks.delete(network.id);
  }

  knows({ id }: NetworkRecord): boolean {
    return this.#networks.has(id);
  }

  deleteNetwork(network: NetworkRecord): void {
    this.#store.deleteNetwork(network.id);
    this.#networks.delete(network.id);
    this.#addresses.delete(network.id);
  }

  /** Sandboxes in the state `up`. */
  living(): SandboxRecord[] {
    return [...this.#byContainer.values()];
  }

  leaving(): SandboxRecord[] {
    return [...this.#sandboxes.values()].filter((sandbox) => sandbox.state === 'leaving');
  }

  /** The container's sandbox in the state `up`. */
  sandboxOf(container: ContainerId): SandboxRecord | undefined {
    return this.#byContainer.get(container);
  }

  saveSandbox(sandbox: SandboxRecord): void {
    this.#store.saveSandbox(sandbox);
    this.#unindex(sandbox.id);
    this.#index(sandbox);
  }

  deleteSandbox(sandbox: SandboxRecord): void {
    this.#store.deleteSandbox(sandbox.id);
    this.#unindex(sandbox.id);
  }

  /** Endpoints of living sandboxes on the network. */
  endpointsOn(network: NetworkId): { sandbox: SandboxRecord; endpoint: EndpointRecord }[] {
    return this.living().flatMap((sandbox) =>
      sandbox.endpoints.filter((endpoint) => endpoint.network === network).map((endpoint) => ({ sandbox, endpoint })),
    );
  }

  /** Canonical texts, of both families. */
  takenAddresses(network: NetworkId): ReadonlySet<string> {
    return this.#addresses.get(network) ?? new Set();
  }

  #index(sandbox: SandboxRecord): void {
    this.#sandboxes.set(sandbox.id, sandbox);
    if (sandbox.state === 'up') this.#byContainer.set(sandbox.container, sandbox);
    for (const endpoint of sandbox.endpoints) {
      const taken = this.#addresses.get(endpoint.network) ?? new Set<string>();
      for (const address of addressesOf(endpoint)) taken.add(address);
      this.#addresses.set(endpoint.network, taken);
    }
  }

  #unindex(id: string): void {
    const former = this.#sandboxes.get(id);
    if (former === undefined) return;
    this.#sandboxes.delete(id);
    if (this.#byContainer.get(former.container)?.id === id) this.#byContainer.delete(former.container);
    for (const endpoint of former.endpoints) for (const address of addressesOf(endpoint)) this.#addresses.get(endpoint.network)?.delete(address);
  }
}

/** Those it has, IPv4 first. */
export const addressesOf = ({ address, address6 }: EndpointRecord): string[] => [address, address6].filter((item) => item !== undefined);
