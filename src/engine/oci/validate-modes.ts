import { isIP } from 'node:net';
import { invalid } from '#base/errors.ts';
import type { ContainerConfig, HostConfig } from '#spec/wire/container.ts';
import { validatePortBindings } from './validate-ports.ts';

/** Namespace modes and what conflicts with them. Returns warnings. */
export function validateModes(config: ContainerConfig, hostConfig: HostConfig): string[] {
  validateNamespaceModes(hostConfig);
  validateExtraHosts(hostConfig.ExtraHosts ?? []);
  validatePortBindings(hostConfig.PortBindings);
  return validateNetworkMode(config, hostConfig);
}

function validateNamespaceModes(hostConfig: HostConfig): void {
  const pid = hostConfig.PidMode ?? '';
  if (pid !== '' && pid !== 'host' && !isContainerMode(pid)) throw invalid(`invalid PID mode: ${pid}`);
  const ipc = hostConfig.IpcMode ?? '';
  if (!['', 'private', 'host', 'shareable', 'none'].includes(ipc) && !isContainerMode(ipc)) throw invalid(`invalid IPC mode: ${ipc}`);
  const uts = hostConfig.UTSMode ?? '';
  if (uts !== '' && uts !== 'host') throw invalid(`invalid UTS mode: ${uts}`);
  const userns = hostConfig.UsernsMode ?? '';
  if (userns !== '' && userns !== 'host') throw invalid(`invalid USER mode: ${userns}`);
  const cgroupns = hostConfig.CgroupnsMode ?? '';
  if (!['', 'private', 'host'].includes(cgroupns)) throw invalid(`invalid cgroup namespace mode: ${cgroupns}`);
  const cgroup = hostConfig.Cgroup ?? '';
  if (cgroup !== '') throw invalid(`invalid cgroup: ${cgroup}: sharing another container's cgroup is not supported; use --cgroup-parent`);
}

/** `container:<name or id>` with something after the colon. */
const isContainerMode = (mode: string): boolean => mode.startsWith('container:') && mode.length > 'container:'.length;

function validateNetworkMode(config: ContainerConfig, hostConfig: HostConfig): string[] {
  const mode = hostConfig.NetworkMode ?? '';
  const clash = (what: string): Error => invalid(`conflicting options: ${what}`);
  const links = (hostConfig.Links?.length ?? 0) > 0;
  const publishes = Object.keys(hostConfig.PortBindings ?? {}).length > 0 || hostConfig.PublishAllPorts === true;
  if (mode.startsWith('container:')) {
    if (!isContainerMode(mode)) throw invalid('Invalid network mode: invalid container format container:<name|id>');
    if (config.Hostname) throw clash('hostname and the network mode');
    if (links) throw clash("container type network can't be used with links. This would result in undefined behavior");
    if (hostConfig.Dns?.length) throw clash('dns and the network mode');
    if (hostConfig.ExtraHosts?.length) throw clash('custom host-to-IP mapping and the network mode');
    if (publishes) throw clash('port publishing and the container type network mode');
    if (Object.keys(config.ExposedPorts ?? {}).length > 0) throw clash('port exposing and the container type network mode');
  } else if (mode === 'host') {
    if (links) throw clash("host type networking can't be used with links. This would result in undefined behavior");
  }
  if (hostConfig.UTSMode === 'host' && config.Hostname) throw clash('hostname and the UTS mode');
  return mode === 'host' && publishes ? ['Published ports are discarded when using host network mode'] : [];
}

function validateExtraHosts(entries: readonly string[]): void {
  for (const entry of entries) {
    const cut = entry.indexOf(':');
    if (cut <= 0) throw invalid(`bad format for add-host: "${entry}"`);
    const address = entry.slice(cut + 1).replace(/^\[(.*)\]$/, '$1');
    if (address !== 'host-gateway' && isIP(address) === 0) throw invalid(`invalid IP address in add-host: "${address}"`);
  }
}
