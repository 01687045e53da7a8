import type { BuildPruneResponse } from '#spec/wire/build.ts';
import type { ContextAnswer, NativeBuildEvent, NativeBuildRequest, NativeHistoryEntry, OfferedFile } from '#spec/wire/native-build.ts';
import type { BuildCache } from '#spec/wire/system.ts';
import { type FilterValues, renderFilters } from './filter-values.ts';
import { readJsonLines } from './json-lines.ts';
import { fetchJson, perform, type Transport } from './transport.ts';

/** Builds in Gantry's own protocol (docs/build-protocol.md); only `prune` is Docker's. */
export interface BuildsClient {
  offerContext(sharedKey: string, files: Iterable<OfferedFile>): Promise<ContextAnswer>;
  offerTar(tar: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<ContextAnswer>;
  /** The files that a `need` event asked for. */
  fillContext(id: string, tar: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void>;
  /** The last event is `result` or `failed`. Leaving early, or aborting, cancels the build. */
  build(request: NativeBuildRequest, signal?: AbortSignal): Promise<AsyncIterable<NativeBuildEvent>>;
  /** What an `output` event announced. */
  output(ref: string, index: number, signal?: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  diskUsage(): Promise<BuildCache[]>;
  history(): Promise<NativeHistoryEntry[]>;
  historyOf(ref: string): Promise<{ entry: NativeHistoryEntry; events: NativeBuildEvent[] }>;
  /** One build, or all. */
  forget(ref?: string): Promise<void>;
  prune(options?: { all?: boolean; reservedSpace?: number | undefined; maxUsedSpace?: number | undefined; minFreeSpace?: number | undefined; filters?: FilterValues | undefined }): Promise<BuildPruneResponse>;
}

const BASE = '/gantry/v1';

export function createBuildsClient(transport: Transport): BuildsClient {
  return {
    offerContext: (sharedKey, files) =>
      fetchJson(transport, { method: 'POST', path: `${BASE}/contexts`, stream: offerLines(sharedKey, files), headers: { 'Content-Type': 'application/jsonl' } }),
    offerTar: (tar, signal) => fetchJson(transport, { method: 'POST', path: `${BASE}/contexts/tar`, stream: tar, signal }),
    fillContext: (id, tar, signal) => perform(transport, { method: 'PUT', path: `${BASE}/contexts/${encodeURIComponent(id)}`, stream: tar, signal }),
    build: async (request, signal) => readJsonLines<NativeBuildEvent>((await transport.send({ method: 'POST', path: `${BASE}/builds`, json: request, signal })).body),
    output: async (ref, index, signal) => (await transport.send({ method: 'GET', path: `${BASE}/builds/${encodeURIComponent(ref)}/outputs/${index}`, signal })).body,
    diskUsage: () => fetchJson(transport, { method: 'GET', path: `${BASE}/builds/cache` }),
    history: () => fetchJson(transport, { method: 'GET', path: `${BASE}/history` }),
    historyOf: (ref) => fetchJson(transport, { method: 'GET', path: `${BASE}/history/${encodeURIComponent(ref)}` }),
    forget: (ref) => perform(transport, { method: 'DELETE', path: ref === undefined ? `${BASE}/history` : `${BASE}/history/${encodeURIComponent(ref)}` }),
    prune: (options = {}) =>
      fetchJson(transport, {
        method: 'POST',
        path: '/build/prune',
        query: {
          all: options.all, 'reserved-space': options.reservedSpace, 'max-used-space': options.maxUsedSpace, 'min-free-space': options.minFreeSpace, filters: renderFilters(options.filters),
        },
      }),
  };
}

/** Lines in pieces that are worth a write. */
async function* offerLines(sharedKey: string, files: Iterable<OfferedFile>): AsyncGenerator<Uint8Array> {
  let text = `${JSON.stringify({ sharedKey })}\n`;
  for (const file of files) {
    text += `${JSON.stringify(file)}\n`;
    if (text.length < 1 << 18) continue;
    yield Buffer.from(text);
    text = '';
  }
  yield Buffer.from(text);
}
