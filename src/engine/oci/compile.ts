import type { HostFacts } from '#host/facts.ts';
import type { ContainerConfig, HostConfig } from '#spec/wire/container.ts';
import type { Process, RuntimeSpec, Seccomp } from '#spec/oci-runtime.ts';
import { apparmorProfile } from './apparmor.ts';
import { capabilitySets, containerCapabilities } from './capabilities.ts';
import { deviceAccess } from './devices.ts';
import { processEnvironment } from './environment.ts';
import type { PlannedMount, SpecInput } from './input.ts';
import type { MountSource } from './mount-source.ts';
import { idMaps, specNamespaces } from './namespaces.ts';
import { linuxResources } from './resources.ts';
import type { RootFiles } from './root-files.ts';
import { compileDefaultSeccomp, compileSeccompProfile } from './seccomp.ts';
import { parseSecurityOptions, type SecurityOptions } from './security-options.ts';
import { specMounts } from './spec-mounts.ts';
import { containerSysctls } from './sysctls.ts';
import { processRlimits } from './ulimits.ts';
import { resolveUser, type ResolvedUser } from './users.ts';

const initPath = '/sbin/docker-init';

/** What the compiler asks of the machine; everything else is in the input. */
export interface CompilePorts {
  files: RootFiles;
  /** What to bind for a bind or volume mount, subpaths resolved. */
  mountSource(mount: PlannedMount): MountSource;
  /** Makes the working directory in the root, owned by root, when missing; returns it. */
  workingDir(path: string): string;
}

/** The spec to write into the bundle, and what later steps need of it. Throws invalid_argument with Docker's sentences. */
export function compileSpec(input: SpecInput, ports: CompilePorts): { spec: RuntimeSpec; user: ResolvedUser } {
  const { config, hostConfig, facts, defaults } = input;
  const security = parseSecurityOptions(hostConfig.SecurityOpt ?? []);
  const user = resolveUser(config.User ?? '', hostConfig.GroupAdd ?? [], ports.files);
  const capabilities = containerCapabilities(hostConfig, facts);
  const maps = idMaps(input);
  const devices = deviceAccess(hostConfig);
  const seccomp = containerSeccomp(input, security, capabilities);
  const init = useInit(input);
  const cwd = ports.workingDir(config.WorkingDir || '/');
  const hidden = hiddenPaths(input, security);
  const mounts = specMounts(input, security, ports.mountSource);
  if (init !== undefined) mounts.push({ destination: initPath, type: 'bind', source: init, options: ['bind', 'ro'] });
  const sysctl = containerSysctls({
    asked: hostConfig.Sysctls ?? {},
    domainname: config.Domainname ?? '',
    sharing: { network: input.namespaces.network.kind, ipc: input.namespaces.ipc.kind, uts: input.namespaces.uts.kind },
    inUserNamespace: maps !== undefined || facts.rootless,
  });
  const spec: RuntimeSpec = {
    ociVersion: '1.0.2',
    process: {
      ...terminal(config, input.consoleSize),
      user: { uid: user.uid, gid: user.gid, additionalGids: user.groups },
      args: [...(init === undefined ? [] : [initPath, '--']), ...commandLine(config)],
      env: processEnvironment({ env: config.Env ?? [], hostname: config.Hostname ?? '', tty: config.Tty === true, home: user.home }),
      cwd,
      capabilities: capabilitySets(capabilities, user.uid),
      ...rlimits(input),
      noNewPrivileges: security.noNewPrivileges ?? (hostConfig.Privileged === true ? false : defaults.noNewPrivileges),
      ...apparmor(apparmorProfile(hostConfig, facts)),
      ...oomScore(hostConfig, facts),
    },
    root: { path: input.rootfs, ...(hostConfig.ReadonlyRootfs === true ? { readonly: true } : {}) },
    ...(input.namespaces.uts.kind === 'private' ? { hostname: config.Hostname ?? '' } : {}),
    mounts,
    ...(hostConfig.Annotations && Object.keys(hostConfig.Annotations).length > 0 ? { annotations: { ...hostConfig.Annotations } } : {}),
    linux: {
      namespaces: specNamespaces(input),
      ...(maps === undefined ? {} : { uidMappings: maps.uid, gidMappings: maps.gid }),
      ...(devices.devices.length === 0 ? {} : { devices: devices.devices }),
      cgroupsPath: input.cgroupsPath,
      resources: { devices: devices.rules, ...linuxResources({ ...hostConfig, CpuQuota: Math.max(hostConfig.CpuQuota ?? 0, 0) }) },
      ...rootPropagation(input.mounts),
      ...(seccomp === undefined ? {} : { seccomp }),
      ...(Object.keys(sysctl).length === 0 ? {} : { sysctl }),
      ...hidden,
    },
  };
  return { spec, user };
}

/**
 * Zero is for a process to inherit when the engine may not lower scores and has a higher one itself, as user sessions do:
 * asking for it would keep every container from starting.
 */
export function oomScore(hostConfig: Pick<HostConfig, 'OomScoreAdj'>, facts: HostFacts): Pick<Process, 'oomScoreAdj'> {
  const asked = hostConfig.OomScoreAdj ?? 0;
  const inherited = asked === 0 && facts.oomScoreAdj > 0 && !facts.capabilities.includes('CAP_SYS_RESOURCE');
  return inherited ? {} : { oomScoreAdj: asked };
}

/** Entrypoint then command: the program and its arguments. */
export function commandLine(config: Pick<ContainerConfig, 'Entrypoint' | 'Cmd'>): string[] {
  return [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
}

function terminal(config: ContainerConfig, size: SpecInput['consoleSize']): Pick<Process, 'terminal' | 'consoleSize'> {
  if (config.Tty !== true) return {};
  const [height = 0, width = 0] = size ?? [];
  return { terminal: true, ...(height > 0 && width > 0 ? { consoleSize: { height, width } } : {}) };
}

function rlimits({ hostConfig, defaults, facts }: SpecInput): Pick<Process, 'rlimits'> {
  const list = processRlimits(hostConfig.Ulimits ?? [], defaults.ulimits, facts);
  return list.length === 0 ? {} : { rlimits: list };
}

const apparmor = (profile: string): Pick<Process, 'apparmorProfile'> =>
  profile === '' || profile === 'unconfined' ? {} : { apparmorProfile: profile };

/** Undefined: no filter. */
function containerSeccomp(input: SpecInput, security: SecurityOptions, capabilities: string[]): Seccomp | undefined {
  const { facts, hostConfig, defaults } = input;
  if (!facts.seccomp || hostConfig.Privileged === true) return undefined;
  const asked = security.seccomp ?? defaults.seccompProfile ?? 'builtin';
  if (asked === 'unconfined') return undefined;
  return asked === 'builtin' || asked === '' ? compileDefaultSeccomp(capabilities, facts) : compileSeccompProfile(asked, capabilities, facts);
}

/** The init program's host path, when this container is to have one as PID 1. */
function useInit({ hostConfig, facts, namespaces, defaults }: SpecInput): string | undefined {
  const wanted = hostConfig.Init ?? defaults.init;
  return wanted && namespaces.pid.kind === 'private' ? facts.initBinary : undefined;
}

function hiddenPaths({ hostConfig }: SpecInput, security: SecurityOptions): { maskedPaths?: string[]; readonlyPaths?: string[] } {
  if (hostConfig.Privileged === true || security.systemPathsUnconfined) return {};
  return { maskedPaths: hostConfig.MaskedPaths ?? [], readonlyPaths: hostConfig.ReadonlyPaths ?? [] };
}

/** The root's propagation must let the freest of the binds through. */
function rootPropagation(mounts: readonly PlannedMount[]): { rootfsPropagation?: string } {
  const used = mounts.map((mount) => mount.propagation);
  if (used.some((mode) => mode === 'shared' || mode === 'rshared')) return { rootfsPropagation: 'shared' };
  return used.some((mode) => mode === 'slave' || mode === 'rslave') ? { rootfsPropagation: 'rslave' } : {};
}
