import { invalid } from '#base/errors.ts';
import { recordName } from '#image/image-store.ts';
import { parseReference, withDefaultTag } from '#spec/reference.ts';

/** Complete names of tags as people write them, each once. */
export function tagNames(tags: readonly string[]): string[] {
  return [...new Set(tags.filter((tag) => tag !== '').map((tag) => {
    const reference = parseReference(tag);
    if (reference.digest !== undefined) throw invalid('build tag cannot contain a digest');
    return recordName(withDefaultTag(reference));
  }))];
}
