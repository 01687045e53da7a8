import { notFound } from '#base/errors.ts';
import type { BaseImages } from '#build/sources/images.ts';
import type { Images } from '#image/images.ts';
import { familiarString, parseReference, withDefaultTag } from '#spec/reference.ts';

/** Base images of builds: those in the store. */
export function createBaseImages(images: Images): BaseImages {
  return {
    async find(reference, { platform }) {
      const { store } = images.context;
      let found;
      try {
        found = store.find(reference);
      } catch (error) {
        throw notFound(`pull access denied for ${familiarString(withDefaultTag(parseReference(reference)))}, repository does not exist or may require 'docker login': denied: requested access to the resource is denied`, { cause: error });
      }
      images.lookup(found.image.id, [platform.os, platform.architecture].join('/'));
      const chains = found.image.chains;
      return { config: found.image.config, digest: undefined, chains, load: async () => chains };
    },
  };
}
