import type { ContainerSummary } from '#spec/wire/container.ts';
import type { ImageSummary } from '#spec/wire/image.ts';
import type { BuildCache, EventMessage, SystemInfo, SystemVersion } from '#spec/wire/system.ts';
import type { Volume } from '#spec/wire/volume.ts';
import { versionBelow } from '../version.ts';
import { type FilterValues, renderFilters } from './filter-values.ts';
import { readJsonLines } from './json-lines.ts';
import { fetchJson, type Transport } from './transport.ts';

/** Disk use, the same shape whatever the engine's version. */
export interface DiskUsageReport {
  layersSize: number;
  images: ImageSummary[];
  containers: ContainerSummary[];
  volumes: Volume[];
  buildCache: BuildCache[];
}

export interface SystemClient {
  info(): Promise<SystemInfo>;
  version(): Promise<SystemVersion>;
  diskUsage(types?: readonly ('container' | 'image' | 'volume' | 'build-cache')[]): Promise<DiskUsageReport>;
  /** Past events from `since`, then live ones until `until` or abort. `timeNano` is exact: a bigint. */
  events(options?: {
    since?: string | undefined;
    until?: string | undefined;
    filters?: FilterValues;
    signal?: AbortSignal | undefined;
  }): Promise<AsyncIterable<EventMessage>>;
}

export function createSystemClient(transport: Transport): SystemClient {
  return {
    info: () => fetchJson(transport, { method: 'GET', path: '/info' }),
    version: () => fetchJson(transport, { method: 'GET', path: '/version' }),
    diskUsage: async (types) => {
      const legacy = versionBelow(await transport.version(), '1.52');
      const query = legacy ? { type: types } : { type: types, verbose: true };
      const answer = await fetchJson<DiskUsageAnswer>(transport, { method: 'GET', path: '/system/df', query });
      return legacy
        ? {
            layersSize: answer.LayersSize ?? 0,
            images: answer.Images ?? [],
            containers: answer.Containers ?? [],
            volumes: answer.Volumes ?? [],
            buildCache: answer.BuildCache ?? [],
          }
        : {
            layersSize: answer.ImageUsage?.TotalSize ?? 0,
            images: answer.ImageUsage?.Items ?? [],
            containers: answer.ContainerUsage?.Items ?? [],
            volumes: answer.VolumeUsage?.Items ?? [],
            buildCache: answer.BuildCacheUsage?.Items ?? [],
          };
    },
    events: async ({ since, until, filters, signal } = {}) => {
      const query = { since, until, filters: renderFilters(filters) };
      const response = await transport.send({ method: 'GET', path: '/events', query, signal });
      return readJsonLines<EventMessage>(response.body, exactNanos);
    },
  };
}

interface DiskUsageAnswer {
  LayersSize?: number;
  Images?: ImageSummary[] | null;
  Containers?: ContainerSummary[] | null;
  Volumes?: Volume[] | null;
  BuildCache?: BuildCache[] | null;
  ImageUsage?: { TotalSize?: number; Items?: ImageSummary[] };
  ContainerUsage?: { Items?: ContainerSummary[] };
  VolumeUsage?: { Items?: Volume[] };
  BuildCacheUsage?: { Items?: BuildCache[] };
}

/** Nanoseconds since the epoch do not fit a double. */
function exactNanos(key: string, value: unknown, context?: { source?: string }): unknown {
  return key === 'timeNano' && context?.source !== undefined && /^\d+$/.test(context.source) ? BigInt(context.source) : value;
}
