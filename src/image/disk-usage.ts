import { statSync } from 'node:fs';
import type { Digest } from '#spec/digest.ts';
import type { ImageSummary } from '#spec/wire/image.ts';
import type { ImageContext } from './context.ts';
import { isErrno } from '#base/errors.ts';
import { listImages } from './list.ts';

/**
 * What images take on the disk, as `du` counts: their layers as trees, and the blobs that are kept of them. `Size` and
 * `SharedSize` of each image are in the same measure, so that what is left over adds up. A layer's tree is measured once.
 */
export async function imageDiskUsage(context: ImageContext): Promise<{ layersSize: number; images: ImageSummary[] }> {
  const layers = await layerSizes(context);
  const owners = new Map<Digest, number>();
  const parts = new Map<string, Set<Digest>>();
  const summaries = listImages(context, { all: false, filters: new Map(), sharedSize: true, containerCount: true });
  const sizes = new Map(layers);
  for (const { Id } of summaries) {
    const mine = partsOf(context, Id as Digest, sizes);
    parts.set(Id, mine);
    for (const part of mine) owners.set(part, (owners.get(part) ?? 0) + 1);
  }
  const sum = (digests: Iterable<Digest>): number => [...digests].reduce((total, digest) => total + (sizes.get(digest) ?? 0), 0);
  const images = summaries.map((summary) => {
    const mine = parts.get(summary.Id) ?? new Set();
    return { ...summary, Size: sum(mine), SharedSize: sum([...mine].filter((digest) => (owners.get(digest) ?? 0) > 1)) };
  });
  const kept = new Set(layers.keys());
  const loose = (await context.blobs.list()).filter((digest) => !isLayerBlob(context, digest));
  for (const digest of loose) if (!kept.has(digest)) sizes.set(digest, blobSize(context, digest));
  return { layersSize: sum(new Set([...kept, ...loose])), images };
}

/** Layers by chain id, each with its blob; and, by their digests, the blobs of what is not unpacked. */
function partsOf(context: ImageContext, id: Digest, sizes: Map<Digest, number>): Set<Digest> {
  const image = context.store.get(id);
  const found = new Set<Digest>(image?.chains);
  const members = image?.target === undefined ? [] : context.store.targets.members(image.target);
  for (const { digest, config } of members) {
    for (const chain of (config === undefined ? undefined : context.store.get(config))?.chains ?? []) found.add(chain);
    for (const blob of context.store.targets.blobsOf(digest)) {
      if (isLayerBlob(context, blob.digest)) continue;
      sizes.set(blob.digest, blobSize(context, blob.digest));
      found.add(blob.digest);
    }
  }
  return found;
}

async function layerSizes(context: ImageContext): Promise<Map<Digest, number>> {
  const sizes = new Map<Digest, number>();
  const note = context.db.handle.prepare('UPDATE image_layer SET disk = ? WHERE chain_id = ?');
  const counted = new Set<Digest>();
  for (const row of context.db.handle.prepare('SELECT chain_id, blob, folder, disk FROM image_layer ORDER BY chain_id').all()) {
    const chain = row['chain_id'] as Digest;
    const blob = row['blob'] as Digest;
    let disk = row['disk'] as number | null;
    if (disk === null) {
      using _spared = context.layers.protect([chain]);
      disk = await context.jail.run<'measure'>({ kind: 'measure', path: context.layers.home(chain), blocks: true });
      note.run(disk, chain);
    }
    // Two layers of the same bytes on different ground have one blob.
    const once = row['folder'] === null && !counted.has(blob);
    counted.add(blob);
    sizes.set(chain, disk + (once ? blobSize(context, blob) : 0));
  }
  return sizes;
}

const isLayerBlob = (context: ImageContext, digest: Digest): boolean => context.layers.knows(digest);

function blobSize(context: ImageContext, digest: Digest): number {
  try {
    return statSync(context.blobs.path(digest)).blocks * 512;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return 0;
    throw error;
  }
}
