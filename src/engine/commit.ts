import type { Digest } from '#spec/digest.ts';
import type { ImageRunConfig } from '#spec/oci-image.ts';
import type { ContainerCreateRequest, IDResponse } from '#spec/wire/container.ts';
import type { ContainerRecord } from './container-record.ts';
import { commandOf } from './container-view.ts';

export interface CommitRequest {
  repo: string | undefined;
  tag: string | undefined;
  comment: string;
  author: string;
  pause: boolean;
  changes: string[];
  /** SOURCE_DATE_EPOCH: seconds that no time in the image lies after. */
  epoch?: number | undefined;
  /** Fields of the image's configuration to replace. */
  config: ContainerCreateRequest | undefined;
}

/** The image room's commit; returns the new image's id. */
export interface CommitImage {
  commit(options: {
    parent: Digest;
    upper: string;
    changed: readonly string[];
    config: ImageRunConfig;
    createdBy: string;
    comment: string;
    author: string;
    repo: string | undefined;
    tag: string | undefined;
    epoch?: number | undefined;
  }): Promise<Digest>;
  applyChanges(config: ImageRunConfig, changes: readonly string[]): ImageRunConfig;
}

export interface CommitPorts {
  image: CommitImage;
  changedPaths: () => Promise<readonly string[]>;
  upper: string;
  pause: () => Promise<void>;
  unpause: () => Promise<void>;
  committed: (image: Digest) => void;
}

/** Makes an image of what the container changed, paused meanwhile when it runs and the client wants it. */
export async function commitOf(ports: CommitPorts, record: ContainerRecord, request: CommitRequest): Promise<IDResponse> {
  const config = ports.image.applyChanges(runConfig(record, request.config), request.changes);
  const paused = request.pause && record.life.status === 'running';
  if (paused) await ports.pause();
  try {
    const id = await ports.image.commit({
      parent: record.image,
      upper: ports.upper,
      changed: await ports.changedPaths(),
      config,
      createdBy: commandOf(record).join(' '),
      comment: request.comment,
      author: request.author,
      repo: request.repo,
      tag: request.tag,
      epoch: request.epoch,
    });
    ports.committed(id);
    return { Id: id };
  } finally {
    if (paused) await ports.unpause();
  }
}

const fields = [
  'User', 'ExposedPorts', 'Env', 'Entrypoint', 'Cmd', 'Volumes', 'WorkingDir', 'Labels', 'StopSignal', 'Healthcheck', 'OnBuild', 'Shell', 'ArgsEscaped',
] as const;

/** The container's configuration, without what was only its own (hostname, streams); given fields win. */
function runConfig({ config }: ContainerRecord, given: ContainerCreateRequest | undefined): ImageRunConfig {
  const merged: Record<string, unknown> = {};
  for (const field of fields) {
    const value = isGiven(given?.[field]) ? given?.[field] : config[field];
    if (isGiven(value)) merged[field] = value;
  }
  return merged;
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null && value !== '' && !(Array.isArray(value) && value.length === 0);
}
