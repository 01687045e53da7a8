import { mediaTypes } from '#spec/oci-image.ts';
import type { ImageConfigFile, ImageRunConfig } from '#spec/oci-image.ts';
import { digestOf } from './documents.ts';
import type { NewImage } from './image-store.ts';

export { goArchitecture } from '#spec/platform.ts';

/** The bytes of a configuration in an order that is always the same, so that the same image has the same id. */
export function renderConfig(config: ImageConfigFile): NewImage['config'] {
  const { created, author, comment, architecture, os, variant, config: run, rootfs, history } = config;
  const bytes = Buffer.from(
    JSON.stringify({ architecture, variant, author, comment, config: sorted(run ?? {}), created, history, os, 'os.version': config['os.version'], rootfs }),
  );
  return { bytes, digest: digestOf(bytes), mediaType: mediaTypes.dockerConfig };
}

function sorted(run: ImageRunConfig): ImageRunConfig {
  return Object.fromEntries(Object.entries(run).filter(([, value]) => value !== undefined).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Milliseconds since the epoch, 0 when the image does not say. */
export const createdAt = (config: ImageConfigFile): number => (config.created === undefined ? 0 : Date.parse(config.created));
