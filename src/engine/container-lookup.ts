import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerId } from '#spec/ids.ts';
import type { EndpointSettings } from '#spec/wire/network.ts';
import type { ContainerContext } from './context.ts';

/** The network room's. */
interface FileChanges {
  hosts(text: string): string;
  resolvConf?: { from: string; to: string } | undefined;
}

/** What the network room asks and tells about containers (its `ContainerLookup`). */
export function containerLookup({ store, layout }: Pick<ContainerContext, 'store' | 'layout'>) {
  const changeFiles = (id: ContainerId, changes: FileChanges | undefined): void => {
    if (changes === undefined) return;
    // In place: the files are bound into the container.
    const change = (name: string, edit: (text: string) => string): void => {
      const path = join(layout.container(id), name);
      const text = readFileSync(path, 'utf8');
      const edited = edit(text);
      if (edited !== text) writeFileSync(path, edited);
    };
    change('hosts', changes.hosts);
    const { resolvConf } = changes;
    if (resolvConf !== undefined) change('resolv.conf', (text) => (text === resolvConf.from ? resolvConf.to : text));
  };
  return {
    find(name: string) {
      const { id, name: found, hostConfig } = store.find(name);
      return { id, name: found, mode: hostConfig.NetworkMode ?? '' };
    },
    nameOf: (id: ContainerId): string | undefined => store.get(id)?.name,
    connected(id: ContainerId, network: string, settings: EndpointSettings, files: FileChanges | undefined): void {
      const record = store.require(id);
      store.redefine(id, { networks: { ...record.networks, [network]: wishesOf(settings) } });
      changeFiles(id, files);
    },
    disconnected(id: ContainerId, network: string, files: FileChanges | undefined): void {
      const { [network]: _, ...networks } = store.require(id).networks;
      store.redefine(id, { networks });
      changeFiles(id, files);
    },
    networksOf: (id: ContainerId): readonly string[] => Object.keys(store.get(id)?.networks ?? {}),
  };
}

/** What was asked for, without the addresses of one run. */
function wishesOf({ IPAMConfig, Links, Aliases, DriverOpts, GwPriority }: EndpointSettings): EndpointSettings {
  return { IPAMConfig, Links, Aliases, DriverOpts, GwPriority };
}
