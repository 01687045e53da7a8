import type { Digest } from '#spec/digest.ts';
import { shortId } from '#base/ids.ts';
import type { ImageContext } from '../context.ts';
import { familiar } from '../image-store.ts';

/** Forgets an image that cannot be mended. Returns what was done; undefined when containers need its record. */
export function dropBrokenImage(context: ImageContext, id: Digest): string | undefined {
  if (context.usage().some(({ image }) => image === id)) return undefined;
  return context.db.transaction(() => {
    const names = context.store.namesOf(id);
    for (const name of names) context.store.dropName(name);
    for (const target of context.store.targets.withImage(id)) for (const { digest, config } of context.store.targets.members(target)) if (config === id) context.store.dropMember(target, digest);
    context.store.drop(id);
    // An event without labels: the configuration may be what is damaged.
    context.emit({ type: 'image', action: 'delete', id, attributes: { name: id } });
    return names.length === 0 ? `dropped image ${shortId(id)}` : `dropped image ${shortId(id)} with its names ${names.map(familiar).join(', ')}`;
  });
}

/** Forgets what is left of a manifest whose blobs are not; its index stays. */
export function dropBrokenManifest(context: ImageContext, manifest: Digest): string {
  for (const target of context.store.targets.targetsOf(manifest)) context.store.dropMember(target, manifest);
  return 'dropped what was left of it';
}
