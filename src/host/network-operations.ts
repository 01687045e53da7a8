import { EngineError, messageOf } from '#base/errors.ts';
import { forgetUdpFlows } from './conntrack.ts';
import { adoptPorts, ensureBridge, ensureParent } from './host-links.ts';
import { changeElements, type ElementChange } from './nft-elements.ts';
import { NamespaceRoom } from './netns.ts';
import type { NetworkOperations, RulesChange } from './network-kernel.ts';
import { openNetfilterSocket, openNft, rulesetGeneration, type Nft } from './nft.ts';
import type { NetlinkSocket } from './netlink.ts';
import { deleteLink, listAddresses, listLinks, listRoutes } from './rtnetlink.ts';

/** The operations on the real kernel, synchronous, for a thread of their own in the host's network namespace. */
export function openNetworkOperations(): NetworkOperations {
  const room = new NamespaceRoom();
  let nft: Nft | undefined;
  let netfilter: NetlinkSocket | undefined;
  const rules = (): Nft => (nft ??= openNft());
  const deleteLinks = (names: readonly string[]): void => {
    room.forgetIndexes();
    for (const name of names) room.host.execute([deleteLink(name)]);
  };
  const netfilterSocket = (): NetlinkSocket => (netfilter ??= openNetfilterSocket());
  const generation = (): number => rulesetGeneration(netfilterSocket());
  const alter = (elements: readonly ElementChange[]): RulesChange => {
    const before = generation();
    if (elements.length === 0) return { before, after: before };
    try {
      changeElements(netfilterSocket(), elements);
    } catch (error) {
      throw new EngineError('internal', `nft refused: ${messageOf(error)}`, { cause: error });
    }
    return { before, after: generation() };
  };
  const applyRules = (ruleset: string): RulesChange => {
    const before = generation();
    if (ruleset === '') return { before, after: before };
    rules().run(ruleset);
    return { before, after: generation() };
  };
  return {
    observe: () => ({ links: listLinks(room.host), addresses: listAddresses(room.host), routes: listRoutes(room.host) }),
    ensureBridge: (plan) => ensureBridge(room, plan),
    ensureParent: (plan) => ensureParent(room, plan),
    adoptPorts: (ports) => adoptPorts(room, ports),
    make(plan, elements) {
      try {
        room.make(plan);
        return alter(elements);
      } catch (error) {
        room.remove(plan.path);
        deleteLinks(plan.interfaces.flatMap(({ source }) => (source.kind === 'veth' ? [source.host] : [])));
        throw error;
      }
    },
    plug(path, item, routes) {
      try {
        room.plug(path, item, routes);
      } catch (error) {
        if (item.source.kind === 'veth') deleteLinks([item.source.host]);
        throw error;
      }
    },
    unplug: (path, source, name) => room.unplug(path, source, name),
    route: (path, routes) => room.route(path, routes),
    remove(path, elements) {
      let change: RulesChange & { refused: string | undefined };
      try {
        change = { ...alter(elements), refused: undefined };
      } catch (error) {
        const now = generation();
        change = { before: now, after: now, refused: messageOf(error) };
      }
      room.remove(path);
      return change;
    },
    deleteLinks,
    changeElements: alter,
    applyRules,
    listRules: (what) => rules().list(what),
    forgetUdpFlows: (hostPorts, addresses) => forgetUdpFlows(netfilterSocket(), hostPorts, addresses),
    rulesGeneration: generation,
  };
}
