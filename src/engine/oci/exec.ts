import { invalid } from '#base/errors.ts';
import type { HostFacts } from '#host/facts.ts';
import type { Process } from '#spec/oci-runtime.ts';
import type { ContainerConfig, ExecCreateRequest, HostConfig } from '#spec/wire/container.ts';
import { apparmorProfile } from './apparmor.ts';
import { oomScore } from './compile.ts';
import { capabilitySets, containerCapabilities } from './capabilities.ts';
import { overlayEnvironment, processEnvironment } from './environment.ts';
import type { ContainerDefaults } from './input.ts';
import type { RootFiles } from './root-files.ts';
import { parseSecurityOptions } from './security-options.ts';
import { processRlimits } from './ulimits.ts';
import { resolveUser } from './users.ts';
import { checkWorkingDir } from './working-dir.ts';

/** Checks an exec request when it is made, in Docker's words. */
export function validateExec(request: ExecCreateRequest): void {
  if (!request.Cmd?.length) throw invalid('No exec command specified');
  for (const entry of request.Env ?? []) {
    if (entry === '' || entry.startsWith('=') || entry.includes('\0')) throw invalid(`invalid environment variable: ${entry}`);
  }
  if (request.Cmd.some((word) => word.includes('\0'))) throw invalid('invalid command: it contains a NUL byte');
}

/** Checks where an exec is to run, when it starts: that is when Docker's runtime refuses it. */
export function validateExecFolder(path: string): void {
  if (path === '') return;
  if (!path.startsWith('/')) throw invalid('OCI runtime exec failed: exec failed: Cwd must be an absolute path: unknown');
  checkWorkingDir(path);
}

/** The process of an exec in a running container. Users are looked up in `files` now, so later changes of them count. */
export function compileExec(
  container: { config: ContainerConfig; hostConfig: HostConfig; facts: HostFacts; defaults: ContainerDefaults; files: RootFiles },
  request: ExecCreateRequest,
): Process {
  validateExec(request);
  validateExecFolder(request.WorkingDir ?? '');
  const { config, hostConfig, facts, defaults } = container;
  const tty = request.Tty === true;
  const user = resolveUser(request.User || config.User || '', hostConfig.GroupAdd ?? [], container.files);
  const capabilities = request.Privileged === true ? [...facts.capabilities] : containerCapabilities(hostConfig, facts);
  const security = parseSecurityOptions(hostConfig.SecurityOpt ?? []);
  const profile = request.Privileged === true ? 'unconfined' : apparmorProfile(hostConfig, facts);
  const rlimits = processRlimits(hostConfig.Ulimits ?? [], defaults.ulimits, facts);
  const env = overlayEnvironment(config.Env ?? [], request.Env ?? []);
  const [height = 0, width = 0] = request.ConsoleSize ?? [];
  return {
    ...(tty ? { terminal: true, ...(height > 0 && width > 0 ? { consoleSize: { height, width } } : {}) } : {}),
    user: { uid: user.uid, gid: user.gid, additionalGids: user.groups },
    args: [...(request.Cmd ?? [])],
    env: processEnvironment({ env, hostname: config.Hostname ?? '', tty, home: user.home }),
    cwd: request.WorkingDir || config.WorkingDir || '/',
    capabilities: capabilitySets(capabilities, user.uid),
    ...(rlimits.length > 0 ? { rlimits } : {}),
    noNewPrivileges: security.noNewPrivileges ?? (hostConfig.Privileged === true ? false : defaults.noNewPrivileges),
    ...(profile === '' || profile === 'unconfined' ? {} : { apparmorProfile: profile }),
    ...oomScore(hostConfig, facts),
  };
}
