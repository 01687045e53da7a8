import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '#base/errors.ts';
import type { Digest } from '#spec/digest.ts';
import type { StoreProblem } from '#spec/wire/system.ts';
import type { ImageContext } from '../context.ts';
import type { Layer } from '../layer-store.ts';

interface LayerProblem {
  problem: StoreProblem;
  /** There is nothing to mend it from. */
  lost: boolean;
}

/**
 * Compares a layer's tree with what its blob unpacks to: both are packed, in an order that is always the same. `broken`
 * names blobs that must not be trusted. With `repair` a damaged tree is replaced, unless a container runs on it.
 */
export async function checkLayer(
  context: ImageContext,
  chain: Digest,
  below: readonly Digest[],
  { repair, quick, broken }: { repair: boolean; quick: boolean; broken: ReadonlySet<Digest> },
): Promise<LayerProblem | undefined> {
  using _spared = context.layers.protect([chain, ...below]);
  const layer = context.layers.get(chain);
  if (layer === undefined) return undefined;
  const problem = (Message: string, Repaired?: string): LayerProblem => ({ problem: { Kind: 'layer', ID: chain, Message, ...(Repaired === undefined ? {} : { Repaired }) }, lost: false });
  const lost = (Message: string): LayerProblem => ({ ...problem(Message), lost: true });
  const there = statSync(context.layers.folder(chain), { throwIfNoEntry: false })?.isDirectory() === true;
  if (there && quick) return undefined;
  const source = context.layers.source(layer);
  if (source === undefined || broken.has(layer.blob)) {
    if (!there) return lost('its folder is missing, and so is the blob to unpack it from');
    if (source === undefined && context.layers.isLent(layer)) {
      return (await packedDigest(context, context.layers.folder(chain))) === layer.diffId ? undefined : lost('its files are not what was recorded');
    }
    // Nothing to compare with; the blob itself is told of.
    return undefined;
  }
  let pending;
  try {
    pending = await context.layers.unpack(source);
  } catch (error) {
    return lost(`its blob cannot be unpacked: ${messageOf(error)}`);
  }
  try {
    if (pending.unpacked.inflatedDigest !== layer.diffId) return lost(`its blob unpacks to ${pending.unpacked.inflatedDigest}, not to its diff id ${layer.diffId}`);
    await context.layers.complete(pending, below);
    const wanted = await packedDigest(context, join(pending.folder, 'diff'));
    if (there && (await packedDigest(context, context.layers.folder(chain))) === wanted) return undefined;
    const message = there ? 'its files are not what its blob unpacks to' : 'its folder is missing';
    if (!repair) return problem(message);
    if (isRunning(context, layer)) return problem(`${message}, and a container runs on it: stop that first`);
    await context.layers.replace(chain, pending);
    return problem(message, 'unpacked anew from its blob');
  } finally {
    await context.layers.discard(pending);
  }
}

async function packedDigest(context: ImageContext, path: string): Promise<string> {
  const hash = createHash('sha256');
  const whiteouts = context.rootless ? 'userxattr' : 'overlay';
  for await (const chunk of context.jail.pack({ kind: 'pack', root: { kind: 'folder', path }, path: '/', name: '', whiteouts, include: undefined, into: undefined })) hash.update(chunk);
  return `sha256:${hash.digest('hex')}`;
}

const isRunning = (context: ImageContext, layer: Layer): boolean =>
  context.usage().some(({ running, image }) => running && context.store.getKept(image)?.chains.includes(layer.chainId) === true);
