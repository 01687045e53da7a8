import { codeOf, conflict, invalid } from '#base/errors.ts';
import type { ContainerId } from '#spec/ids.ts';
import { hasProcess } from './container-state.ts';
import type { ContainerRecord } from './container-record.ts';
import type { ContainerContext } from './context.ts';

type LinkContext = Pick<ContainerContext, 'store' | 'networks'>;

/** A container that another one knows under an alias: `--link`. */
interface LinkedContainer {
  alias: string;
  other: ContainerRecord;
  address: string;
}

/**
 * Entries `alias:address` for the hosts file, on the default bridge: networks of one's own have a resolver for names.
 * Throws conflict when a linked container does not run.
 */
export function legacyLinks(context: LinkContext, record: ContainerRecord): string[] {
  if (!onDefaultBridge(record)) return [];
  return linked(context, record, true).flatMap(({ alias, other, address }) =>
    [...new Set([alias, other.name, other.config.Hostname ?? ''])].filter((name) => name !== '').map((name) => `${name}:${address}`),
  );
}

/**
 * Variables that tell of linked containers, on the default bridge only: `DB_PORT_5432_TCP_ADDR`, `DB_ENV_X`, `DB_NAME`.
 * Linked containers that do not run are left out.
 */
export function linkEnvironment(context: LinkContext, record: ContainerRecord): string[] {
  if (!onDefaultBridge(record)) return [];
  return linked(context, record, false).flatMap(({ alias, other, address }) => {
    const prefix = alias.toUpperCase().replaceAll('-', '_');
    const ports = exposedPorts(other);
    const main = ports[0];
    return [
      ...(main === undefined ? [] : [`${prefix}_PORT=${main.protocol}://${address}:${main.port}`]),
      ...ports.flatMap(({ port, protocol }) => {
        const name = `${prefix}_PORT_${port}_${protocol.toUpperCase()}`;
        return [`${name}=${protocol}://${address}:${port}`, `${name}_ADDR=${address}`, `${name}_PORT=${port}`, `${name}_PROTO=${protocol}`];
      }),
      `${prefix}_NAME=/${record.name}/${alias}`,
      ...(other.config.Env ?? []).filter((entry) => entry.includes('=') && !/^(?:HOME|PATH)=/.test(entry)).map((entry) => `${prefix}_ENV_${entry}`),
    ];
  });
}

/** Ids of the containers that this one was linked to. */
export const linkedIds = (context: Pick<LinkContext, 'store'>, record: ContainerRecord): ContainerId[] => linksOf(context, record).map(({ other }) => other.id);

/** As inspect shows them: `/other:/name/alias`. Containers that are gone are left out. */
export function shownLinks(context: Pick<LinkContext, 'store'>, record: ContainerRecord): string[] | undefined {
  if (!onDefaultBridge(record)) return undefined;
  const shown = linksOf(context, record).map(({ alias, other }) => `/${other.name}:/${record.name}/${alias}`);
  return shown.length > 0 ? shown : undefined;
}

export function parseLink(link: string): { target: string; alias: string } {
  const [target = '', alias = target, ...rest] = link.split(':');
  if (target === '' || alias === '' || rest.length > 0) throw invalid(`invalid link format: ${link}`);
  return { target, alias: alias.split('/').at(-1) ?? alias };
}

const onDefaultBridge = ({ hostConfig }: ContainerRecord): boolean => ['', 'bridge', 'default'].includes(hostConfig.NetworkMode ?? '');

function linksOf({ store }: Pick<LinkContext, 'store'>, record: ContainerRecord): { alias: string; other: ContainerRecord }[] {
  return (record.hostConfig.Links ?? []).flatMap((link) => {
    const { target, alias } = parseLink(link);
    try {
      return [{ alias, other: store.find(target) }];
    } catch (error) {
      if (codeOf(error) !== 'not_found') throw error;
      return [];
    }
  });
}

function linked(context: LinkContext, record: ContainerRecord, strict: boolean): LinkedContainer[] {
  return linksOf(context, record).flatMap(({ alias, other }) => {
    if (!hasProcess(other.life)) {
      if (strict) throw conflict(`Cannot link to a non running container: /${other.name} AS /${record.name}/${alias}`);
      return [];
    }
    const endpoints = Object.values(context.networks.find(other.id)?.endpoints ?? {});
    const address = endpoints.find(({ IPAddress }) => IPAddress)?.IPAddress;
    if (address === undefined && strict) throw invalid(`Cannot link to container /${other.name}: it has no address`);
    return address === undefined ? [] : [{ alias, other, address }];
  });
}

/** Lowest first, TCP before the others. */
function exposedPorts({ config }: ContainerRecord): { port: number; protocol: string }[] {
  return Object.keys(config.ExposedPorts ?? {})
    .map((text) => {
      const [port = '', protocol = 'tcp'] = text.split('/');
      return { port: Number(port), protocol };
    })
    .filter(({ port }) => Number.isInteger(port))
    .sort((a, b) => a.port - b.port || Number(b.protocol === 'tcp') - Number(a.protocol === 'tcp'));
}
