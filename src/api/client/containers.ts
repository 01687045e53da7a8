import { invalid } from '#base/errors.ts';
import type {
  ContainerCreateRequest,
  ContainerCreateResponse,
  ContainerInspectResponse,
  ContainersPruneResponse,
  ContainerSummary,
  ContainerTopResponse,
  ContainerUpdateRequest,
  ContainerUpdateResponse,
  ContainerWaitResponse,
  FilesystemChange,
  IDResponse,
} from '#spec/wire/container.ts';
import type { ContainerStatsResponse } from '#spec/wire/stats.ts';
import type { ArchiveStat, OutputChunk } from '#spec/streams.ts';
import { versionBelow } from '../version.ts';
import { readJsonLines } from './json-lines.ts';
import { type FilterValues, renderFilters } from './filter-values.ts';
import { type ClientSession, createSession, outputChunks } from './session.ts';
import { fetchJson, perform, type Transport } from './transport.ts';

export interface LogRequest {
  stdout?: boolean;
  stderr?: boolean;
  follow?: boolean;
  /** Unix seconds with fraction, RFC 3339, or a Go duration that the engine counts back from now. */
  since?: string;
  until?: string;
  timestamps?: boolean;
  details?: boolean;
  /** A number or `all`. */
  tail?: string;
  /** Whether the container has a tty; asked from the engine when absent and the answer does not tell. */
  tty?: boolean;
  signal?: AbortSignal | undefined;
}

export interface AttachRequest {
  stdin?: boolean;
  stdout?: boolean;
  stderr?: boolean;
  /** Replay what was logged before. */
  logs?: boolean;
  /** Follow live. Default true. */
  stream?: boolean;
  detachKeys?: string | undefined;
  /** Whether the container has a tty; asked from the engine when absent and the answer does not tell. */
  tty?: boolean;
  signal?: AbortSignal | undefined;
}

/** Operations on containers; a name is a full id, a unique prefix of one, or a name. */
export interface ContainersClient {
  list(options?: { all?: boolean; limit?: number | undefined; size?: boolean; filters?: FilterValues }): Promise<ContainerSummary[]>;
  create(
    body: ContainerCreateRequest,
    options?: { name?: string | undefined; platform?: string | undefined },
  ): Promise<ContainerCreateResponse>;
  inspect(name: string, options?: { size?: boolean }): Promise<ContainerInspectResponse>;
  start(name: string, options?: { detachKeys?: string | undefined }): Promise<void>;
  /** `timeout` in seconds, -1 for ever. Stopping a stopped container is no error. */
  stop(name: string, options?: { signal?: string | undefined; timeout?: number | undefined }): Promise<void>;
  restart(name: string, options?: { signal?: string | undefined; timeout?: number | undefined }): Promise<void>;
  kill(name: string, signal?: string): Promise<void>;
  pause(name: string): Promise<void>;
  unpause(name: string): Promise<void>;
  rename(name: string, to: string): Promise<void>;
  update(name: string, body: ContainerUpdateRequest): Promise<ContainerUpdateResponse>;
  remove(name: string, options?: { volumes?: boolean; force?: boolean; link?: boolean }): Promise<void>;
  prune(filters?: FilterValues): Promise<ContainersPruneResponse>;
  /** Resolves once the engine watches the container; `done` resolves when the condition holds. */
  wait(
    name: string,
    options?: { condition?: 'not-running' | 'next-exit' | 'removed'; signal?: AbortSignal | undefined },
  ): Promise<{ done: Promise<ContainerWaitResponse> }>;
  top(name: string, psArgs?: string): Promise<ContainerTopResponse>;
  stats(
    name: string,
    options?: { stream?: boolean; oneShot?: boolean; signal?: AbortSignal | undefined },
  ): Promise<AsyncIterable<ContainerStatsResponse>>;
  logs(name: string, options: LogRequest): Promise<{ tty: boolean; output: AsyncIterable<OutputChunk> }>;
  attach(name: string, options: AttachRequest): Promise<ClientSession>;
  resize(name: string, size: { height: number; width: number }): Promise<void>;
  changes(name: string): Promise<FilesystemChange[]>;
  export(name: string, options?: { signal?: AbortSignal | undefined }): Promise<AsyncIterable<Uint8Array>>;
  archiveStat(name: string, path: string): Promise<ArchiveStat>;
  archiveGet(
    name: string,
    path: string,
    options?: { signal?: AbortSignal | undefined },
  ): Promise<{ stat: ArchiveStat; tar: AsyncIterable<Uint8Array> }>;
  archivePut(
    name: string,
    path: string,
    tar: AsyncIterable<Uint8Array>,
    options?: { noOverwriteDirNonDir?: boolean; copyUidGid?: boolean },
  ): Promise<void>;
  commit(
    name: string,
    options?: {
      repo?: string | undefined;
      tag?: string | undefined;
      comment?: string | undefined;
      author?: string | undefined;
      pause?: boolean;
      changes?: readonly string[];
      /** Gantry only: SOURCE_DATE_EPOCH, seconds that no time in the image lies after. */
      epoch?: number | undefined;
      config?: ContainerCreateRequest;
    },
  ): Promise<IDResponse>;
}

export function createContainersClient(transport: Transport): ContainersClient {
  const at = (name: string, rest = ''): string => `/containers/${encodeURIComponent(name)}${rest}`;
  const post = (name: string, verb: string, query: Record<string, string | number | boolean | undefined> = {}): Promise<void> =>
    perform(transport, { method: 'POST', path: at(name, verb), query });

  const inspect: ContainersClient['inspect'] = (name, options = {}) =>
    fetchJson(transport, { method: 'GET', path: at(name, '/json'), query: { size: options.size } });

  /** Since 1.42 the content type tells; before, only the container's configuration does. */
  const hasTty = async (name: string, known: boolean | undefined, contentType: string | undefined): Promise<boolean> => {
    if (contentType === 'application/vnd.docker.multiplexed-stream') return false;
    if (known !== undefined) return known;
    if (!versionBelow(await transport.version(), '1.42')) return true;
    return (await inspect(name)).Config?.Tty === true;
  };

  return {
    inspect,
    list: (options = {}) =>
      fetchJson(transport, {
        method: 'GET',
        path: '/containers/json',
        query: { all: options.all, limit: options.limit, size: options.size, filters: renderFilters(options.filters) },
      }),
    create: (body, options = {}) =>
      fetchJson(transport, {
        method: 'POST',
        path: '/containers/create',
        query: { name: options.name || undefined, platform: options.platform || undefined },
        json: body,
      }),
    start: (name, options = {}) => post(name, '/start', { detachKeys: options.detachKeys }),
    stop: (name, options = {}) => post(name, '/stop', { signal: options.signal, t: options.timeout }),
    restart: (name, options = {}) => post(name, '/restart', { signal: options.signal, t: options.timeout }),
    kill: (name, signal) => post(name, '/kill', { signal }),
    pause: (name) => post(name, '/pause'),
    unpause: (name) => post(name, '/unpause'),
    rename: (name, to) => post(name, '/rename', { name: to }),
    update: (name, body) => fetchJson(transport, { method: 'POST', path: at(name, '/update'), json: body }),
    remove: (name, options = {}) =>
      perform(transport, { method: 'DELETE', path: at(name), query: { v: options.volumes, force: options.force, link: options.link } }),
    prune: (filters) => fetchJson(transport, { method: 'POST', path: '/containers/prune', query: { filters: renderFilters(filters) } }),
    wait: async (name, options = {}) => {
      const response = await transport.send({
        method: 'POST',
        path: at(name, '/wait'),
        query: { condition: options.condition },
        signal: options.signal,
      });
      const done = response.json<ContainerWaitResponse>();
      // A caller may let go before it looks at the outcome.
      done.catch(() => {});
      return { done };
    },
    top: (name, psArgs) => fetchJson(transport, { method: 'GET', path: at(name, '/top'), query: { ps_args: psArgs } }),
    stats: async (name, options = {}) => {
      const stream = options.stream ?? true;
      const query = { stream, 'one-shot': options.oneShot };
      const response = await transport.send({ method: 'GET', path: at(name, '/stats'), query, signal: options.signal });
      return readJsonLines<ContainerStatsResponse>(response.body);
    },
    logs: async (name, options) => {
      const { tty: known, signal, ...query } = options;
      const response = await transport.send({ method: 'GET', path: at(name, '/logs'), query, signal });
      const tty = await hasTty(name, known, response.headers.get('content-type'));
      return { tty, output: outputChunks(response.body, tty) };
    },
    attach: async (name, options) => {
      const { tty: known, signal, stream = true, ...query } = options;
      const raw = await transport.hijack({ method: 'POST', path: at(name, '/attach'), query: { ...query, stream }, signal });
      return createSession(raw, await hasTty(name, known, raw.headers.get('content-type')));
    },
    resize: (name, size) => post(name, '/resize', { h: size.height, w: size.width }),
    changes: async (name) => (await fetchJson<FilesystemChange[] | null>(transport, { method: 'GET', path: at(name, '/changes') })) ?? [],
    export: async (name, options = {}) => (await transport.send({ method: 'GET', path: at(name, '/export'), signal: options.signal })).body,
    archiveStat: async (name, path) => {
      const response = await transport.send({ method: 'HEAD', path: at(name, '/archive'), query: { path } });
      await response.text();
      return readArchiveStat(response.headers);
    },
    archiveGet: async (name, path, options = {}) => {
      const response = await transport.send({ method: 'GET', path: at(name, '/archive'), query: { path }, signal: options.signal });
      return { stat: readArchiveStat(response.headers), tar: response.body };
    },
    archivePut: (name, path, tar, options = {}) =>
      perform(transport, {
        method: 'PUT',
        path: at(name, '/archive'),
        query: { path, noOverwriteDirNonDir: options.noOverwriteDirNonDir, copyUIDGID: options.copyUidGid },
        stream: tar,
      }),
    commit: (name, { config, ...options } = {}) =>
      fetchJson(transport, {
        method: 'POST',
        path: '/commit',
        query: { container: name, ...options },
        json: config ?? {},
      }),
  };
}

function readArchiveStat(headers: ReadonlyMap<string, string>): ArchiveStat {
  const header = headers.get('x-docker-container-path-stat');
  if (header === undefined) throw invalid('the engine sent no X-Docker-Container-Path-Stat header');
  return JSON.parse(Buffer.from(header, 'base64').toString()) as ArchiveStat;
}
