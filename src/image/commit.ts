import { invalid } from '#base/errors.ts';
import { rfc3339Nano } from '#base/clock.ts';
import type { Digest } from '#spec/digest.ts';
import type { ImageRunConfig } from '#spec/oci-image.ts';
import { parseTarget } from '#spec/reference.ts';
import { goArchitecture, renderConfig } from './configuration.ts';
import { nameImage, type ImageContext } from './context.ts';
import { chainIds, MAX_LAYERS } from './documents.ts';
import { recordName, type ImageRecord } from './image-store.ts';

export interface CommitOptions {
  /** The image the container was made from, or undefined for a container from nothing. */
  parent: Digest | undefined;
  /** The container's overlay upper folder. */
  upper: string;
  /** Paths of `upper` that belong to the layer (as `changes` lists them); empty makes no layer. */
  changed: readonly string[];
  /** Complete run configuration of the new image. */
  config: ImageRunConfig;
  createdBy: string;
  comment: string;
  author: string;
  repo: string | undefined;
  tag: string | undefined;
  /**
   * Seconds since the epoch, SOURCE_DATE_EPOCH: the image is as if made then, and no file of its layer is younger, so that
   * the same content gives the same image whenever it is committed. The engine's own environment otherwise, if it says so.
   */
  epoch?: number | undefined;
}

/** Makes an image from what a container changed. The same content always gives the same layer. */
export async function commitImage(context: ImageContext, options: CommitOptions): Promise<ImageRecord> {
  const target = options.repo === undefined || options.repo === '' ? undefined : parseTarget(options.repo, options.tag);
  const epoch = options.epoch ?? ownEpoch();
  // One that was removed under its container will do.
  const parent = options.parent === undefined ? undefined : (context.store.getKept(options.parent) ?? context.store.find(options.parent).image);
  const below = parent?.chains ?? [];
  const diffIds = [...(parent?.config.rootfs.diff_ids ?? [])];
  const changed = options.changed.length > 0;
  if (changed && diffIds.length >= MAX_LAYERS) throw invalid('max depth exceeded: the image would have too many layers');
  using _below = context.layers.protect(below);
  let size = parent?.size ?? 0;
  let top: Disposable | undefined;
  try {
    if (changed) {
      const tar = context.jail.pack({
        kind: 'pack',
        root: { kind: 'folder', path: options.upper },
        path: '/',
        name: '',
        whiteouts: context.rootless ? 'userxattr' : 'overlay',
        include: [...options.changed],
        latest: epoch,
        into: undefined,
      });
      const pending = await context.layers.unpack({ kind: 'stream', chunks: tar });
      diffIds.push(pending.unpacked.inflatedDigest);
      top = context.layers.protect(chainIds(diffIds));
      size += (await context.layers.place(pending, below)).size;
    }
    const created = rfc3339Nano(epoch === undefined ? context.clock.nowNanos() : BigInt(epoch) * 1_000_000_000n);
    const step = { created, created_by: options.createdBy, author: options.author || undefined, comment: options.comment || undefined };
    const config = renderConfig({
      created,
      author: options.author,
      comment: options.comment || undefined,
      architecture: parent?.config.architecture ?? goArchitecture(),
      os: parent?.config.os ?? 'linux',
      variant: parent?.config.variant,
      'os.version': parent?.config['os.version'],
      config: options.config,
      rootfs: { type: 'layers', diff_ids: diffIds },
      history: [...(parent?.config.history ?? []), changed ? step : { ...step, empty_layer: true }],
    });
    const image = context.store.add({ config, parent: parent?.id, size });
    if (target !== undefined) nameImage(context, image, recordName(target));
    return image;
  } finally {
    top?.[Symbol.dispose]();
  }
}

/** https://reproducible-builds.org/specs/source-date-epoch/ */
function ownEpoch(): number | undefined {
  const text = process.env['SOURCE_DATE_EPOCH'] ?? '';
  return /^\d{1,12}$/.test(text) ? Number(text) : undefined;
}
