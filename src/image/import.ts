import { invalid } from '#base/errors.ts';
import { rfc3339Nano } from '#base/clock.ts';
import { parseTarget } from '#spec/reference.ts';
import type { Platform } from '#spec/oci-image.ts';
import type { JsonMessage } from '#spec/wire/image.ts';
import { applyChanges } from './changes.ts';
import { goArchitecture, renderConfig } from './configuration.ts';
import { emitImage, nameImage, type ImageContext } from './context.ts';
import { chainIds } from './documents.ts';
import { expandHostFormats } from './host-decoder.ts';
import { recordName } from './image-store.ts';

export interface ImportOptions {
  repo: string | undefined;
  tag: string | undefined;
  message: string;
  changes: string[];
  platform: string | undefined;
}

/** `linux/arm64/v8`, `linux`; Docker's words when it is neither. */
export function parsePlatform(text: string | undefined): Platform {
  if (text === undefined || text === '') return { os: 'linux', architecture: goArchitecture() };
  const parts = text.toLowerCase().split('/');
  if (parts.length > 3 || parts.some((part) => !/^[a-z0-9_.-]+$/.test(part))) {
    throw invalid(`${JSON.stringify(text)} is an invalid platform: expected os/architecture[/variant]`);
  }
  const [os = 'linux', architecture = goArchitecture(), variant] = parts;
  if (os !== 'linux') throw invalid(`operating system is not supported: ${os}`);
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}

/** Makes an image of one layer from a root file system. Nothing is left when it fails. */
export async function* importImage(context: ImageContext, tar: AsyncIterable<Uint8Array>, options: ImportOptions): AsyncIterable<JsonMessage> {
  const target = options.repo === undefined || options.repo === '' ? undefined : parseTarget(options.repo, options.tag);
  const platform = parsePlatform(options.platform);
  const run = applyChanges({}, options.changes);
  const pending = await context.layers.unpack({ kind: 'stream', chunks: expandHostFormats(tar) });
  const diffId = pending.unpacked.inflatedDigest;
  using _spared = context.layers.protect(chainIds([diffId]));
  const layer = await context.layers.place(pending, []);
  const created = rfc3339Nano(context.clock.nowNanos());
  const config = renderConfig({
    ...platform,
    created,
    comment: options.message,
    config: run,
    rootfs: { type: 'layers', diff_ids: [diffId] },
    history: [{ created, comment: options.message }],
  });
  const image = context.store.add({ config, size: layer.size });
  if (target !== undefined) nameImage(context, image, recordName(target));
  emitImage(context, 'import', image);
  yield { status: image.id };
}
