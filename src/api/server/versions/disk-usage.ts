import type { BuildCacheRecord } from '#spec/wire/build.ts';
import type { DiskUsage } from '../../services.ts';
import { versionBelow } from '../../version.ts';
import { adaptContainerSummary } from './container.ts';
import { adaptImageSummary } from './image.ts';

type UsageType = 'container' | 'image' | 'volume' | 'build-cache';

interface Summary {
  ActiveCount: number;
  TotalCount: number;
  Reclaimable: number;
  TotalSize: number;
  Items?: readonly unknown[];
}

/**
 * GET /system/df. Until 1.51 lists of things; since 1.52 a summary for each type, with the things in `Items` when verbose,
 * and the old lists beside it when not (clients that name no version read those).
 */
export function renderDiskUsage(usage: DiskUsage, types: readonly UsageType[], version: string, verbose: boolean): Record<string, unknown> {
  const modern = !versionBelow(version, '1.52');
  const wants = (type: UsageType): boolean => types.includes(type);
  const images = usage.images.map((image) => ({ ...adaptImageSummary(image, version), Containers: image.Containers }));
  const containers = usage.containers.map((container) => adaptContainerSummary(container, version));
  const cache = usage.buildCache.map((record) => adaptCacheRecord(record, version));
  const answer: Record<string, unknown> = {};

  if (!modern || !verbose) {
    const lists: [type: UsageType, name: string, items: readonly unknown[]][] = [
      ['image', 'Images', images], ['container', 'Containers', containers], ['volume', 'Volumes', usage.volumes], ['build-cache', 'BuildCache', cache],
    ];
    if (wants('image') || !modern) answer['LayersSize'] = wants('image') ? usage.layersSize : 0;
    for (const [type, name, items] of lists) {
      if (wants(type)) answer[name] = items;
      // Before 1.52 what was not asked for is there as well, without a value.
      else if (!modern) answer[name] = null;
    }
    if (versionBelow(version, '1.42')) answer['BuilderSize'] = cacheSize(cache);
  }
  if (modern) {
    const withItems = (summary: Summary, items: readonly unknown[]): Summary => (verbose ? { ...summary, Items: items } : summary);
    if (wants('image')) answer['ImageUsage'] = withItems(imageSummary(usage), images);
    if (wants('container')) answer['ContainerUsage'] = withItems(containerSummary(usage), containers);
    if (wants('volume')) answer['VolumeUsage'] = withItems(volumeSummary(usage), usage.volumes);
    if (wants('build-cache')) answer['BuildCacheUsage'] = withItems(cacheSummary(cache), cache);
  }
  return answer;
}

function imageSummary({ images, layersSize }: DiskUsage): Summary {
  const active = images.filter((image) => image.Containers > 0);
  const used = active.reduce((sum, image) => sum + image.Size - Math.max(image.SharedSize, 0), 0);
  return { ActiveCount: active.length, TotalCount: images.length, Reclaimable: Math.max(layersSize - used, 0), TotalSize: layersSize };
}

function containerSummary({ containers }: DiskUsage): Summary {
  const sizeOf = (list: typeof containers): number => list.reduce((sum, container) => sum + (container.SizeRw ?? 0), 0);
  const active = containers.filter(({ State }) => State === 'running' || State === 'paused' || State === 'restarting');
  const total = sizeOf(containers);
  return { ActiveCount: active.length, TotalCount: containers.length, Reclaimable: total - sizeOf(active), TotalSize: total };
}

function volumeSummary({ volumes }: DiskUsage): Summary {
  const sizeOf = (list: typeof volumes): number => list.reduce((sum, volume) => sum + Math.max(volume.UsageData?.Size ?? 0, 0), 0);
  const active = volumes.filter((volume) => (volume.UsageData?.RefCount ?? 0) > 0);
  const total = sizeOf(volumes);
  return { ActiveCount: active.length, TotalCount: volumes.length, Reclaimable: total - sizeOf(active), TotalSize: total };
}

/** Before 1.42 a record had one parent at most. */
function adaptCacheRecord(record: BuildCacheRecord, version: string): BuildCacheRecord & { Parent?: string } {
  if (!versionBelow(version, '1.42')) return record;
  const { Parents, ...rest } = record;
  return { ...rest, Parent: Parents?.[0] ?? '' };
}

const cacheSize = (cache: readonly BuildCacheRecord[]): number => cache.filter(({ Shared }) => !Shared).reduce((sum, { Size }) => sum + Size, 0);

function cacheSummary(cache: readonly BuildCacheRecord[]): Summary {
  const free = cache.filter(({ InUse }) => !InUse);
  return { ActiveCount: cache.length - free.length, TotalCount: cache.length, Reclaimable: cacheSize(free), TotalSize: cacheSize(cache) };
}
