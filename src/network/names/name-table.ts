import { inetAddress } from '#host/kernel-socket.ts';
import type { NamedEndpoint, NameSheet } from './name-sheet.ts';

/** Addresses of a name, in network byte order. */
export interface Addresses {
  v4: Buffer[];
  v6: Buffer[];
}

interface Zone {
  byName: Map<string, Set<NamedEndpoint>>;
  byAddress: Map<string, NamedEndpoint>;
}

/** Who is called what, as every sandbox may see it: by the networks that it is on, and no other. */
export class NameTable {
  readonly #sheets = new Map<string, NameSheet>();
  readonly #zones = new Map<string, Zone>();
  /** Goes up with every change. */
  generation = 0;

  sheets(): IterableIterator<NameSheet> {
    return this.#sheets.values();
  }

  get(id: string): NameSheet | undefined {
    return this.#sheets.get(id);
  }

  put(sheet: NameSheet): void {
    this.drop(sheet.id);
    this.#sheets.set(sheet.id, sheet);
    for (const endpoint of sheet.endpoints) {
      const zone = this.#zones.get(endpoint.network) ?? { byName: new Map(), byAddress: new Map() };
      this.#zones.set(endpoint.network, zone);
      for (const name of endpoint.names) {
        const key = name.toLowerCase();
        zone.byName.set(key, (zone.byName.get(key) ?? new Set()).add(endpoint));
      }
      for (const address of endpoint.addresses) zone.byAddress.set(keyOf(address), endpoint);
    }
  }

  drop(id: string): void {
    this.generation++;
    const sheet = this.#sheets.get(id);
    if (sheet === undefined) return;
    this.#sheets.delete(id);
    for (const endpoint of sheet.endpoints) {
      const zone = this.#zones.get(endpoint.network);
      if (zone === undefined) continue;
      for (const name of endpoint.names) {
        const key = name.toLowerCase();
        const bearers = zone.byName.get(key);
        bearers?.delete(endpoint);
        if (bearers?.size === 0) zone.byName.delete(key);
      }
      for (const address of endpoint.addresses) if (zone.byAddress.get(keyOf(address)) === endpoint) zone.byAddress.delete(keyOf(address));
      if (zone.byName.size === 0 && zone.byAddress.size === 0) this.#zones.delete(endpoint.network);
    }
  }

  /**
   * What `name` (lower case) means to a sandbox: a name on one of its networks, or `name.network`; both parts may have
   * dots. Undefined when no network of its own knows it.
   */
  resolve(id: string, name: string): Addresses | undefined {
    const sheet = this.#sheets.get(id);
    if (sheet === undefined) return undefined;
    for (let cut = name.length; cut > 0; cut = name.lastIndexOf('.', cut - 1)) {
      const [own, network] = [name.slice(0, cut), name.slice(cut + 1)];
      for (const endpoint of sheet.endpoints) {
        if (network !== '' && endpoint.networkName.toLowerCase() !== network) continue;
        const found = this.#onNetwork(endpoint, own);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  /** `name.network` of an address on one of the sandbox's networks. */
  reverse(id: string, address: string): string | undefined {
    const key = keyOf(address);
    for (const { network } of this.#sheets.get(id)?.endpoints ?? []) {
      const found = this.#zones.get(network)?.byAddress.get(key);
      if (found?.names[0] !== undefined) return `${found.names[0]}.${found.networkName}`;
    }
    return undefined;
  }

  #onNetwork(asking: NamedEndpoint, name: string): Addresses | undefined {
    const link = asking.links.find(({ alias }) => alias.toLowerCase() === name);
    const bearers = this.#zones.get(asking.network)?.byName.get(link?.target.toLowerCase() ?? name);
    if (bearers === undefined) return undefined;
    const addresses = [...bearers].flatMap((endpoint) => endpoint.addresses).map(addressBytes);
    return { v4: addresses.filter(({ length }) => length === 4), v6: addresses.filter(({ length }) => length === 16) };
  }
}

export function addressBytes(address: string): Buffer {
  const socketAddress = inetAddress(address, 0);
  return address.includes(':') ? socketAddress.subarray(8, 24) : socketAddress.subarray(4, 8);
}

const keyOf = (address: string): string => addressBytes(address).toString('hex');
