import type { HostFacts } from '#host/facts.ts';
import type { ImageRunConfig } from '#spec/oci-image.ts';
import type { ContainerConfig, HostConfig } from '#spec/wire/container.ts';
import { mergeConfig } from './container-config.ts';
import { effectiveHostConfig } from './host-config.ts';
import type { ContainerDefaults } from './input.ts';
import { validateCreate } from './validate.ts';

export interface DecidedContainer {
  /** Merged with the image's. */
  config: ContainerConfig;
  /** Every default filled in; what the kernel cannot keep removed. */
  hostConfig: HostConfig;
  /** For the client, in Docker's words. */
  warnings: string[];
}

/**
 * Decides what a create request means: validates it, drops what the kernel cannot do (with warnings), merges the image's
 * configuration and fills in defaults. Pure; the request stays untouched. Mounts are decided by `planMounts`.
 */
export function decideContainer(options: {
  id: string;
  config: ContainerConfig;
  hostConfig: HostConfig | undefined;
  image: ImageRunConfig;
  facts: HostFacts;
  defaults: ContainerDefaults;
}): DecidedContainer {
  const { facts, defaults } = options;
  // Validation takes away what the kernel lacks.
  const hostConfig: HostConfig = { ...options.hostConfig };
  const warnings = validateCreate({ config: options.config, hostConfig }, { facts, defaults });
  const config = mergeConfig(options.config, options.image, options.id);
  return { config, hostConfig: effectiveHostConfig(hostConfig, defaults, facts), warnings };
}
