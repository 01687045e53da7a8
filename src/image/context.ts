import type { Log } from '#base/log.ts';
import type { Clock } from '#base/clock.ts';
import type { Digest } from '#spec/digest.ts';
import type { EmitEvent } from '#spec/event.ts';
import type { Database } from '#host/database.ts';
import type { Jail } from '#host/jail.ts';
import type { BlobStore } from './blob-store.ts';
import { familiar, isDigestName, type ImageRecord, type ImageStore } from './image-store.ts';
import type { LayerStore } from './layer-store.ts';
import type { Leases } from './leases.ts';

/** A container as far as images are concerned. */
export interface ImageUser {
  id: string;
  image: Digest;
  running: boolean;
}

/** What the image operations share. */
export interface ImageContext {
  db: Database;
  log: Log;
  clock: Clock;
  jail: Jail;
  blobs: BlobStore;
  layers: LayerStore;
  leases: Leases;
  store: ImageStore;
  emit: EmitEvent;
  usage: () => readonly ImageUser[];
  rootless: boolean;
}

/** Docker's image event: the actor is the image's id; `name` is what was named, or the id again. */
export function emitImage(context: ImageContext, action: string, image: Pick<ImageRecord, 'id' | 'config'>, name: string = image.id): void {
  context.emit({ type: 'image', action, id: image.id, attributes: { ...image.config.config?.Labels, name } });
}

/** Names the image and what it stands for; an image that lost the name and has no other stays, dangling. Returns that image. */
export function nameImage(context: ImageContext, image: ImageRecord, name: string, target?: Digest, given = true): Digest | undefined {
  const before = context.store.setName(name, image.id, target, given);
  if (!isDigestName(name)) emitImage(context, 'tag', image, familiar(name));
  return before;
}
