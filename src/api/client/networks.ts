import type {
  NetworkConnectRequest,
  NetworkCreateRequest,
  NetworkCreateResponse,
  NetworkDisconnectRequest,
  NetworkInspect,
  NetworkPath,
  PublishedPortInfo,
  NetworksPruneResponse,
} from '#spec/wire/network.ts';
import { type FilterValues, renderFilters } from './filter-values.ts';
import { fetchJson, perform, type Transport } from './transport.ts';

export interface NetworksClient {
  list(filters?: FilterValues): Promise<NetworkInspect[]>;
  inspect(name: string, options?: { verbose?: boolean; scope?: string | undefined }): Promise<NetworkInspect>;
  create(body: NetworkCreateRequest): Promise<NetworkCreateResponse>;
  remove(name: string): Promise<void>;
  connect(name: string, body: NetworkConnectRequest): Promise<void>;
  disconnect(name: string, body: NetworkDisconnectRequest): Promise<void>;
  prune(filters?: FilterValues): Promise<NetworksPruneResponse>;
  /** Gantry only. */
  ports(): Promise<PublishedPortInfo[]>;
  /** Gantry only. Parties are containers, addresses, `host` and `world`; `port` is `80` or `53/udp`. */
  explain(question: { from: string; to: string; port?: string | undefined }): Promise<NetworkPath[]>;
}

export function createNetworksClient(transport: Transport): NetworksClient {
  const at = (name: string, rest = ''): string => `/networks/${encodeURIComponent(name)}${rest}`;
  return {
    list: (filters) => fetchJson(transport, { method: 'GET', path: '/networks', query: { filters: renderFilters(filters) } }),
    inspect: (name, options = {}) => fetchJson(transport, { method: 'GET', path: at(name), query: options }),
    create: (body) => fetchJson(transport, { method: 'POST', path: '/networks/create', json: body }),
    remove: (name) => perform(transport, { method: 'DELETE', path: at(name) }),
    connect: (name, body) => perform(transport, { method: 'POST', path: at(name, '/connect'), json: body }),
    disconnect: (name, body) => perform(transport, { method: 'POST', path: at(name, '/disconnect'), json: body }),
    prune: (filters) => fetchJson(transport, { method: 'POST', path: '/networks/prune', query: { filters: renderFilters(filters) } }),
    ports: () => fetchJson(transport, { method: 'GET', path: '/gantry/networks/ports' }),
    explain: (question) => fetchJson(transport, { method: 'GET', path: '/gantry/networks/explain', query: question }),
  };
}
