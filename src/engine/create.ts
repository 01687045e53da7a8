import { hostname } from 'node:os';
import { codeOf, invalid, isErrno, messageOf, wrap } from '#base/errors.ts';
import { rfc3339Nano } from '#base/clock.ts';
import { newId } from '#base/ids.ts';
import type { Digest } from '#spec/digest.ts';
import type { Platform } from '#spec/oci-image.ts';
import { asContainerId } from '#spec/ids.ts';
import type { ContainerCreateRequest, ContainerCreateResponse, HostConfig } from '#spec/wire/container.ts';
import type { EndpointSettings } from '#spec/wire/network.ts';
import type { ContainerDefinition, ContainerRecord } from './container-record.ts';
import { emitContainer, imageMountOwner, isContainerMode, modeTarget, type ContainerContext } from './context.ts';
import { generateName, parseContainerName } from './container-names.ts';
import { parseLink, onDefaultBridge } from './links.ts';
import { checkLogConfig } from './logs/log-config.ts';
import { draftMounts, planMounts, type MountDraft } from './mounts.ts';
import { decideContainer } from './oci/create.ts';
import { removeContainer } from './remove.ts';
import { hasContent, volumeFillers, wantsFill } from './volume-fill.ts';

export interface CreateRequest {
  name: string | undefined;
  platform: string | undefined;
  body: ContainerCreateRequest;
  /** Read-only binds leave the mounts below them writable. */
  shallowReadOnly?: boolean | undefined;
}

/** Everything decided, nothing made. */
export interface ContainerDraft {
  record: Omit<ContainerDefinition, 'name' | 'mounts'>;
  /** Undefined: one is made up. */
  name: string | undefined;
  mounts: readonly MountDraft[];
  warnings: string[];
}

/**
 * Makes a container: what its volumes' plugins have to do first, then one transaction over its record, its hold on the
 * image and its volumes, then its fresh volumes are filled. Throws `No such image: x` (not_found), which makes clients
 * pull, and everything else in Docker's words.
 */
export async function createContainer(context: ContainerContext, request: CreateRequest): Promise<ContainerCreateResponse> {
  const draft = draftContainer(context, request);
  const mounts = await Promise.all(draft.mounts.map(async (mount) =>
    'volume' in mount && mount.volume !== undefined && mount.volume.driver !== 'local' ? { ...mount, volume: await context.volumes.prepare(mount.volume) } : mount));
  const record = insertContainer(context, { ...draft, mounts });
  try {
    await fillVolumes(context, record);
  } catch (error) {
    await context.changes.run(record.id, () => removeContainer(context, record, { volumes: true }));
    throw error;
  }
  return { Id: record.id, Warnings: draft.warnings };
}

export function draftContainer(context: ContainerContext, { name, platform, body, shallowReadOnly = false }: CreateRequest): ContainerDraft {
  const { store, images } = context;
  const { HostConfig: askedHostConfig, NetworkingConfig: networking, MacAddress: mac, Memory, MemorySwap, CpuShares, Cpuset, ...asked } = body;
  const chosen = name === undefined || name === '' ? undefined : parseContainerName(name);
  if (Object.values(asked).every((value) => value === undefined)) throw invalid('config cannot be empty in order to create a container');
  if (!asked.Image && !asked.Cmd?.length && !asked.Entrypoint?.length) throw invalid('no command specified');
  if (!asked.Image) throw invalid('no image specified: a container is made from an image');
  const image = images.find(asked.Image, platform);
  const id = asContainerId(newId());
  if (chosen !== undefined && askedHostConfig?.NetworkMode === `container:${chosen}`) throw invalid('cannot join own network');
  const hostAsked = withIds(context, {
    ...askedHostConfig,
    Memory: askedHostConfig?.Memory || Memory,
    MemorySwap: askedHostConfig?.MemorySwap || MemorySwap,
    CpuShares: askedHostConfig?.CpuShares || CpuShares,
    CpusetCpus: askedHostConfig?.CpusetCpus || Cpuset,
  });
  const decided = decideContainer({
    id,
    config: asked,
    hostConfig: hostAsked,
    image: image.config.config ?? {},
    facts: context.facts,
    defaults: context.defaults,
  });
  const hostConfig = withLinksById(context, decided.hostConfig);
  const inherited = asked.Hostname ? undefined : inheritedHostname(context, hostConfig);
  const config = inherited === undefined ? decided.config : { ...decided.config, Hostname: inherited };
  checkLogConfig({ type: hostConfig.LogConfig?.Type ?? '', options: hostConfig.LogConfig?.Config ?? {} });
  const networks = config.NetworkDisabled === true ? {} : networksOf(context, hostConfig, networking?.EndpointsConfig ?? {}, mac);
  const mounts = draftMounts(
    { hostConfig, volumes: Object.keys(config.Volumes ?? {}), dataRoot: context.layout.root, shallowReadOnly },
    (other) => store.find(other).mounts,
  );
  const created = rfc3339Nano(context.clock.nowNanos());
  return {
    record: { version: 1, id, created, image: image.id, platform: image.platform, config, hostConfig, networks },
    name: chosen,
    mounts,
    warnings: [...decided.warnings, ...foreignPlatform(context, image.platform, platform)],
  };
}

/** One transaction; nothing else exists until the container starts. */
export function insertContainer(context: ContainerContext, { record: draft, name, mounts: drafts }: ContainerDraft): ContainerRecord {
  const { store, images, volumes } = context;
  const { id } = draft;
  return store.transaction(() => {
    const mounts = planMounts(drafts, {
      volume: (request) => {
        const volume = volumes.ensure(request, id);
        return { name: volume.name, driver: volume.driver, dataPath: volumes.dataPath(volume) };
      },
      shareVolume: (volume) => volumes.use(volume, id),
      image: (reference) => images.lookup(reference).id,
    });
    const record = store.insert({ ...draft, name: name ?? generateName((candidate) => store.nameInUse(candidate) !== undefined), mounts });
    images.hold(draft.image, id);
    for (const [index, mount] of mounts.entries()) if (mount.type === 'image') images.hold(mount.source as Digest, imageMountOwner(id, index));
    emitContainer(context, record, 'create');
    return record;
  });
}

/** As Docker does at creation already: what mounts such a volume elsewhere finds the content, whichever starts first. */
async function fillVolumes({ rootfs, volumes, jail }: ContainerContext, record: ContainerRecord): Promise<void> {
  const wanting = record.mounts.filter(wantsFill);
  if (wanting.length === 0) return;
  const root = rootfs.acquire(record);
  try {
    const fillers = volumeFillers(wanting.filter((mount) => hasContent(root, mount)), root, jail);
    if (fillers.size === 0) return;
    await volumes.activate(record.id, { user: 'fill', fillers });
    await volumes.deactivate(record.id, 'fill');
  } finally {
    rootfs.release(record.id);
  }
}

/** An image of another architecture is run all the same: the machine may have an emulator. */
function foreignPlatform({ facts }: ContainerContext, { os, architecture, variant }: Platform, asked: string | undefined): string[] {
  if (asked || (os === 'linux' && architecture === facts.architecture)) return [];
  const own = [os, architecture, ...(variant ? [variant] : [])].join('/');
  return [`The requested image's platform (${own}) does not match the detected host platform (linux/${facts.architecture}) and no specific platform was requested`];
}

/** An unknown network is kept as it was given, as in Docker: it may be made before the container starts. */
function networkName({ networks }: ContainerContext, given: string): string {
  try {
    return networks.nameOf(given);
  } catch (error) {
    if (codeOf(error) === 'not_found') return given;
    throw error;
  }
}

/**
 * A link's target by id, so that a later rename does not part the two. An unknown one is no missing image either; on networks
 * of one's own it may come later.
 */
function linkById({ store }: ContainerContext, link: string, mustExist: boolean): string {
  const { target, alias } = parseLink(link);
  try {
    const { id, hostConfig } = store.find(target);
    if (mustExist && hostConfig.NetworkMode === 'host') throw invalid("conflicting options: host type networking can't be used with links. This would result in undefined behavior");
    return `${id}:${alias}`;
  } catch (error) {
    if (codeOf(error) !== 'not_found') throw error;
    if (!mustExist) return link;
    throw invalid(`could not get container for ${target}: ${messageOf(error)}`, { cause: error });
  }
}

function withLinksById(context: ContainerContext, hostConfig: HostConfig): HostConfig {
  return hostConfig.Links ? { ...hostConfig, Links: hostConfig.Links.map((link) => linkById(context, link, onDefaultBridge({ hostConfig }))) } : hostConfig;
}

/** Containers named by modes are kept by id, so that a later rename does not part them. */
function withIds(context: ContainerContext, hostConfig: HostConfig): HostConfig {
  const { store } = context;
  const resolve = (mode: string | undefined, late = false): string | undefined => {
    if (!isContainerMode(mode) || mode === 'container:') return mode;
    try {
      return `container:${modeTarget(store, mode).id}`;
    } catch (error) {
      if (codeOf(error) !== 'not_found' && !isErrno(error)) throw error;
      if (late) return mode;
      // Not not_found: clients take a 404 from create for a missing image.
      throw invalid(`No such container: ${mode.slice('container:'.length)}`, { cause: error });
    }
  };
  return {
    ...hostConfig,
    // Its network is looked for when it starts, as any other.
    NetworkMode: resolve(hostConfig.NetworkMode, true),
    PidMode: resolve(hostConfig.PidMode),
    IpcMode: resolve(hostConfig.IpcMode),
  };
}

/** The host's own name on the host's network or with its UTS namespace; another container's with its network. */
function inheritedHostname({ store }: ContainerContext, { NetworkMode: network, UTSMode: uts }: HostConfig): string | undefined {
  if (network === 'host' || uts === 'host') return hostname();
  const [, target] = isContainerMode(network) ? network.split(':') : [];
  const other = target === undefined ? undefined : (store.get(asContainerId(target)) ?? store.get(store.nameInUse(target) ?? asContainerId('')));
  // One that is not there yet has none; the start says that it is missing.
  return other?.config.Hostname;
}

/** Every network to join by its name, the one of the mode first. `mac` is the old place of a MAC address. */
function networksOf(context: ContainerContext, hostConfig: HostConfig, asked: Record<string, EndpointSettings>, mac: string | undefined): Record<string, EndpointSettings> {
  const mode = hostConfig.NetworkMode ?? 'bridge';
  if (mode === 'host' || mode === 'none' || isContainerMode(mode)) {
    if (Object.values(asked).some(({ IPAMConfig: ip }) => ip?.IPv4Address || ip?.IPv6Address)) {
      throw invalid(`invalid config for network ${mode}: invalid endpoint settings: user specified IP address is supported on user defined networks only`);
    }
    return {};
  }
  const settings = new Map(Object.entries(asked).map(([name, given]) => [networkName(context, name), given]));
  const first = networkName(context, mode);
  const own = settings.get(first) ?? {};
  settings.delete(first);
  for (const [name, given] of [[first, own] as const, ...settings]) {
    try {
      context.networks.check(name, given);
    } catch (error) {
      throw wrap(error, `invalid config for network ${name}`);
    }
  }
  return { [first]: mac ? { ...own, MacAddress: own.MacAddress || mac } : own, ...Object.fromEntries(settings) };
}
