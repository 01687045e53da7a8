/**
 * What the API needs from an engine, in wire types. The engine room implements these shapes without importing them;
 * the composition root (`src/daemon.ts`) joins the two, so a mismatch is a compile error there.
 *
 * Names given by clients are a full id, a unique id prefix or a name (a leading "/" is allowed).
 * Failures are EngineErrors; messages are Docker's wording where clients depend on it ("No such container: x").
 */
import type { AuthenticateResponse, DistributionInspect, RegistryCredentials, RegistrySearchResult, RemoteManifest, RemoteManifestPut } from '#spec/wire/registry.ts';
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
  ExecCreateRequest,
  ExecInspectResponse,
  ExecStartRequest,
  FilesystemChange,
  IDResponse,
} from '#spec/wire/container.ts';
import type { ContainerStatsResponse } from '#spec/wire/stats.ts';
import type {
  ImageDeleteResponseItem,
  ImageHistoryResponseItem,
  ImageInspect,
  ImagesPruneResponse,
  ImageSummary,
  JsonMessage,
} from '#spec/wire/image.ts';
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
import type { EventMessage, StoreCheckLine, SystemInfo, SystemVersion } from '#spec/wire/system.ts';
import type { Volume, VolumeCreateRequest, VolumeListResponse, VolumesPruneResponse } from '#spec/wire/volume.ts';
import type { Filters } from '#spec/filters.ts';
import type { ContextAnswer, NativeBuildEvent, NativeBuildRequest, NativeHistoryEntry, OfferedFile } from '#spec/wire/native-build.ts';
import type { BuildCacheRecord, BuildPruneRequest, BuildPruneResponse, ClassicBuildRequest } from '#spec/wire/build.ts';
import type { ArchiveStat, AttachOptions, LogOptions, LogBatch, StdioSession } from '#spec/streams.ts';

export interface ContainerService {
  list(options: { all: boolean; limit: number | undefined; size: boolean; filters: Filters }): Promise<ContainerSummary[]>;
  create(request: {
    name: string | undefined;
    platform: string | undefined;
    body: ContainerCreateRequest;
    /** Read-only binds leave the mounts below them writable: clients before 1.44. */
    shallowReadOnly?: boolean;
  }): Promise<ContainerCreateResponse>;
  inspect(name: string, options: { size: boolean }): Promise<ContainerInspectResponse>;
  start(name: string, options: { detachKeys: string | undefined }): Promise<void>;
  /** `timeout` in seconds, -1 waits for ever, undefined takes the container's own. not_modified when already stopped. */
  stop(name: string, options: { signal: string | undefined; timeout: number | undefined }): Promise<void>;
  restart(name: string, options: { signal: string | undefined; timeout: number | undefined }): Promise<void>;
  kill(name: string, signal: string | undefined): Promise<void>;
  pause(name: string): Promise<void>;
  unpause(name: string): Promise<void>;
  rename(name: string, to: string): Promise<void>;
  update(name: string, body: ContainerUpdateRequest): Promise<ContainerUpdateResponse>;
  remove(name: string, options: { volumes: boolean; force: boolean; link: boolean }): Promise<void>;
  prune(filters: Filters): Promise<ContainersPruneResponse>;
  /** Resolves once the container is known to exist; `done` resolves when the condition holds. */
  wait(
    name: string,
    condition: 'not-running' | 'next-exit' | 'removed',
    signal: AbortSignal,
  ): Promise<{ done: Promise<ContainerWaitResponse> }>;
  top(name: string, psArgs: string): Promise<ContainerTopResponse>;
  /** Yields once when not streaming. `oneShot` skips the wait for a previous reading. */
  stats(
    name: string,
    options: { stream: boolean; oneShot: boolean },
    signal: AbortSignal,
  ): Promise<AsyncIterable<ContainerStatsResponse>>;
  logs(name: string, options: LogOptions, signal: AbortSignal): Promise<{ tty: boolean; batches: AsyncIterable<LogBatch> }>;
  attach(name: string, options: AttachOptions): Promise<StdioSession>;
  resize(name: string, size: { height: number; width: number }): Promise<void>;
  changes(name: string): Promise<FilesystemChange[]>;
  /** An uncompressed tar of the whole root file system. */
  export(name: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  archiveStat(name: string, path: string): Promise<ArchiveStat>;
  archiveGet(name: string, path: string, signal: AbortSignal): Promise<{ stat: ArchiveStat; tar: AsyncIterable<Uint8Array> }>;
  archivePut(
    name: string,
    path: string,
    tar: AsyncIterable<Uint8Array>,
    options: { noOverwriteDirNonDir: boolean; copyUidGid: boolean },
  ): Promise<void>;
  commit(
    name: string,
    options: {
      repo: string | undefined;
      tag: string | undefined;
      comment: string;
      author: string;
      pause: boolean;
      changes: string[];
      /** SOURCE_DATE_EPOCH: seconds that no time in the image lies after. */
      epoch?: number | undefined;
      config: ContainerCreateRequest | undefined;
    },
  ): Promise<IDResponse>;
}

export interface ExecService {
  create(container: string, body: ExecCreateRequest): Promise<IDResponse>;
  inspect(id: string): Promise<ExecInspectResponse>;
  /** Undefined when detached. The session's `tty` is the exec's own. */
  start(id: string, body: ExecStartRequest): Promise<StdioSession | undefined>;
  resize(id: string, size: { height: number; width: number }): Promise<void>;
}

export interface ImageService {
  list(options: { all: boolean; filters: Filters; sharedSize: boolean; digests: boolean; manifests: boolean }): Promise<ImageSummary[]>;
  inspect(name: string, options: { platform: string | undefined; manifests: boolean }): Promise<ImageInspect>;
  history(name: string, options: { platform: string | undefined }): Promise<ImageHistoryResponseItem[]>;
  tag(name: string, options: { repo: string; tag: string | undefined }): Promise<void>;
  remove(name: string, options: { force: boolean; noPrune: boolean; platforms: string[] }): Promise<ImageDeleteResponseItem[]>;
  prune(filters: Filters): Promise<ImagesPruneResponse>;
  /** A docker-archive that is also an OCI layout. */
  save(names: string[], options: { platforms: string[] }, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  load(tar: AsyncIterable<Uint8Array>, options: { quiet: boolean; platforms: string[] }): AsyncIterable<JsonMessage>;
  /** POST /images/create with fromSrc=-. */
  import(
    tar: AsyncIterable<Uint8Array>,
    options: { repo: string | undefined; tag: string | undefined; message: string; changes: string[]; platform: string | undefined },
  ): AsyncIterable<JsonMessage>;
  /** POST /images/create with fromSrc=URL. */
  importUrl(source: string, options: Parameters<ImageService['import']>[1]): AsyncIterable<JsonMessage>;
  /** Compares the image store with its records; the last line is the report. */
  check(options: { repair: boolean; quick: boolean }): AsyncIterable<StoreCheckLine>;
  /** Makes a base image from the distribution's packages: `busybox`, `debian`, `debian:bookworm`. */
  bootstrap(name: string, signal: AbortSignal): AsyncIterable<JsonMessage>;
  /** `all`: a name without a tag means every tag, not `latest`. Leaving the stream stops the pull. */
  pull(options: { reference: string; all: boolean; platform: string | undefined; credentials: RegistryCredentials | undefined }): AsyncIterable<JsonMessage>;
  /** A name without a tag means every tag that is here. */
  push(options: { reference: string; platform: string | undefined; credentials: RegistryCredentials | undefined }): AsyncIterable<JsonMessage>;
  /** One manifest as it lies in its registry. */
  manifest(reference: string, credentials: RegistryCredentials | undefined, signal: AbortSignal): Promise<RemoteManifest>;
  putManifest(reference: string, put: RemoteManifestPut, credentials: RegistryCredentials | undefined, signal: AbortSignal): Promise<{ Digest: string }>;
  distribution(reference: string, credentials: RegistryCredentials | undefined, signal: AbortSignal): Promise<DistributionInspect>;
  authenticate(credentials: RegistryCredentials, signal: AbortSignal): Promise<AuthenticateResponse>;
  search(
    term: string,
    options: { limit: number; filters: Filters; credentials: RegistryCredentials | undefined },
    signal: AbortSignal,
  ): Promise<RegistrySearchResult[]>;
}

export interface BuildService {
  /** POST /build: a tar of the context in, the classic builder's lines out. Aborting cancels the build. */
  classic(request: ClassicBuildRequest, context: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncIterable<JsonMessage>;
  prune(request: BuildPruneRequest): Promise<BuildPruneResponse>;
  cancel(id: string): Promise<void>;
  /** Our own protocol. */
  offerContext(sharedKey: string, files: readonly OfferedFile[]): Promise<ContextAnswer>;
  offerTar(tar: AsyncIterable<Uint8Array>): Promise<ContextAnswer>;
  fillContext(id: string, tar: AsyncIterable<Uint8Array>): Promise<void>;
  native(request: NativeBuildRequest, signal: AbortSignal): AsyncIterable<NativeBuildEvent>;
  output(ref: string, index: number): AsyncIterable<Uint8Array>;
  diskUsage(): Promise<BuildCacheRecord[]>;
  history(): NativeHistoryEntry[];
  historyOf(ref: string): { entry: NativeHistoryEntry; events: NativeBuildEvent[] };
  /** One build, or all. */
  forget(ref: string | undefined): void;
}

export interface VolumeService {
  list(filters: Filters): Promise<VolumeListResponse>;
  create(body: VolumeCreateRequest): Promise<Volume>;
  inspect(name: string): Promise<Volume>;
  remove(name: string, options: { force: boolean }): Promise<void>;
  prune(filters: Filters): Promise<VolumesPruneResponse>;
}

export interface NetworkService {
  list(filters: Filters): Promise<NetworkInspect[]>;
  inspect(name: string, options: { verbose: boolean; scope: string | undefined }): Promise<NetworkInspect>;
  create(body: NetworkCreateRequest): Promise<NetworkCreateResponse>;
  remove(name: string): Promise<void>;
  connect(name: string, body: NetworkConnectRequest): Promise<void>;
  disconnect(name: string, body: NetworkDisconnectRequest): Promise<void>;
  prune(filters: Filters): Promise<NetworksPruneResponse>;
  /** Published ports of all running containers. */
  ports(): Promise<PublishedPortInfo[]>;
  /** Ways from one party to another and what decides; a party is a container, an address, `host` or `world`. */
  explain(question: { from: string; to: string; port: string | undefined }): Promise<NetworkPath[]>;
}

/** Disk use in the shape of API 1.52 and newer; the API renders the older shape from `Items`. */
export interface DiskUsage {
  layersSize: number;
  images: ImageSummary[];
  containers: ContainerSummary[];
  volumes: Volume[];
  buildCache: BuildCacheRecord[];
}

export interface SystemService {
  info(): Promise<SystemInfo>;
  version(): Promise<SystemVersion>;
  diskUsage(types: ('container' | 'image' | 'volume' | 'build-cache')[]): Promise<DiskUsage>;
  /** Past events first (`since`), then live ones until `until` or abort. Times in nanoseconds since the epoch. */
  events(options: { since: bigint | undefined; until: bigint | undefined; filters: Filters }, signal: AbortSignal): AsyncIterable<EventMessage>;
}

export interface Services {
  containers: ContainerService;
  execs: ExecService;
  images: ImageService;
  builds: BuildService;
  volumes: VolumeService;
  networks: NetworkService;
  system: SystemService;
}
