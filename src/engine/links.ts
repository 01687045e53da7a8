import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf, conflict, EngineError, invalid } from '#base/errors.ts';
import { asContainerId, type ContainerId } from '#spec/ids.ts';
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
 * Entries `alias hostname name:address` for the hosts file, on the default bridge: networks of one's own have a resolver for
 * names. Throws conflict when a linked container does not run.
 */
export function legacyLinks(context: LinkContext, record: ContainerRecord): string[] {
  if (!onDefaultBridge(record)) return [];
  return linked(context, record, true).map(({ alias, other, address }) =>
    `${[...new Set([alias, other.config.Hostname ?? '', other.name])].filter((name) => name !== '').join(' ')}:${address}`,
  );
}

/** A container has started: the hosts files of those that were linked to it before say its address of now. */
export function refreshLinks(context: LinkContext & Pick<ContainerContext, 'layout'>, { id }: ContainerRecord): void {
  for (const record of context.store.all()) {
    if (record.id === id || !hasProcess(record.life) || !record.hostConfig.Links?.length || !onDefaultBridge(record)) continue;
    const path = join(context.layout.container(record.id), 'hosts');
    for (const { alias, other, address } of linked(context, record, false)) {
      if (other.id !== id) continue;
      editHosts(path, (line, name) => (name === alias ? line.replace(/^\S+/, address) : line));
    }
  }
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

/** `/parent/alias` for every link by which a container is known, as lists show them among its names. */
export function linkNames(context: Pick<LinkContext, 'store'>): Map<ContainerId, string[]> {
  const names = new Map<ContainerId, string[]>();
  for (const record of context.store.all()) {
    if (record.hostConfig.Links === undefined || !onDefaultBridge(record)) continue;
    for (const { alias, other } of linksOf(context, record)) names.set(other.id, [...(names.get(other.id) ?? []), `/${record.name}/${alias}`]);
  }
  return names;
}

/** The container that is known as `parent/alias`, with or without a slash in front. */
export function throughLink(context: Pick<LinkContext, 'store'>, given: string): { parent: ContainerRecord; alias: string; other: ContainerRecord } | undefined {
  const [, name, alias] = /^\/?([^/]+)\/([^/]+)$/.exec(given) ?? [];
  const id = name === undefined ? undefined : context.store.nameInUse(name);
  const parent = id === undefined ? undefined : context.store.get(id);
  if (parent === undefined || alias === undefined || !onDefaultBridge(parent)) return undefined;
  const found = linksOf(context, parent).find((link) => link.alias === alias);
  return found && { parent, alias, other: found.other };
}

/** `rm --link parent/alias`: the parent forgets the alias, also in its hosts file. Throws in Docker's words. */
export function removeLink({ store, layout }: Pick<ContainerContext, 'store' | 'layout'>, given: string): void {
  const link = throughLink({ store }, given);
  if (link === undefined) {
    store.find(given);
    throw new EngineError('internal', 'Conflict, cannot remove the default link name of the container');
  }
  const { parent, alias } = link;
  const left = (parent.hostConfig.Links ?? []).filter((text) => parseLink(text).alias !== alias);
  store.redefine(parent.id, { hostConfig: { ...parent.hostConfig, Links: left.length > 0 ? left : undefined } });
  if (!hasProcess(parent.life)) return;
  editHosts(join(layout.container(parent.id), 'hosts'), (line, name) => (name === alias ? undefined : line));
}

/** In place: the file is bound into the container. */
function editHosts(path: string, edit: (line: string, name: string) => string | undefined): void {
  const before = readFileSync(path, 'utf8');
  const after = before.split('\n').flatMap((line) => edit(line, line.split(/\s+/)[1] ?? '') ?? []).join('\n');
  if (after !== before) writeFileSync(path, after);
}

export function parseLink(link: string): { target: string; alias: string } {
  const [target = '', alias = target, ...rest] = link.split(':');
  if (target === '' || alias === '' || rest.length > 0) throw invalid(`invalid link format: ${link}`);
  return { target, alias: alias.split('/').at(-1) ?? alias };
}

export const onDefaultBridge = ({ hostConfig }: Pick<ContainerRecord, 'hostConfig'>): boolean => ['', 'bridge', 'default'].includes(hostConfig.NetworkMode ?? '');

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
    if (other.hostConfig.NetworkMode === 'host' && strict) throw invalid("conflicting options: host type networking can't be used with links. This would result in undefined behavior");
    // The old links are the default network's, and do not cross networks.
    const address = context.networks.find(sandboxOwner(other))?.endpoints['bridge']?.IPAddress || undefined;
    if (address === undefined && strict) throw invalid(`Cannot link to /${other.name}, as it does not belong to the default network`);
    return address === undefined ? [] : [{ alias, other, address }];
  });
}

/** Itself, or the container whose network it joined. */
function sandboxOwner({ id, hostConfig }: ContainerRecord): ContainerId {
  const joined = /^container:(.+)$/.exec(hostConfig.NetworkMode ?? '')?.[1];
  return joined === undefined ? id : asContainerId(joined);
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
