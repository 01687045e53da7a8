import { isDigest, type Digest } from '#spec/digest.ts';

/**
 * A file tree: layers on one another, lowest first. A digest names a layer of the image store by its chain id; other texts
 * name layers that builds made. No layer at all is an empty tree.
 */
export type Tree = readonly LayerRef[];
export type LayerRef = Digest | BuildLayerId;
export type BuildLayerId = string & { readonly __brand?: 'build layer' };

export const isImageLayer = (ref: LayerRef): ref is Digest => isDigest(ref);

/** One tree on top of another; a layer that comes twice counts where it is topmost, since it hides its other self. */
export function stacked(...trees: readonly Tree[]): Tree {
  const all = trees.flat();
  return all.filter((ref, at) => all.lastIndexOf(ref) === at);
}

/** The layers of `tree` above `base`, when it begins with all of it. */
export function above(tree: Tree, base: Tree): Tree | undefined {
  return base.every((ref, at) => tree[at] === ref) ? tree.slice(base.length) : undefined;
}
