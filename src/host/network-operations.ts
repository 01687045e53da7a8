import { messageOf } from '#base/errors.ts';
import { forgetUdpFlows } from './conntrack.ts';
import { adoptPorts, ensureBridge, ensureParent } from './host-links.ts';
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
    make(plan, ruleset) {
      try {
        room.make(plan);
        return applyRules(ruleset);
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
    remove(path, ruleset) {
      let change: RulesChange & { refused: string | undefined };
      try {
        change = { ...applyRules(ruleset), refused: undefined };
      } catch (error) {
        const now = generation();
        change = { before: now, after: now, refused: messageOf(error) };
      }
      room.remove(path);
      return change;
    },
    deleteLinks,
    applyRules,
    listRules: (what) => rules().list(what),
    forgetUdpFlows: (hostPorts, addresses) => forgetUdpFlows(netfilterSocket(), hostPorts, addresses),
    rulesGeneration: generation,
  };
}
