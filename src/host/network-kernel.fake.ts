import type { InterfacePlan } from './netns.ts';
import type { NetworkKernel, NetworkOperations, NetworkSight } from './network-kernel.ts';

/**
 * A machine's network in memory: remembers what was asked for, knows no packets. `refuse` makes the next call of an
 * operation fail.
 */
export class FakeNetworkKernel implements AsyncDisposable {
  readonly calls: string[] = [];
  readonly namespaces = new Map<string, string[]>();
  readonly links = new Set<string>(['lo']);
  /** The last whole table. */
  table: string | undefined;
  sight: Partial<NetworkSight> = {};
  #generation = 1;
  readonly #refusals = new Map<keyof NetworkOperations, Error>();

  refuse(operation: keyof NetworkOperations, error: Error): void {
    this.#refusals.set(operation, error);
  }

  /** Another program changed rules. */
  disturb(): void {
    this.#generation++;
  }

  async #begin(operation: keyof NetworkOperations, detail: string): Promise<void> {
    this.calls.push(detail === '' ? operation : `${operation} ${detail}`);
    const refusal = this.#refusals.get(operation);
    this.#refusals.delete(operation);
    await Promise.resolve();
    if (refusal !== undefined) throw refusal;
  }

  #change(rules: string): { before: number; after: number } {
    const before = this.#generation;
    if (rules !== '') this.#generation++;
    if (rules.startsWith('add table')) this.table = rules;
    return { before, after: this.#generation };
  }

  readonly observe: NetworkKernel['observe'] = async () => {
    await this.#begin('observe', '');
    const links = [...this.links].map((name, index) => ({ index: index + 1, name, up: true, kind: undefined, master: undefined, mac: undefined, mtu: 1500 }));
    return { links, addresses: [], routes: [], ...this.sight };
  };

  readonly ensureBridge: NetworkKernel['ensureBridge'] = async ({ name }) => {
    await this.#begin('ensureBridge', name);
    this.links.add(name);
  };

  readonly ensureParent: NetworkKernel['ensureParent'] = async ({ name }) => {
    await this.#begin('ensureParent', name);
    this.links.add(name);
  };

  readonly adoptPorts: NetworkKernel['adoptPorts'] = (ports) => this.#begin('adoptPorts', ports.map(({ veth }) => veth).join(' '));

  readonly make: NetworkKernel['make'] = async (plan, rules) => {
    await this.#begin('make', plan.interfaces.map(shown).join(' '));
    this.namespaces.set(plan.path, plan.interfaces.flatMap(hostLinks));
    for (const link of plan.interfaces.flatMap(hostLinks)) this.links.add(link);
    return this.#change(rules.map(({ set }) => set).join(' '));
  };

  readonly plug: NetworkKernel['plug'] = async (path, item) => {
    await this.#begin('plug', shown(item));
    this.namespaces.get(path)?.push(...hostLinks(item));
    for (const link of hostLinks(item)) this.links.add(link);
  };

  readonly unplug: NetworkKernel['unplug'] = async (_path, source, name) => {
    await this.#begin('unplug', name);
    if (source.kind === 'veth') this.links.delete(source.host);
  };

  readonly route: NetworkKernel['route'] = (_path, routes) =>
    this.#begin('route', routes.map(({ destination, gateway, name }) => `${destination} ${gateway ?? ''} ${name}`).join(' '));

  readonly remove: NetworkKernel['remove'] = async (path, rules) => {
    await this.#begin('remove', '');
    for (const veth of this.namespaces.get(path) ?? []) this.links.delete(veth);
    this.namespaces.delete(path);
    return { ...this.#change(rules.map(({ set }) => set).join(' ')), refused: undefined };
  };

  readonly deleteLinks: NetworkKernel['deleteLinks'] = async (names) => {
    await this.#begin('deleteLinks', names.join(' '));
    for (const name of names) this.links.delete(name);
  };

  readonly changeElements: NetworkKernel['changeElements'] = async (elements) => {
    await this.#begin('changeElements', elements.map(({ change, set }) => `${change} ${set}`).join(' '));
    return this.#change(elements.map(({ set }) => set).join(' '));
  };

  readonly applyRules: NetworkKernel['applyRules'] = async (rules) => {
    await this.#begin('applyRules', '');
    return this.#change(rules);
  };

  readonly listRules: NetworkKernel['listRules'] = async (what) => {
    await this.#begin('listRules', what);
    return what.includes(' inet ') && this.table !== undefined ? { nftables: fakeListing(this.table) } : undefined;
  };

  readonly forgetUdpFlows: NetworkKernel['forgetUdpFlows'] = (ports) => this.#begin('forgetUdpFlows', ports.join(' '));

  readonly rulesGeneration: NetworkKernel['rulesGeneration'] = async () => {
    await this.#begin('rulesGeneration', '');
    return this.#generation;
  };

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

const hostLinks = ({ source }: InterfacePlan): string[] => (source.kind === 'veth' ? [source.host] : []);

function shown({ name, addresses, source }: InterfacePlan): string {
  const where = source.kind === 'veth' ? source.bridge : source.kind === 'child' ? source.parent : source.link;
  return `${name}=${addresses.map(({ address }) => address).join(',')}@${where}`;
}

/** As many rules as the table was applied with, and no published ports: a fake keeps no elements. */
function fakeListing(table: string): unknown[] {
  return table.split('\n').filter((line) => /^\t\t(?!type |flags |elements )/.test(line)).map(() => ({ rule: {} }));
}
