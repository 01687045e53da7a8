import { invalid } from '#base/errors.ts';
import type { ContainerCreateRequest, HostConfig, Mount } from '#spec/wire/container.ts';
import type { EndpointSettings } from '#spec/wire/network.ts';
import { versionBelow } from '../../version.ts';

const SYSCTLS_OPTION = 'com.docker.network.endpoint.sysctls';

/**
 * Turns a create request of any version into one of the newest: what that version did not know is dropped or refused as
 * dockerd does, old fields move to where they live now. Warnings go to the client.
 */
export function adaptCreateRequest(
  request: ContainerCreateRequest,
  version: string,
): { adapted: ContainerCreateRequest; warnings: string[] } {
  const warnings: string[] = [];
  const before = (limit: string): boolean => versionBelow(version, limit);
  const host: HostConfig = { ...request.HostConfig };
  const endpoints: Record<string, EndpointSettings> = { ...request.NetworkingConfig?.EndpointsConfig };
  const { MacAddress: mac, ...adapted } = request;

  if (!host.NetworkMode || host.NetworkMode === 'default') {
    host.NetworkMode = 'bridge';
    const chosen = endpoints['default'];
    if (chosen !== undefined) {
      delete endpoints['default'];
      endpoints['bridge'] = chosen;
    }
  }
  if (before('1.40') && !host.IpcMode) host.IpcMode = 'shareable';
  if (before('1.42')) delete host.ConsoleSize;
  if (before('1.43')) delete host.Annotations;
  if (before('1.44')) {
    if (adapted.Healthcheck !== undefined) {
      const { StartInterval: _, ...rest } = adapted.Healthcheck;
      adapted.Healthcheck = rest;
    }
    const names = Object.keys(endpoints);
    if (names.length > 1) throw invalid(`Container cannot be created with multiple network endpoints: ${names.join(', ')}`);
  }
  if (before('1.48')) {
    for (const [name, { GwPriority: _, ...endpoint }] of Object.entries(endpoints)) endpoints[name] = endpoint;
  }
  if (host.Mounts !== undefined) host.Mounts = host.Mounts.map((mount) => adaptMount(mount, before));
  // Docker counts 0 and below as no limit.
  if (host.PidsLimit != null && host.PidsLimit <= 0) delete host.PidsLimit;

  warnings.push(
    ...warnOfVolumeDriver(host, before),
    ...moveMacAddress(mac, host.NetworkMode, endpoints, before),
    ...moveSysctls(host, host.NetworkMode, endpoints, before),
    ...fillPortBindings(host, before),
  );

  adapted.HostConfig = host;
  adapted.NetworkingConfig = { ...request.NetworkingConfig, EndpointsConfig: endpoints };
  return { adapted, warnings };
}

type Before = (version: string) => boolean;

function adaptMount(given: Mount, before: Before): Mount {
  const mount = { ...given };
  const { Type: type = '' } = mount;
  const foreign = [
    ['VolumeOptions', 'volume'],
    ['BindOptions', 'bind'],
    ['TmpfsOptions', 'tmpfs'],
  ] as const;
  for (const [options, owner] of foreign) {
    if (mount[options] === undefined || type === owner) continue;
    if (!before('1.42')) throw invalid(`${options} must not be specified on mount type ${JSON.stringify(type)}`);
    if (options !== 'BindOptions') delete mount[options];
  }
  if (mount.BindOptions !== undefined) {
    const bind = { ...mount.BindOptions };
    if (before('1.40')) delete bind.NonRecursive;
    if (before('1.42')) delete bind.CreateMountpoint;
    if (before('1.44') && type === 'bind' && bind.ReadOnlyForceRecursive) {
      throw invalid('BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer');
    }
    mount.BindOptions = bind;
  }
  // Before 1.44 a read-only mount left the mounts below it writable.
  if (before('1.44') && type === 'bind' && mount.ReadOnly) mount.BindOptions = { ...mount.BindOptions, ReadOnlyNonRecursive: true };
  if (before('1.45') && mount.VolumeOptions?.Subpath) throw invalid('VolumeOptions.Subpath needs API v1.45 or newer');
  if (before('1.48') && type === 'image') throw invalid('Mount type "Image" needs API v1.48 or newer');
  return mount;
}

function warnOfVolumeDriver(host: HostConfig, before: Before): string[] {
  if (!host.VolumeDriver || before('1.48')) return [];
  const ignored = host.Mounts?.some((mount) => mount.Type === 'volume' && !mount.VolumeOptions?.DriverConfig?.Name);
  return ignored
    ? [
        "WARNING: the container-wide volume-driver configuration is ignored for volumes specified via 'mount'. Use '--mount type=volume,volume-driver=...' instead",
      ]
    : [];
}

/** The endpoint of the container's main network; made when none is configured. */
function mainEndpoint(mode: string, endpoints: Record<string, EndpointSettings>, before: Before): EndpointSettings {
  const names = Object.keys(endpoints);
  const name = names.length > 0 && before('1.44') ? names[0]! : mode;
  if (names.length > 0 && endpoints[name] === undefined) {
    throw invalid('HostConfig.NetworkMode must match the identity of a network in NetworkSettings.Networks');
  }
  return (endpoints[name] = { ...endpoints[name] });
}

const ownsAnAddress = (mode: string): boolean => mode !== 'host' && mode !== 'none' && !mode.startsWith('container:');

/** Before 1.44 an address belonged to the container; now it belongs to an endpoint. */
function moveMacAddress(mac: string | undefined, mode: string, endpoints: Record<string, EndpointSettings>, before: Before): string[] {
  if (!mac) {
    if (before('1.44')) for (const [name, { MacAddress: _, ...endpoint }] of Object.entries(endpoints)) endpoints[name] = endpoint;
    return [];
  }
  if (!ownsAnAddress(mode)) {
    if (before('1.44')) throw invalid('conflicting options: mac-address and the network mode');
  } else {
    const endpoint = mainEndpoint(mode, endpoints, before);
    if (endpoint.MacAddress && endpoint.MacAddress !== mac && !before('1.44')) {
      throw invalid(
        'the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty',
      );
    }
    endpoint.MacAddress = mac;
  }
  return before('1.44')
    ? []
    : ['The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.'];
}

/** Sysctls that name an interface can be set only once it exists: they go with the endpoint. */
function moveSysctls(host: HostConfig, mode: string, endpoints: Record<string, EndpointSettings>, before: Before): string[] {
  if (mode === 'host' || mode.startsWith('container:')) return [];
  const moved: string[] = [];
  const kept: Record<string, string> = {};
  const settings: string[] = [];
  for (const [name, value] of Object.entries(host.Sysctls ?? {})) {
    const found = /^net\.([^.]+)\.([^.]+)\.(eth[^.]*)\.(.+)$/.exec(name);
    if (!found) {
      kept[name] = value;
      continue;
    }
    if (!before('1.48')) {
      throw invalid(`interface specific sysctl setting ${JSON.stringify(name)} must be supplied using driver option '${SYSCTLS_OPTION}'`);
    }
    if (found[3] !== 'eth0') {
      throw invalid(`unable to determine network endpoint for sysctl ${name}, use driver option '${SYSCTLS_OPTION}' to set per-interface sysctls`);
    }
    moved.push(name);
    settings.push(`net.${found[1]}.${found[2]}.IFNAME.${found[4]}=${value}`);
  }
  if (moved.length === 0) return [];
  const endpoint = mainEndpoint(mode, endpoints, before);
  const added = settings.join(',');
  const earlier = endpoint.DriverOpts?.[SYSCTLS_OPTION];
  endpoint.DriverOpts = { ...endpoint.DriverOpts, [SYSCTLS_OPTION]: earlier === undefined ? added : `${added},${earlier}` };
  host.Sysctls = kept;
  return [`Migrated sysctl "${moved.join(',')}" to DriverOpts{"${SYSCTLS_OPTION}":"${added}"}.`];
}

/** An empty list of bindings asks for any free port. */
function fillPortBindings(host: HostConfig, before: Before): string[] {
  const bindings = host.PortBindings;
  if (bindings === undefined) return [];
  const bare = Object.keys(bindings).filter((port) => (bindings[port] ?? []).length === 0);
  if (bare.length === 0) return [];
  host.PortBindings = { ...bindings, ...Object.fromEntries(bare.map((port) => [port, [{}]])) };
  return before('1.52')
    ? []
    : [
        `Following container port(s) have an empty list of port-bindings: ${bare.join(', ')}. Such bindings will be discarded in a future version.`,
      ];
}
