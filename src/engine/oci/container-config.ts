import { invalid } from '#base/errors.ts';
import type { ImageRunConfig } from '#spec/oci-image.ts';
import type { ContainerConfig, HealthConfig } from '#spec/wire/container.ts';
import { defaultPath, mergeImageEnvironment } from './environment.ts';

/**
 * A container's configuration over its image's, field by field as Docker merges them. The result is what inspect shows.
 * Throws invalid_argument `no command specified` when neither names a program.
 */
export function mergeConfig(own: ContainerConfig, image: ImageRunConfig, id: string): ContainerConfig {
  const program = mergeProgram(own, image);
  const healthcheck = mergeHealthcheck(own.Healthcheck, image.Healthcheck);
  const ports = { ...image.ExposedPorts, ...own.ExposedPorts };
  const volumes = { ...image.Volumes, ...own.Volumes };
  const imageEnv = image.Env?.some((entry) => entry.startsWith('PATH=')) || !image.Env ? image.Env : [`PATH=${defaultPath}`, ...image.Env];
  const env = mergeImageEnvironment(own.Env ?? [], imageEnv ?? []);
  return {
    Hostname: own.Hostname || id.slice(0, 12),
    Domainname: own.Domainname ?? '',
    User: own.User || image.User || '',
    AttachStdin: own.AttachStdin ?? false,
    AttachStdout: own.AttachStdout ?? false,
    AttachStderr: own.AttachStderr ?? false,
    ...(Object.keys(ports).length > 0 ? { ExposedPorts: withProtocols(ports) } : {}),
    Tty: own.Tty ?? false,
    OpenStdin: own.OpenStdin ?? false,
    StdinOnce: own.StdinOnce ?? false,
    ...(env.length > 0 ? { Env: env } : {}),
    ...program,
    ...(healthcheck === undefined ? {} : { Healthcheck: healthcheck }),
    Image: own.Image ?? '',
    ...(Object.keys(volumes).length > 0 ? { Volumes: volumes } : {}),
    WorkingDir: own.WorkingDir || image.WorkingDir || '',
    ...(own.NetworkDisabled ? { NetworkDisabled: true } : {}),
    Labels: { ...image.Labels, ...own.Labels },
    ...(own.StopSignal || image.StopSignal ? { StopSignal: own.StopSignal || image.StopSignal } : {}),
    ...(own.StopTimeout === undefined || own.StopTimeout === null ? {} : { StopTimeout: own.StopTimeout }),
    ...(own.Shell?.length ? { Shell: own.Shell } : {}),
  };
}

/** An entrypoint of one's own drops the image's command; an empty one (`--entrypoint ""`) drops the image's entrypoint too. */
function mergeProgram(own: ContainerConfig, image: ImageRunConfig): Pick<ContainerConfig, 'Cmd' | 'Entrypoint' | 'ArgsEscaped'> {
  const ownEntrypoint = own.Entrypoint;
  const hasOwn = ownEntrypoint !== undefined && ownEntrypoint !== null && ownEntrypoint.length > 0;
  const entrypoint = ownEntrypoint?.length === 1 && ownEntrypoint[0] === '' ? [] : hasOwn ? ownEntrypoint : (ownEntrypoint ?? image.Entrypoint ?? []);
  const ownCmd = own.Cmd ?? [];
  const cmd = ownCmd.length > 0 || hasOwn ? ownCmd : (image.Cmd ?? []);
  if (entrypoint.length === 0 && cmd.length === 0) throw invalid('no command specified');
  return { ...(cmd.length > 0 ? { Cmd: [...cmd] } : {}), ...(entrypoint.length > 0 ? { Entrypoint: [...entrypoint] } : {}) };
}

/** Zero and absent inherit; `NONE` switches the image's check off. */
function mergeHealthcheck(own: HealthConfig | undefined | null, image: HealthConfig | undefined | null): HealthConfig | undefined {
  if (!own) return image ?? undefined;
  const merged: HealthConfig = { ...own, Test: own.Test?.length ? own.Test : image?.Test };
  for (const field of ['Interval', 'Timeout', 'Retries', 'StartPeriod', 'StartInterval'] as const) {
    const value = own[field] || image?.[field];
    if (value) merged[field] = value;
    else delete merged[field];
  }
  if (!merged.Test?.length) delete merged.Test;
  return merged;
}

/** `80` means `80/tcp`. */
function withProtocols<T>(ports: Record<string, T>): Record<string, T> {
  const named = Object.entries(ports).map(([port, value]) => [port.includes('/') ? port : `${port}/tcp`, value] as const);
  return Object.fromEntries(named.sort(([a], [b]) => (a < b ? -1 : 1)));
}
