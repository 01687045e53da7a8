import { rfc3339Nano } from '#base/clock.ts';
import type { Digest } from '#spec/digest.ts';
import type { ImageConfigFile, ImageHistory } from '#spec/oci-image.ts';
import type { Jail } from '#host/jail.ts';
import { renderConfig } from '#image/configuration.ts';
import type { ImageContext } from '#image/context.ts';
import { chainIds } from '#image/documents.ts';
import type { ImageRecord } from '#image/image-store.ts';
import { digest } from '../solver/keys.ts';
import type { BuildLayers } from '../cache/layers.ts';
import { isImageLayer, type Tree } from '../tree.ts';

export interface StackedImage {
  /** Lowest first. */
  readonly chains: readonly Digest[];
  readonly diffIds: readonly Digest[];
  readonly size: number;
}

export interface ImageExportParts {
  layers: BuildLayers;
  images: ImageContext;
}

/** Names the layers of a tree as image layers; nothing is copied, packed only to find digests. */
export async function stackImage(tree: Tree, { layers, images }: ImageExportParts): Promise<StackedImage> {
  const tallies = await Promise.all(tree.map(async (ref) => (isImageLayer(ref) ? undefined : layers.tally(ref))));
  const chains: Digest[] = [];
  const diffIds: Digest[] = [];
  let size = 0;
  for (const [at, ref] of tree.entries()) {
    const tally = tallies[at];
    const before = isImageLayer(ref) ? images.layers.get(ref) : undefined;
    // An image layer on other layers than it came with (a merge) is another layer with the same files.
    const layer =
      tally === undefined
        ? before !== undefined && chainBelow(images, before.chainId, chains, before.diffId) ? before : images.layers.adopt(layers.folder(ref), { diffId: before?.diffId as Digest, tarSize: before?.blobSize ?? 0, contentSize: before?.size ?? 0 }, chains)
        : images.layers.adopt(layers.folder(ref), tally, chains);
    chains.push(layer.chainId);
    diffIds.push(layer.diffId);
    size += layer.size;
  }
  return { chains, diffIds, size };
}

/** As `stackImage`, with the times of files that builds made cut to `epoch` (seconds): these layers are made anew. */
export async function rewrittenStack(tree: Tree, { layers, images }: ImageExportParts, jail: Jail, epoch: number): Promise<StackedImage> {
  const chains: Digest[] = [];
  const diffIds: Digest[] = [];
  let size = 0;
  for (const ref of tree) {
    const before = isImageLayer(ref) ? images.layers.get(ref) : undefined;
    let layer = before !== undefined && chainBelow(images, before.chainId, chains, before.diffId) ? before : undefined;
    if (layer === undefined) {
      const tar = jail.pack({ kind: 'pack', root: { kind: 'folder', path: layers.folder(ref) }, path: '/', name: '', whiteouts: images.rootless ? 'userxattr' : 'overlay', include: undefined, into: undefined, latest: epoch });
      layer = await images.layers.place(await images.layers.unpack({ kind: 'stream', chunks: tar }), chains);
    }
    chains.push(layer.chainId);
    diffIds.push(layer.diffId);
    size += layer.size;
  }
  return { chains, diffIds, size };
}

function chainBelow(images: ImageContext, chain: Digest, below: readonly Digest[], diffId: Digest): boolean {
  return chainIds([...below.map((lower) => images.layers.get(lower)?.diffId as Digest), diffId]).at(-1) === chain;
}

export interface ImageTimes {
  /** SOURCE_DATE_EPOCH, in seconds. */
  epoch: number | undefined;
  /** When an image of this content was first made, in milliseconds. */
  made: (key: string) => number;
}

/**
 * The configuration of what was built: layers filled in, and times. A layer's entry has the time its layer was made, the image
 * the time when it was first put together, so that a build which only found what was there gives the same image again.
 */
export function finishConfig(config: ImageConfigFile, diffIds: readonly Digest[], times: readonly (number | undefined)[], { epoch, made }: ImageTimes): ImageConfigFile {
  const created = timeText(epoch === undefined ? made(digest([config, diffIds, times])) : epoch * 1000);
  return { ...config, created, rootfs: { type: 'layers', diff_ids: [...diffIds] }, history: datedHistory(config.history ?? [], times, epoch, created) };
}

function datedHistory(history: readonly ImageHistory[], times: readonly (number | undefined)[], epoch: number | undefined, created: string): ImageHistory[] {
  let layer = 0;
  const last = history.findLastIndex((entry) => entry.empty_layer !== true);
  let before: string | undefined;
  return history.map((entry, at) => {
    const time = entry.empty_layer === true ? undefined : times[layer++];
    const own = entry.created ?? (epoch !== undefined ? created : time !== undefined ? timeText(time) : at > last ? created : before);
    before = own ?? before;
    return { created: own ?? created, ...entry };
  });
}

const timeText = (milliseconds: number): string => rfc3339Nano(BigInt(Math.round(milliseconds)) * 1_000_000n);

/** Puts the image into the store; the same result is the same image. */
export function storeImage(stacked: StackedImage, config: ImageConfigFile, { images }: Pick<ImageExportParts, 'images'>): ImageRecord {
  using _spared = images.layers.protect(stacked.chains);
  return images.store.add({ config: renderConfig(config), size: stacked.size });
}
