/**
 * Gantry's own build protocol, version 1, below `/gantry/v1`: what `gantry build` speaks, and whoever wants more than
 * POST /build gives. docs/build-protocol.md describes it.
 */
import type { BuildCacheRecord } from './build.ts';
import type { RegistryCredentials } from './registry.ts';

/** A file of a context: path, type, mode, size, time of change in milliseconds, target of a symlink. */
export type OfferedFile = readonly [path: string, type: 'file' | 'dir' | 'symlink', mode: number, size: number, mtime: number, target: string];

/** POST /contexts: JSON lines, this first and then each file, parents before children. */
export interface ContextOffer {
  /** Names the same folder of the same client from build to build. */
  sharedKey: string;
}

/** The answer. Which files the engine lacks it says while it builds, once it knows what the build reads. */
export interface ContextAnswer {
  id: string;
}

export type NativeContext =
  | { kind: 'sent'; id: string }
  /** A git repository or an address, which the engine fetches. */
  | { kind: 'remote'; address: string }
  | { kind: 'image'; reference: string };

export interface NativeOutput {
  type: 'image' | 'local' | 'tar' | 'oci' | 'docker' | 'registry' | 'cacheonly';
  attributes: Readonly<Record<string, string>>;
}

export interface NativeBuildRequest {
  /** Chosen by the client; names the build in the history. */
  ref: string;
  context: NativeContext | undefined;
  contexts: Readonly<Record<string, NativeContext>>;
  /** By path in the context; `text` is given when it lies elsewhere. */
  dockerfile: { path: string; text: string | undefined };
  ignoreText: string;
  target: string;
  buildArgs: Readonly<Record<string, string>>;
  labels: Readonly<Record<string, string>>;
  annotations: readonly string[];
  tags: readonly string[];
  platforms: readonly string[];
  noCache: boolean;
  noCacheFilter: readonly string[];
  pull: boolean;
  addHosts: readonly string[];
  network: string;
  shmSize: number;
  ulimits: readonly { name: string; soft: number; hard: number }[];
  cgroupParent: string;
  memory: number;
  memorySwap: number;
  cpuShares: number;
  cpuPeriod: number;
  cpuQuota: number;
  cpusetCpus: string;
  cpusetMems: string;
  /** In base64. They are kept in memory while the build runs and nowhere else. */
  secrets: Readonly<Record<string, string>>;
  /** Ids of ssh agents that the client offers at POST /builds/{ref}/ssh. */
  ssh: readonly string[];
  allow: readonly string[];
  outputs: readonly NativeOutput[];
  attestations: readonly NativeOutputLike[];
  auth: Readonly<Record<string, RegistryCredentials>>;
  /** Only what lint rules find; nothing is built. */
  check: boolean;
  /** What to show of it in the history. */
  name: string;
}

export interface NativeOutputLike {
  type: string;
  attributes: Readonly<Record<string, string>>;
}

export interface NativeRange {
  file: string;
  start: number;
  end: number;
}

export type NativeVertexEvent =
  | { kind: 'started' }
  | { kind: 'cached' }
  | { kind: 'done' }
  | { kind: 'failed'; message: string }
  | { kind: 'canceled' }
  /** `data` in base64. */
  | { kind: 'log'; stream: 'stdout' | 'stderr'; data: string }
  | { kind: 'status'; id: string; current: number; total?: number | undefined; done: boolean };

/** A line of the answer to POST /builds. The last one is `result` or `failed`. */
export type NativeBuildEvent =
  | { type: 'vertex'; at: number; vertex: string; name: string; inputs: readonly string[]; event: NativeVertexEvent }
  | { type: 'warning'; at: number; rule: string; message: string; detail: string; url: string; ranges: readonly NativeRange[]; excerpt: string }
  /** These files of a context (counted from 0) are missing: sent as one tar to PUT /contexts/{id}. The build waits. */
  | { type: 'need'; context: string; files: readonly number[] }
  /** GET /builds/{ref}/outputs/{index} has the bytes; the build waits until they are fetched. */
  | { type: 'output'; index: number; kind: 'tar' }
  | { type: 'result'; imageId: string | undefined; digest: string | undefined; metadata: Readonly<Record<string, unknown>> }
  | { type: 'failed'; message: string; exitCode: number | undefined; excerpt: string; vertex: string | undefined };

/** GET /history. */
export interface NativeHistoryEntry {
  ref: string;
  name: string;
  status: 'completed' | 'error' | 'canceled';
  error: string;
  createdAt: string;
  completedAt: string;
  /** Steps that were run, found in the cache, and all. */
  completedSteps: number;
  cachedSteps: number;
  totalSteps: number;
  target: string;
  platforms: readonly string[];
  buildArgs: Readonly<Record<string, string>>;
  labels: Readonly<Record<string, string>>;
  imageId: string;
  tags: readonly string[];
}

export interface NativeDiskUsage {
  records: readonly BuildCacheRecord[];
}
