import { dirname, join } from 'node:path';
import { EngineError } from '#base/errors.ts';
import { rfc3339Nano, ZERO_TIME } from '#base/clock.ts';
import type { ImageHistoryResponseItem, ImageInspect } from '#spec/wire/image.ts';
import { createdAt } from './configuration.ts';
import type { ImageContext } from './context.ts';
import { familiar, isDigestName, type FoundImage, type ImageRecord } from './image-store.ts';
import { descriptorOf, manifestsOf } from './manifest-view.ts';

/** Docker's inspect, with `Parent` and `DockerVersion`, which API versions before 1.52 show. */
export type InspectedImage = ImageInspect & { Parent: string; DockerVersion: string };

export function inspectImage(
  context: ImageContext,
  { image, target }: Pick<FoundImage, 'image' | 'target'>,
  options: { platform?: string | undefined; manifests?: boolean | undefined },
): InspectedImage {
  // One platform is shown with its own manifest, the whole with what its name stands for.
  const shown = options.platform ? (image.manifest ?? target) : (target ?? image.manifest);
  const { config } = image;
  const names = target === undefined ? context.store.namesOf(image.id) : context.store.names().flatMap((entry) => (entry.target === target || entry.image === image.id ? [entry.name] : []));
  const folders = image.chains.toReversed().map((chain) => context.layers.folder(chain));
  const [upper, ...lower] = folders;
  return {
    Id: image.id,
    RepoTags: names.filter((name) => !isDigestName(name)).map(familiar),
    RepoDigests: names.filter(isDigestName).map(familiar),
    Parent: image.parent ?? '',
    Comment: config.comment ?? config.history?.at(-1)?.comment ?? '',
    Created: config.created ?? ZERO_TIME,
    DockerVersion: '',
    Author: config.author ?? '',
    Config: config.config ?? {},
    Architecture: config.architecture,
    ...(config.variant === undefined ? {} : { Variant: config.variant }),
    Os: config.os || 'linux',
    ...(config['os.version'] === undefined ? {} : { OsVersion: config['os.version'] }),
    Size: image.size,
    GraphDriver: {
      Name: 'overlay2',
      Data:
        upper === undefined
          ? {}
          : {
              ...(lower.length > 0 ? { LowerDir: lower.join(':') } : {}),
              MergedDir: join(dirname(upper), 'merged'),
              UpperDir: upper,
              WorkDir: join(dirname(upper), 'work'),
            },
    },
    RootFS: { Type: 'layers', Layers: [...config.rootfs.diff_ids] },
    Metadata: { LastTagTime: image.taggedAt === undefined ? ZERO_TIME : rfc3339Nano(BigInt(image.taggedAt) * 1_000_000n) },
    ...descriptorOf(context, image, shown),
    ...(options.manifests === true && shown !== undefined ? { Manifests: manifestsOf(context, shown) } : {}),
  };
}

/** Newest step first. Only steps whose images are here too have an id. */
export function imageHistory(context: ImageContext, image: ImageRecord): ImageHistoryResponseItem[] {
  const sizes = image.chains.map((chain) => context.layers.get(chain)?.size ?? 0);
  let layer = 0;
  const items = (image.config.history ?? []).map((step) => {
    if (step.empty_layer !== true && layer >= sizes.length) {
      throw new EngineError('internal', 'too many non-empty layers in History section');
    }
    return {
      Id: '<missing>',
      Created: step.created === undefined ? 0 : Math.floor(Date.parse(step.created) / 1000),
      CreatedBy: step.created_by ?? '',
      Tags: [] as string[],
      Size: step.empty_layer === true ? 0 : (sizes[layer++] ?? 0),
      Comment: step.comment ?? '',
    };
  });
  // An image without a history still shows its layers.
  if (items.length === 0) {
    const Created = Math.floor(createdAt(image.config) / 1000);
    items.push(...sizes.map((Size) => ({ Id: '<missing>', Created, CreatedBy: '', Tags: [], Size, Comment: '' })));
  }
  items.reverse();
  let step: ImageRecord | undefined = image;
  for (const item of items) {
    if (step === undefined) break;
    item.Id = step.id;
    item.Tags = context.store.namesOf(step.id).filter((name) => !isDigestName(name)).map(familiar);
    step = step.parent === undefined ? undefined : context.store.get(step.parent);
  }
  return items;
}
