import { statfsSync } from 'node:fs';
import type { Jail } from '#host/jail.ts';
import type { BuildLayers } from '../cache/layers.ts';
import type { BuildLayerId } from '../tree.ts';

/** Files that a client sent for one build, as a layer. */
export interface SentContext extends Disposable {
  readonly layer: BuildLayerId;
  readonly folder: string;
  /** Names what was sent: same name, same files. */
  readonly content: string;
  /** The one file it has, where it is nothing but a Dockerfile. */
  readonly dockerfile?: string;
  /** A file in which workers remember digests of its files. */
  readonly memo?: string;
}

const MAX_INFLATED = 64 * 2 ** 30;

/** Unpacks a tar (compressed or not) as a context. All files belong to root, as in Docker. */
export async function contextFromTar(tar: AsyncIterable<Uint8Array>, { layers, jail }: { layers: BuildLayers; jail: Jail }): Promise<SentContext> {
  const layer = layers.create();
  const held = layers.protect([layer.id]);
  try {
    const { bavail, bsize } = statfsSync(layer.upper);
    const room = Math.max(0, bavail * bsize - (64 << 20));
    const { inflatedDigest } = await jail.run<'unpack'>(
      {
        kind: 'unpack', root: { kind: 'folder', path: layer.upper }, folder: '/', source: { kind: 'stream' }, whiteouts: 'keep', noOverwriteDirNonDir: false,
        owner: { uid: 0, gid: 0 }, keep: undefined, limits: { inflated: Math.min(MAX_INFLATED, room), byDisk: room < MAX_INFLATED, entries: 5_000_000 },
      },
      tar,
    );
    await layers.seal(layer);
    return { layer: layer.id, folder: layer.upper, content: inflatedDigest, [Symbol.dispose]: () => held[Symbol.dispose]() };
  } catch (error) {
    held[Symbol.dispose]();
    await layers.discard(layer);
    throw error;
  }
}
