import { systemClock, type Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Digest } from '#spec/digest.ts';
import type { EmitEvent } from '#spec/event.ts';
import { notFound } from '#base/errors.ts';
import type { ImageConfigFile, Platform } from '#spec/oci-image.ts';
import { parseTarget } from '#spec/reference.ts';
import type { JsonMessage } from '#spec/wire/image.ts';
import type { Database } from '#host/database.ts';
import { createJail, type Jail } from '#host/jail.ts';
import type { Layout } from '#host/layout.ts';
import { createBlobStore } from './blob-store.ts';
import { goArchitecture } from './configuration.ts';
import { nameImage, type ImageContext, type ImageUser } from './context.ts';
import { createImageStore, recordName, type ImageRecord } from './image-store.ts';
import { importImage, type ImportOptions } from './import.ts';
import { createLayerStore } from './layer-store.ts';
import { loadImages } from './load.ts';

export interface ImagesOptions {
  layout: Layout;
  db: Database;
  log: Log;
  emit: EmitEvent;
  /** Every container, for `Containers` counts and for what removal must refuse. */
  usage: () => readonly ImageUser[];
  /** Work on trees; the default makes threads of its own. */
  jail?: Jail;
  clock?: Clock;
  /** True when the engine runs in a user namespace: whiteouts then use `user.` attributes (mount with userxattr). */
  rootless?: boolean;
}

/** What a container is made from. */
export interface LookedUpImage {
  id: Digest;
  config: ImageConfigFile;
  platform: Platform;
  layers: readonly string[];
  size: number;
}

export type Images = ReturnType<typeof createImages>;

/** The images of one engine. Call `recover` once before use. */
export function createImages(options: ImagesOptions) {
  const { layout, db, log, emit, usage, clock = systemClock, jail = createJail(), rootless = false } = options;
  const blobs = createBlobStore(layout);
  const layers = createLayerStore({ layout, db, jail, blobs, rootless });
  const store = createImageStore(db, () => clock.now());
  const context: ImageContext = { db, log, clock, jail, blobs, layers, store, emit, usage, rootless };

  const describe = (image: ImageRecord): LookedUpImage => ({
    id: image.id,
    config: image.config,
    platform: {
      os: image.config.os || 'linux',
      architecture: image.config.architecture || goArchitecture(),
      ...(image.config.variant === undefined ? {} : { variant: image.config.variant }),
    },
    layers: image.chains.toReversed().map((chain) => layers.folder(chain)),
    size: image.size,
  });

  return {
    /** Removes what a crash left half made. */
    recover: (): Promise<void> => layers.sweep(),

    lookup(reference: string, platform?: string): LookedUpImage {
      const found = describe(store.find(reference).image);
      if (platform !== undefined && platform !== '' && !matchesPlatform(found.platform, platform)) {
        throw notFound(
          `image with reference ${reference} was found but its platform (${renderPlatform(found.platform)}) does not match the specified platform (${platform})`,
        );
      }
      return found;
    },
    hold: (image: Digest, owner: string): void => store.hold(image, owner),
    release(owner: string): void {
      store.release(owner);
    },
    displayName(image: Digest, asGiven: string): string {
      try {
        return store.find(asGiven).image.id === image ? asGiven : image;
      } catch {
        return image;
      }
    },

    async tag(name: string, target: { repo: string; tag: string | undefined }): Promise<void> {
      const { image } = store.find(name);
      nameImage(context, image, recordName(parseTarget(target.repo, target.tag)));
    },
    load: (tar: AsyncIterable<Uint8Array>, given: { quiet: boolean; platforms: string[] }): AsyncIterable<JsonMessage> => loadImages(context, tar, given),
    import: (tar: AsyncIterable<Uint8Array>, given: ImportOptions): AsyncIterable<JsonMessage> => importImage(context, tar, given),
    close: (): Promise<void> => jail.close(),
  };
}

const renderPlatform = ({ os, architecture, variant }: Platform): string => [os, architecture, ...(variant ? [variant] : [])].join('/');

function matchesPlatform(platform: Platform, wanted: string): boolean {
  const [os, architecture, variant] = wanted.toLowerCase().split('/');
  const normal = ({ x86_64: 'amd64', aarch64: 'arm64' } as Record<string, string>)[architecture ?? ''] ?? architecture;
  return (
    os === platform.os &&
    (normal === undefined || normal === platform.architecture) &&
    (variant === undefined || platform.variant === undefined || variant === platform.variant)
  );
}
