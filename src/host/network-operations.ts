import { NamespaceRoom } from './netns.ts';
import type { NetworkOperations } from './network-kernel.ts';
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
  return {
    observe: () => ({ links: listLinks(room.host), addresses: listAddresses(room.host), routes: listRoutes(room.host) }),
    ensureBridge: (plan) => room.ensureBridge(plan),
    enableForwarding: () => room.enableForwarding(),
    make(plan, ruleset) {
      try {
        room.make(plan);
        if (ruleset !== '') rules().run(ruleset);
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
    remove: (path) => room.remove(path),
    deleteLinks,
    applyRules: (ruleset) => rules().run(ruleset),
    listRules: (what) => rules().list(what),
    rulesGeneration: () => rulesetGeneration((netfilter ??= openNetfilterSocket())),
  };
}
