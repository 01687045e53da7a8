import { hostname } from 'node:os';
import { codeOf, invalid, isErrno, messageOf } from '#base/errors.ts';
import { rfc3339Nano } from '#base/clock.ts';
import { newId } from '#base/ids.ts';
import type { Platform } from '#spec/oci-image.ts';
import { asContainerId } from '#spec/ids.ts';
import type { ContainerCreateRequest, ContainerCreateResponse, HostConfig } from '#spec/wire/container.ts';
import type { EndpointSettings } from '#spec/wire/network.ts';
import { emitContainer, isContainerMode, modeTarget, type ContainerContext } from './context.ts';
import { generateName, parseContainerName } from './container-names.ts';
import { parseLink } from './links.ts';
import { checkLogConfig } from './logs/log-config.ts';
import { planMounts } from './mounts.ts';
import { decideContainer } from './oci/create.ts';

export interface CreateRequest {
  name: string | undefined;
  platform: string | undefined;
  body: ContainerCreateRequest;
  /** Read-only binds leave the mounts below them writable. */
  shallowReadOnly?: boolean | undefined;
}

/**
 * Makes a container: one transaction over its record, its hold on the image and its volumes; nothing else exists until it
 * starts. Throws `No such image: x` (not_found), which makes clients pull, and everything else in Docker's words.
 */
export function createContainer(context: ContainerContext, { name, platform, body, shallowReadOnly = false }: CreateRequest): ContainerCreateResponse {
  const { store, images, volumes } = context;
  const { HostConfig: askedHostConfig, NetworkingConfig: networking, MacAddress: mac, ...asked } = body;
  const chosen = name === undefined || name === '' ? undefined : parseContainerName(name);
  if (!asked.Image) throw invalid('no image specified: a container is made from an image');
  const image = images.lookup(asked.Image, platform);
  const id = asContainerId(newId());
  if (chosen !== undefined && askedHostConfig?.NetworkMode === `container:${chosen}`) throw invalid('cannot join own network');
  const hostAsked = withIds(context, askedHostConfig ?? {});
  const decided = decideContainer({
    id,
    config: asked,
    hostConfig: hostAsked,
    image: image.config.config ?? {},
    facts: context.facts,
    defaults: context.defaults,
  });
  const { warnings } = decided;
  const hostConfig = withLinksById(context, decided.hostConfig);
  const inherited = asked.Hostname ? undefined : inheritedHostname(context, hostConfig);
  const config = inherited === undefined ? decided.config : { ...decided.config, Hostname: inherited };
  checkLogConfig({ type: hostConfig.LogConfig?.Type ?? '', options: hostConfig.LogConfig?.Config ?? {} });
  const wanted = config.NetworkDisabled === true ? {} : networksOf(context, hostConfig, networking?.EndpointsConfig ?? {}, mac);
  store.transaction(() => {
    const mounts = planMounts(
      { hostConfig, volumes: Object.keys(config.Volumes ?? {}), dataRoot: context.layout.root, shallowReadOnly },
      {
        volume: (request) => {
          const volume = volumes.ensure(request, id);
          return { name: volume.name, dataPath: volumes.dataPath(volume.name) };
        },
        shareVolume: (volume) => volumes.use(volume, id),
        mountsOf: (other) => store.find(other).mounts,
      },
    );
    const record = store.insert({
      version: 1,
      id,
      name: chosen ?? generateName((candidate) => store.nameInUse(candidate) !== undefined),
      created: rfc3339Nano(context.clock.nowNanos()),
      image: image.id,
      platform: image.platform,
      config,
      hostConfig,
      mounts,
      networks: wanted,
    });
    images.hold(image.id, id);
    emitContainer(context, record, 'create');
  });
  return { Id: id, Warnings: [...warnings, ...foreignPlatform(context, image.platform, platform)] };
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

/** A link's target by id, so that a later rename does not part the two. An unknown one is no missing image either. */
function linkById({ store }: ContainerContext, link: string): string {
  const { target, alias } = parseLink(link);
  try {
    return `${store.find(target).id}:${alias}`;
  } catch (error) {
    throw invalid(`could not get container for ${target}: ${messageOf(error)}`, { cause: error });
  }
}

function withLinksById(context: ContainerContext, hostConfig: HostConfig): HostConfig {
  return hostConfig.Links ? { ...hostConfig, Links: hostConfig.Links.map((link) => linkById(context, link)) } : hostConfig;
}

/** Containers named by modes are kept by id, so that a later rename does not part them. */
function withIds(context: ContainerContext, hostConfig: HostConfig): HostConfig {
  const { store } = context;
  const resolve = (mode: string | undefined): string | undefined => {
    if (!isContainerMode(mode) || mode === 'container:') return mode;
    try {
      return `container:${modeTarget(store, mode).id}`;
    } catch (error) {
      if (codeOf(error) !== 'not_found' && !isErrno(error)) throw error;
      // Not not_found: clients take a 404 from create for a missing image.
      throw invalid(`No such container: ${mode.slice('container:'.length)}`, { cause: error });
    }
  };
  return {
    ...hostConfig,
    NetworkMode: resolve(hostConfig.NetworkMode),
    PidMode: resolve(hostConfig.PidMode),
    IpcMode: resolve(hostConfig.IpcMode),
  };
}

/** The host's own name on the host's network or with its UTS namespace; another container's with its network. */
function inheritedHostname({ store }: ContainerContext, { NetworkMode: network, UTSMode: uts }: HostConfig): string | undefined {
  if (network === 'host' || uts === 'host') return hostname();
  return isContainerMode(network) ? modeTarget(store, network).config.Hostname : undefined;
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
  return { [first]: mac ? { ...own, MacAddress: own.MacAddress || mac } : own, ...Object.fromEntries(settings) };
}
