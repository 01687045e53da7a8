import { isIP } from 'node:net';
import { invalid, notFound, notImplemented } from '#base/errors.ts';
import type { HostFacts } from '#host/facts.ts';
import type { ContainerConfig, HostConfig, RestartPolicy } from '#spec/wire/container.ts';
import { parseCapabilities } from './capabilities.ts';
import { checkDevicePermissions, parseDeviceRule } from './devices.ts';
import type { ContainerDefaults } from './input.ts';
import { validateResources } from './validate-resources.ts';
import { validateModes } from './validate-modes.ts';
import { validatePorts } from './validate-ports.ts';
import { parseSecurityOptions } from './security-options.ts';
import { COMPILED_FILTER } from './seccomp-cache.ts';
import { compileSeccompProfile } from './seccomp.ts';
import { checkSysctl } from './sysctls.ts';
import { parseSignal } from './signals.ts';

const MIN_HEALTH_DURATION = 1_000_000;

/**
 * Everything about a create request that needs neither image, other containers nor volumes. Returns the warnings for the
 * client; throws invalid_argument (not_found for an unknown runtime's kind of thing) in Docker's words.
 */
export function validateCreate(
  request: { config: ContainerConfig; hostConfig: HostConfig },
  context: { facts: HostFacts; defaults: ContainerDefaults },
): string[] {
  const { config, hostConfig } = request;
  const { facts, defaults } = context;
  validateConfig(config);
  const warnings = validateModes(config, hostConfig);
  validateRestartPolicy(hostConfig.RestartPolicy, hostConfig.AutoRemove === true);
  validateIsolation(hostConfig.Isolation ?? '');
  parseCapabilities(hostConfig.CapAdd ?? [], facts, false);
  parseCapabilities(hostConfig.CapDrop ?? [], facts, true);
  warnings.push(...validateSecurity(hostConfig, facts));
  warnings.push(...validateResources(hostConfig, facts, {}));
  validateSysctls(hostConfig);
  for (const address of hostConfig.Dns ?? []) if (isIP(address) === 0) throw invalid(`bad nameserver address ${address}`);
  for (const device of hostConfig.Devices ?? []) checkDevicePermissions(device);
  for (const rule of hostConfig.DeviceCgroupRules ?? []) parseDeviceRule(rule);
  const runtime = hostConfig.Runtime || defaults.defaultRuntime;
  if (!defaults.runtimes.includes(runtime)) throw invalid(`unknown or invalid runtime name: ${runtime}`);
  if (Object.hasOwn(hostConfig.Annotations ?? {}, '')) throw invalid('invalid Annotations: the empty string is not permitted as an annotation key');
  if (Object.hasOwn(hostConfig.Annotations ?? {}, COMPILED_FILTER)) {
    // It would pass for the compiled form of the profile, and be kept for other containers.
    throw invalid(`invalid Annotations: ${COMPILED_FILTER} is reserved for the engine; use --security-opt seccomp=FILE`);
  }
  for (const [option] of Object.entries(hostConfig.StorageOpt ?? {})) {
    throw invalid(option === 'size' ? "--storage-opt is supported only for overlay over xfs with 'pquota' mount option" : `Unknown option ${option}`);
  }
  if (hostConfig.Init === true && facts.initBinary === undefined) {
    throw notFound('no init program found for --init: install tini or catatonit');
  }
  return warnings;
}

function validateConfig(config: ContainerConfig): void {
  for (const entry of config.Env ?? []) {
    if (entry === '' || entry.startsWith('=')) throw invalid(`invalid environment variable: ${entry}`);
    if (entry.includes('\0')) throw invalid('invalid environment variable: it contains a NUL byte');
  }
  if ([...(config.Cmd ?? []), ...(config.Entrypoint ?? [])].some((word) => word.includes('\0'))) {
    throw invalid('invalid command: it contains a NUL byte');
  }
  const workingDir = config.WorkingDir ?? '';
  if (workingDir !== '' && !workingDir.startsWith('/')) {
    throw invalid(`the working directory '${workingDir}' is invalid, it needs to be an absolute path`);
  }
  if (config.StopSignal) parseSignal(config.StopSignal);
  // The kernel's limit; further checks are the name's users' own.
  if ((config.Hostname ?? '').length > 64) throw invalid(`invalid hostname: ${config.Hostname}: longer than 64 characters`);
  if ((config.Domainname ?? '').length > 64) throw invalid(`invalid domain name: ${config.Domainname}: longer than 64 characters`);
  validateHealthcheck(config);
  validatePorts(Object.keys(config.ExposedPorts ?? {}));
}

function validateHealthcheck({ Healthcheck: check }: ContainerConfig): void {
  if (!check) return;
  for (const field of ['Interval', 'Timeout', 'StartPeriod', 'StartInterval'] as const) {
    const value = check[field] ?? 0;
    if (value !== 0 && value < MIN_HEALTH_DURATION) throw invalid(`${field} in Healthcheck cannot be less than 1ms`);
  }
  if ((check.Retries ?? 0) < 0) throw invalid('Retries in Healthcheck cannot be negative');
}

/** Also for `update`. */
export function validateRestartPolicy(policy: RestartPolicy | undefined, autoRemove: boolean): void {
  const name = policy?.Name ?? '';
  const retries = policy?.MaximumRetryCount ?? 0;
  if (!['', 'no', 'always', 'on-failure', 'unless-stopped'].includes(name)) {
    throw invalid(`invalid restart policy: unknown policy '${name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`);
  }
  if (name !== 'on-failure' && retries !== 0) {
    throw invalid(`invalid restart policy: maximum retry count can only be used with 'on-failure'${retries < 0 ? ' and cannot be negative' : ''}`);
  }
  if (retries < 0) throw invalid('invalid restart policy: maximum retry count cannot be negative');
  if (autoRemove && name !== '' && name !== 'no') throw invalid("can't create 'AutoRemove' container with restart policy");
}

function validateIsolation(isolation: string): void {
  if (isolation !== '' && isolation.toLowerCase() !== 'default') {
    throw invalid(`Invalid isolation: "${isolation}" - linux only supports 'default'`);
  }
}

function validateSecurity(hostConfig: HostConfig, facts: HostFacts): string[] {
  const security = parseSecurityOptions(hostConfig.SecurityOpt ?? []);
  const warnings: string[] = [];
  if (security.seccomp !== undefined && !['', 'unconfined', 'builtin'].includes(security.seccomp)) {
    compileSeccompProfile(security.seccomp, [], facts);
    if (!facts.seccomp) throw invalid('seccomp is not enabled in your kernel, cannot run a custom seccomp profile');
  }
  if (security.apparmor !== undefined && security.apparmor !== 'unconfined' && !facts.apparmor) {
    warnings.push(`Your kernel does not support AppArmor. Profile ${security.apparmor} discarded.`);
  }
  if (security.labels.some((label) => label !== 'disable')) {
    if (facts.selinux) throw notImplemented('SELinux labels are not supported yet: only --security-opt label=disable is');
    warnings.push('Your kernel does not support SELinux. Security labels discarded.');
  }
  return warnings;
}

function validateSysctls(hostConfig: HostConfig): void {
  const sharing = {
    network: hostConfig.NetworkMode === 'host' ? 'host' : 'private',
    ipc: hostConfig.IpcMode === 'host' ? 'host' : 'private',
    uts: hostConfig.UTSMode === 'host' ? 'host' : 'private',
  } as const;
  for (const name of Object.keys(hostConfig.Sysctls ?? {})) checkSysctl(name, sharing);
}
