import { invalid } from '#base/errors.ts';
import { hasProcess } from './container-state.ts';
import type { ContainerRecord } from './container-record.ts';
import type { ContainerContext } from './context.ts';

/** `--link name[:alias]`: entries `alias:address` for the hosts file. Throws invalid_argument when the other does not run. */
export function legacyLinks({ store, networks }: Pick<ContainerContext, 'store' | 'networks'>, record: ContainerRecord): string[] {
  return (record.hostConfig.Links ?? []).flatMap((link) => {
    const { target, alias } = parseLink(link);
    const other = store.find(target);
    if (!hasProcess(other.life)) throw invalid(`Cannot link to a non running container: /${other.name} AS /${record.name}/${alias}`);
    const endpoints = Object.values(networks.find(other.id)?.endpoints ?? {});
    const address = endpoints.find(({ IPAddress }) => IPAddress)?.IPAddress;
    if (address === undefined) throw invalid(`Cannot link to container /${other.name}: it has no address`);
    return [...new Set([alias, other.name, other.config.Hostname ?? ''])].filter((name) => name !== '').map((name) => `${name}:${address}`);
  });
}

export function parseLink(link: string): { target: string; alias: string } {
  const [target = '', alias = target, ...rest] = link.split(':');
  if (target === '' || alias === '' || rest.length > 0) throw invalid(`invalid link format: ${link}`);
  return { target, alias: alias.split('/').at(-1) ?? alias };
}
