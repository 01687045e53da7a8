import type { Filters } from '#spec/filters.ts';
import type { ContainerSummary } from '#spec/wire/container.ts';
import type { Archives } from './archive.ts';
import type { ContainerRecord } from './container-record.ts';
import { countsAsRunning, hasProcess } from './container-state.ts';
import { summaryView } from './container-view.ts';
import type { ContainerContext } from './context.ts';
import { linkNames } from './links.ts';
import { listFilter } from './list-filters.ts';

export interface ListOptions {
  all: boolean;
  /** The newest n, running or not; undefined or 0 for no limit. */
  limit: number | undefined;
  size: boolean;
  filters: Filters;
}

type ListContext = Pick<ContainerContext, 'store' | 'images' | 'networks' | 'layout' | 'rootfs' | 'clock'> & {
  archives: Pick<Archives, 'size'>;
  networkId: (name: string) => string | undefined;
};

/** Containers, newest first, from their records; only sizes touch the disk. */
export async function listContainers(context: ListContext, options: ListOptions): Promise<ContainerSummary[]> {
  const { store, networks, layout, clock, networkId } = context;
  const { matches, impliesAll } = listFilter(options.filters, {
    find: (name) => store.find(name),
    descendsFrom: (record, image) => descendsFrom(context, record, image),
    networksOf: (record) => networkNames(context, record),
    portsOf: (record) => (hasProcess(record.life) ? (networks.find(record.id)?.ports ?? {}) : {}),
  });
  const limit = options.limit !== undefined && options.limit > 0 ? options.limit : undefined;
  const all = options.all || impliesAll || limit !== undefined;
  const chosen: ContainerRecord[] = [];
  for (const record of [...store.all()].reverse()) {
    if (limit !== undefined && chosen.length >= limit) break;
    if ((all || countsAsRunning(record.life.status)) && matches(record)) chosen.push(record);
  }
  const imageName = memoised(context);
  const links = linkNames(context);
  const now = clock.now();
  const sizes = options.size ? await Promise.all(chosen.map((record) => sizesOf(context, record))) : [];
  return chosen.map((record, index) =>
    summaryView(record, {
      folder: layout.container(record.id),
      sandbox: hasProcess(record.life) ? networks.find(record.id) : undefined,
      networkId,
      image: imageName(record),
      linkNames: links.get(record.id) ?? [],
      now,
      sizes: sizes[index],
    }),
  );
}

/** Bytes that the container wrote, and those together with its image's. */
export async function sizesOf(context: Pick<ListContext, 'archives' | 'rootfs' | 'images'>, record: ContainerRecord): Promise<{ rw: number; rootFs: number }> {
  const rw = await context.archives.size({ upper: context.rootfs.upper(record.id) });
  return { rw, rootFs: rw + imageSize(context, record) };
}

function imageSize({ images }: Pick<ListContext, 'images'>, { image }: ContainerRecord): number {
  try {
    return images.lookup(image).size;
  } catch {
    return 0;
  }
}

/** Many containers share few images. */
function memoised({ images }: Pick<ListContext, 'images'>): (record: ContainerRecord) => string {
  const names = new Map<string, string>();
  return ({ image, config }) => {
    const key = `${image} ${config.Image ?? ''}`;
    const name = names.get(key) ?? images.displayName(image, config.Image ?? '');
    names.set(key, name);
    return name;
  };
}

function descendsFrom({ images }: Pick<ListContext, 'images'>, record: ContainerRecord, name: string): boolean {
  if (record.image === name || record.config.Image === name) return true;
  try {
    const ancestor = images.lookup(name);
    if (ancestor.id === record.image) return true;
    const own = images.lookup(record.image);
    // Topmost first: a descendant ends with its ancestor's layers. One without layers of its own has a longer history.
    const more = own.layers.length - ancestor.layers.length;
    if (more < 0 || ancestor.layers.length === 0 || !ancestor.layers.every((layer, index) => layer === own.layers[more + index])) return false;
    return more > 0 || continues(own.config.history ?? [], ancestor.config.history ?? []);
  } catch {
    return false;
  }
}

const continues = (history: readonly unknown[], earlier: readonly unknown[]): boolean =>
  history.length > earlier.length && earlier.every((entry, index) => JSON.stringify(entry) === JSON.stringify(history[index]));

function networkNames({ networks, networkId }: Pick<ListContext, 'networks' | 'networkId'>, record: ContainerRecord): string[] {
  const mode = record.hostConfig.NetworkMode ?? '';
  const names = Object.keys((hasProcess(record.life) ? networks.find(record.id)?.endpoints : undefined) ?? record.networks);
  const all = mode === 'host' || mode === 'none' ? [mode] : names;
  return all.flatMap((name) => [name, networkId(name) ?? name]);
}
