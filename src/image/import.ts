import { invalid } from '#base/errors.ts';
import { rfc3339Nano } from '#base/clock.ts';
import { parseTarget } from '#spec/reference.ts';
import type { Platform } from '#spec/oci-image.ts';
import type { JsonMessage } from '#spec/wire/image.ts';
import { applyChanges } from './changes.ts';
import { renderConfig } from './configuration.ts';
import { emitImage, nameImage, type ImageContext } from './context.ts';
import { chainIds } from './documents.ts';
import { openUrl } from './download.ts';
import { expandHostFormats } from './host-decoder.ts';
import { recordName } from './image-store.ts';
import { hostPlatform, parsePlatform } from './platform.ts';

export interface ImportOptions {
  repo: string | undefined;
  tag: string | undefined;
  message: string;
  changes: string[];
  platform: string | undefined;
}

function importPlatform(text: string | undefined): Platform {
  if (text === undefined || text === '') return hostPlatform();
  const platform = parsePlatform(text);
  if (platform.os !== 'linux') throw invalid(`operating system is not supported: ${platform.os}`);
  return platform;
}

/** As `importImage`, of what a URL gives. */
export async function* importUrl(context: ImageContext, source: string, options: ImportOptions): AsyncIterable<JsonMessage> {
  const { url, chunks } = await openUrl(source);
  yield { status: `Downloading from ${url}` };
  yield* importImage(context, chunks, options);
}

/** Makes an image of one layer from a root file system. Nothing is left when it fails. */
export async function* importImage(context: ImageContext, tar: AsyncIterable<Uint8Array>, options: ImportOptions): AsyncIterable<JsonMessage> {
  const target = options.repo === undefined || options.repo === '' ? undefined : parseTarget(options.repo, options.tag);
  const platform = importPlatform(options.platform);
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
