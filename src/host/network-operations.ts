import { messageOf } from '#base/errors.ts';
import { forgetUdpFlows } from './conntrack.ts';
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
    room.forgetBridges();
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
    ensureBridge: (plan) => room.ensureBridge(plan),
    enableForwarding: () => room.enableForwarding(),
    make(plan, ruleset) {
      try {
        room.make(plan);
        return applyRules(ruleset);
      } catch (error) {
        room.remove(plan.path);
        deleteLinks(plan.interfaces.map(({ veth }) => veth));
        throw error;
      }
    },
    plug(path, item, gateway) {
      try {
        room.plug(path, item, gateway);
      } catch (error) {
        deleteLinks([item.veth]);
        throw error;
      }
    },
    route: (path, gateway, name) => room.route(path, gateway, name),
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
