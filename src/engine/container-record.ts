import type { Digest } from '#spec/digest.ts';
import type { ContainerId } from '#spec/ids.ts';
import type { Platform } from '#spec/oci-image.ts';
import type { ContainerConfig, Health, HostConfig } from '#spec/wire/container.ts';
import type { EndpointSettings } from '#spec/wire/network.ts';
import type { Life } from './container-state.ts';
import type { PlannedMount } from './oci/input.ts';

/** What was decided when the container was made; `update`, `rename` and networks change parts of it. */
export interface ContainerDefinition {
  version: 1;
  id: ContainerId;
  /** Without the slash. */
  name: string;
  /** RFC 3339. */
  created: string;
  image: Digest;
  platform: Platform;
  config: ContainerConfig;
  hostConfig: HostConfig;
  mounts: PlannedMount[];
  /** Networks to join at the next start, by name, in order; empty for host, none and container:. */
  networks: Record<string, EndpointSettings>;
}

/** What changes while it lives. */
export interface ContainerCondition {
  version: 1;
  life: Life;
  /** Set before the first thing a start makes, cleared when the container runs or everything was undone. */
  starting: boolean;
  /** Of the last run; 0 before the first. */
  exitCode: number;
  error: string;
  oomKilled: boolean;
  /** RFC 3339, ZERO_TIME for never. */
  startedAt: string;
  finishedAt: string;
  restartCount: number;
  /** Milliseconds of the last restart delay; 0 when the back-off begins anew. */
  restartDelay: number;
  /** A user stopped it: restart policies leave it alone until the next start. */
  stoppedByUser: boolean;
  health: Health | undefined;
}

/** Everything durable about one container. Never changed in place. */
export type ContainerRecord = Readonly<Omit<ContainerDefinition, 'version'>> & Readonly<Omit<ContainerCondition, 'version'>>;

export type ConditionPatch = Partial<Omit<ContainerCondition, 'version'>>;
export type DefinitionPatch = Partial<Pick<ContainerDefinition, 'name' | 'hostConfig' | 'networks' | 'config' | 'mounts'>>;
