import type { Volume, VolumeCreateRequest, VolumeListResponse, VolumesPruneResponse } from '#spec/wire/volume.ts';
import { type FilterValues, renderFilters } from './filter-values.ts';
import { fetchJson, perform, type Transport } from './transport.ts';

export interface VolumesClient {
  list(filters?: FilterValues): Promise<VolumeListResponse>;
  create(body: VolumeCreateRequest): Promise<Volume>;
  inspect(name: string): Promise<Volume>;
  remove(name: string, options?: { force?: boolean }): Promise<void>;
  prune(filters?: FilterValues): Promise<VolumesPruneResponse>;
}

export function createVolumesClient(transport: Transport): VolumesClient {
  const at = (name: string): string => `/volumes/${encodeURIComponent(name)}`;
  return {
    list: (filters) => fetchJson(transport, { method: 'GET', path: '/volumes', query: { filters: renderFilters(filters) } }),
    create: (body) => fetchJson(transport, { method: 'POST', path: '/volumes/create', json: body }),
    inspect: (name) => fetchJson(transport, { method: 'GET', path: at(name) }),
    remove: (name, options = {}) => perform(transport, { method: 'DELETE', path: at(name), query: { force: options.force } }),
    prune: (filters) => fetchJson(transport, { method: 'POST', path: '/volumes/prune', query: { filters: renderFilters(filters) } }),
  };
}
