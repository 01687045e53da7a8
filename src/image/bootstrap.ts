import { Readable } from 'node:stream';
import { invalid } from '#base/errors.ts';
import { parseReference } from '#spec/reference.ts';
import type { ImageRunConfig } from '#spec/oci-image.ts';
import type { JsonMessage } from '#spec/wire/image.ts';
import { busyboxRoot } from './bootstrap/busybox.ts';
import { debianRoot } from './bootstrap/debian.ts';
import { goArchitecture, renderConfig } from './configuration.ts';
import { emitImage, nameImage, type ImageContext } from './context.ts';
import { chainIds } from './documents.ts';
import { recordName } from './image-store.ts';
import type { PendingLayer } from './layer-store.ts';

const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Makes a base image from the distribution's own packages: `busybox`, `debian` or `debian:<release>`. */
export async function* bootstrapImage(context: ImageContext, name: string, signal?: AbortSignal): AsyncIterable<JsonMessage> {
  const [family = '', release] = name.split(':');
  if (family === 'busybox' && (release === undefined || release === 'latest')) yield* bootstrapBusybox(context);
  else if (family === 'debian') yield* bootstrapDebian(context, release === 'latest' ? undefined : release, signal);
  else throw invalid(`there is no recipe for ${JSON.stringify(name)}: busybox, debian or debian:<release>`);
}

async function* bootstrapBusybox(context: ImageContext): AsyncIterable<JsonMessage> {
  const { version, time, tar } = await busyboxRoot();
  yield { status: `Packing BusyBox ${version} of this machine` };
  const pending = await context.layers.unpack({ kind: 'stream', chunks: Readable.from(tar) });
  yield* finish(context, pending, {
    tags: ['busybox:latest', ...(version === 'unknown' ? [] : [`busybox:${version}`])],
    time,
    comment: `BusyBox ${version} from the package busybox-static`,
    config: { Cmd: ['sh'], Env: [PATH] },
  });
}

async function* bootstrapDebian(context: ImageContext, release: string | undefined, signal: AbortSignal | undefined): AsyncIterable<JsonMessage> {
  const root = debianRoot(release);
  signal?.addEventListener('abort', root.kill, { once: true });
  if (signal?.aborted === true) root.kill();
  yield { status: `Installing Debian ${root.suite} with mmdebstrap` };
  let unpacking: Promise<PendingLayer> | undefined;
  let pending: PendingLayer | undefined;
  try {
    unpacking = context.layers.unpack({ kind: 'stream', chunks: root.tar });
    unpacking.catch(() => root.kill());
    for await (const line of root.progress) yield { status: line };
    await root.done;
    pending = await unpacking;
  } finally {
    signal?.removeEventListener('abort', root.kill);
    if (pending === undefined) {
      root.kill();
      await unpacking?.then((made) => context.layers.discard(made)).catch(() => {});
    }
  }
  yield* finish(context, pending, {
    tags: [`debian:${root.suite}`, ...(release === undefined ? ['debian:latest'] : [])],
    time: new Date(context.clock.now()),
    comment: `Debian ${root.suite}, minimal, made with mmdebstrap`,
    config: { Cmd: ['bash'], Env: [PATH] },
  });
}

async function* finish(
  context: ImageContext,
  pending: PendingLayer,
  { tags, time, comment, config: run }: { tags: string[]; time: Date; comment: string; config: ImageRunConfig },
): AsyncIterable<JsonMessage> {
  const diffId = pending.unpacked.inflatedDigest;
  using _spared = context.layers.protect(chainIds([diffId]));
  const layer = await context.layers.place(pending, []);
  const created = time.toISOString();
  const config = renderConfig({
    architecture: goArchitecture(),
    os: 'linux',
    created,
    config: run,
    rootfs: { type: 'layers', diff_ids: [diffId] },
    history: [{ created, created_by: 'gantry image bootstrap', comment }],
  });
  const image = context.store.add({ config, size: layer.size });
  emitImage(context, 'import', image);
  for (const tag of tags) nameImage(context, image, recordName(parseReference(tag)));
  for (const tag of tags) yield { status: `Made image ${tag}` };
  yield { status: image.id };
}
