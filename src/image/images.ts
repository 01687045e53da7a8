import { availableParallelism } from 'node:os';
import { systemClock, type Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { isDigest, type Digest } from '#spec/digest.ts';
import type { EmitEvent } from '#spec/event.ts';
import type { ImageConfigFile, Platform } from '#spec/oci-image.ts';
import { parseTarget } from '#spec/reference.ts';
import type { Filters } from '#spec/filters.ts';
import type { ImageDeleteResponseItem, ImageHistoryResponseItem, ImagesPruneResponse, ImageSummary, JsonMessage } from '#spec/wire/image.ts';
import type { StoreCheckLine } from '#spec/wire/system.ts';
import type { Database } from '#host/database.ts';
import { createJail, type Jail } from '#host/jail.ts';
import type { Layout } from '#host/layout.ts';
import { checkStore, type CheckOptions } from './check/check.ts';
import { createBlobStore } from './blob-store.ts';
import { bootstrapImage } from './bootstrap.ts';
import { commitImage, type CommitOptions } from './commit.ts';
import { nameImage, type ImageContext, type ImageUser } from './context.ts';
import { createImageStore, recordName, type ImageRecord } from './image-store.ts';
import { createLeases } from './leases.ts';
import { platformOf } from './platform.ts';
import { recordImage, type Recorded, type RecordRequest } from './record.ts';
import { selectImage } from './select.ts';
import { preparePlatform } from './unpack-platform.ts';
import { imageDiskUsage } from './disk-usage.ts';
import { importImage, importUrl, type ImportOptions } from './import.ts';
import { imageHistory, inspectImage, type InspectedImage } from './inspect.ts';
import { createLayerStore } from './layer-store.ts';
import { createSettling } from './settle.ts';
import { listImages, type ListOptions } from './list.ts';
import { loadImages } from './load.ts';
import { pruneImages, removeImage } from './remove.ts';
import { saveImageAs, saveImages } from './save.ts';
import { createRegistryImages } from './registry-images.ts';
import type { RegistriesOptions } from './registry/registries.ts';

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
  registries?: RegistriesOptions;
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
  const leases = createLeases(db);
  // Its own threads: a registry that stalls must not keep a `docker cp` waiting.
  const layerJail = createJail({ threads: Math.max(3, availableParallelism() + 1) });
  const settling = createSettling({ db, log, sync: () => layerJail.run<'sync'>({ kind: 'sync', path: layout.root }) });
  const layers = createLayerStore({ layout, db, jail: layerJail, blobs, leases, settling, rootless });
  const store = createImageStore(db, () => clock.now());
  const context: ImageContext = { db, log, clock, jail, blobs, layers, leases, store, emit, usage, rootless };

  const registry = createRegistryImages(context, { settings: options.registries ?? {}, folder: layout.downloads });

  const describe = (image: ImageRecord): LookedUpImage => ({
    id: image.id,
    config: image.config,
    platform: platformOf(image.config),
    layers: image.chains.toReversed().map((chain) => layers.folder(chain)),
    size: image.size,
  });

  /** The machine went down before the disk had the newest layers: what is damaged is mended or goes. */
  const verify = async (): Promise<void> => {
    for await (const line of checkStore(context, { repair: true, quick: false })) {
      if ('Problem' in line) log.warn('the image store was damaged when the machine went down', { ...line.Problem });
    }
    settling.trust();
  };

  return {
    /** Makes pulled, loaded or built content visible under its names. */
    record: (request: RecordRequest): Recorded => recordImage(context, request),
    /** Keeps blobs and layers from the collector: for one piece of work, or by an owner's name over restarts. */
    leases,
    /** For the build room, which adds images of its own making. */
    context,
    check: (given: CheckOptions): AsyncIterable<StoreCheckLine> => checkStore(context, given),
    /** Removes what a crash left half made. */
    async recover(): Promise<void> {
      await Promise.all([layers.sweep(), registry.recover()]);
      if (settling.doubtful()) verify().catch((error: unknown) => log.error('the image store could not be verified', { error }));
    },
    /** Pull, push, resolve and what else registries are asked. */
    registry,
    pull: registry.pull,
    push: registry.push,
    distribution: registry.distribution,
    manifest: registry.manifest,
    putManifest: registry.putManifest,
    authenticate: registry.authenticate,
    search: registry.search,

    /** By a full id this also finds what was removed under a container that still needs it. */
    lookup(reference: string, platform?: string): LookedUpImage {
      const kept = isDigest(reference) ? store.getKept(reference) : undefined;
      return describe(kept !== undefined && !platform ? kept : selectImage(context, reference, platform).image);
    },
    /** As `lookup`, of what clients see: an image that was removed by force and lives for its containers alone is none. */
    find: (reference: string, platform?: string): LookedUpImage => describe(selectImage(context, reference, platform).image),
    prepare: (reference: string, platform: string): Promise<void> => preparePlatform(context, reference, platform),
    hold: (image: Digest, owner: string): void => store.hold(image, owner),
    release(owner: string): void {
      if (store.release(owner)) layers.collect().catch((error: unknown) => log.error('collecting layers failed', { error }));
    },
    displayName(image: Digest, asGiven: string): string {
      try {
        return store.find(asGiven).image.id === image ? asGiven : image;
      } catch {
        return image;
      }
    },

    list: async (given: ListOptions): Promise<ImageSummary[]> => listImages(context, given),
    async inspect(name: string, given: { platform?: string | undefined; manifests?: boolean | undefined }): Promise<InspectedImage> {
      await preparePlatform(context, name, given.platform);
      return inspectImage(context, selectImage(context, name, given.platform), given);
    },
    async history(name: string, given: { platform?: string | undefined }): Promise<ImageHistoryResponseItem[]> {
      await preparePlatform(context, name, given.platform);
      return imageHistory(context, selectImage(context, name, given.platform).image);
    },
    remove: (name: string, given: { force: boolean; noPrune: boolean; platforms?: string[] | undefined }): Promise<ImageDeleteResponseItem[]> => removeImage(context, name, given),
    prune: (filters: Filters): Promise<ImagesPruneResponse> => pruneImages(context, filters),
    async save(names: string[], given: { platforms: string[] }, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
      return saveImages(context, names, given.platforms, signal);
    },
    /** As `save` for an image without names, with these in the archive. */
    saveAs: (id: Digest, names: readonly string[], signal: AbortSignal): AsyncIterable<Uint8Array> => saveImageAs(context, id, names, signal),
    /** The new image's id. */
    commit: async (given: CommitOptions): Promise<Digest> => (await commitImage(context, given)).id,
    /** What images take on the disk, as `du` counts. */
    diskUsage: (): Promise<{ layersSize: number; images: ImageSummary[] }> => imageDiskUsage(context),
    async tag(name: string, target: { repo: string; tag: string | undefined }): Promise<void> {
      const found = store.find(name);
      nameImage(context, found.image, recordName(parseTarget(target.repo, target.tag)), found.target);
    },
    load: (tar: AsyncIterable<Uint8Array>, given: { quiet: boolean; platforms: string[] }): AsyncIterable<JsonMessage> => loadImages(context, tar, given),
    import: (tar: AsyncIterable<Uint8Array>, given: ImportOptions): AsyncIterable<JsonMessage> => importImage(context, tar, given),
    importUrl: (source: string, given: ImportOptions): AsyncIterable<JsonMessage> => importUrl(context, source, given),
    /** Makes `busybox`, `debian` or `debian:<release>` from this machine's packages; the last status is the image's id. */
    bootstrap: (name: string, signal?: AbortSignal): AsyncIterable<JsonMessage> => bootstrapImage(context, name, signal),
    async close(): Promise<void> {
      registry.close();
      settling.close();
      await Promise.all([jail.close(), layerJail.close()]);
    },
  };
}
