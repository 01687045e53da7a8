import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerId } from '#spec/ids.ts';
import type { EndpointSettings } from '#spec/wire/network.ts';
import type { ContainerContext } from './context.ts';

/** What the network room asks and tells about containers (its `ContainerLookup`). */
export function containerLookup({ store, layout }: Pick<ContainerContext, 'store' | 'layout'>) {
  const writeHosts = (id: ContainerId, hosts: string | undefined): void => {
    // In place: the file is bound into the container.
    if (hosts !== undefined) writeFileSync(join(layout.container(id), 'hosts'), hosts);
  };
  return {
    find(name: string) {
      const { id, name: found, hostConfig } = store.find(name);
      return { id, name: found, mode: hostConfig.NetworkMode ?? '' };
    },
    nameOf: (id: ContainerId): string | undefined => store.get(id)?.name,
    connected(id: ContainerId, network: string, settings: EndpointSettings, hosts: string | undefined): void {
      const record = store.require(id);
      store.redefine(id, { networks: { ...record.networks, [network]: wishesOf(settings) } });
      writeHosts(id, hosts);
    },
    disconnected(id: ContainerId, network: string, hosts: string | undefined): void {
      const { [network]: _, ...networks } = store.require(id).networks;
      store.redefine(id, { networks });
      writeHosts(id, hosts);
    },
    networksOf: (id: ContainerId): readonly string[] => Object.keys(store.get(id)?.networks ?? {}),
  };
}

/** What was asked for, without the addresses of one run. */
function wishesOf({ IPAMConfig, Links, Aliases, DriverOpts, GwPriority }: EndpointSettings): EndpointSettings {
  return { IPAMConfig, Links, Aliases, DriverOpts, GwPriority };
}
