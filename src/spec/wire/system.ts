// Wire types of the Engine API (up to v1.55), noun: system. What a client sends or reads; never what the engine stores.

export interface SystemVersion {
  Platform?: {
    Name: string;
  } | undefined;
  Components?: ({
    Name: string;
    Version: string;
    Details?: Record<string, unknown> | null | undefined;
  })[] | undefined;
  Version?: string | undefined;
  ApiVersion?: string | undefined;
  MinAPIVersion?: string | undefined;
  GitCommit?: string | undefined;
  GoVersion?: string | undefined;
  Os?: string | undefined;
  Arch?: string | undefined;
  KernelVersion?: string | undefined;
  Experimental?: boolean | undefined;
  BuildTime?: string | undefined;
}

export interface SystemInfo {
  ID?: string | undefined;
  Containers?: number | undefined;
  ContainersRunning?: number | undefined;
  ContainersPaused?: number | undefined;
  ContainersStopped?: number | undefined;
  Images?: number | undefined;
  Driver?: string | undefined;
  DriverStatus?: (string[])[] | undefined;
  DockerRootDir?: string | undefined;
  Plugins?: PluginsInfo | undefined;
  MemoryLimit?: boolean | undefined;
  SwapLimit?: boolean | undefined;
  CpuCfsPeriod?: boolean | undefined;
  CpuCfsQuota?: boolean | undefined;
  CPUShares?: boolean | undefined;
  CPUSet?: boolean | undefined;
  PidsLimit?: boolean | undefined;
  OomKillDisable?: boolean | undefined;
  IPv4Forwarding?: boolean | undefined;
  Debug?: boolean | undefined;
  NFd?: number | undefined;
  NGoroutines?: number | undefined;
  SystemTime?: string | undefined;
  LoggingDriver?: string | undefined;
  CgroupDriver?: string | undefined;
  CgroupVersion?: string | undefined;
  NEventsListener?: number | undefined;
  KernelVersion?: string | undefined;
  OperatingSystem?: string | undefined;
  OSVersion?: string | undefined;
  OSType?: string | undefined;
  Architecture?: string | undefined;
  NCPU?: number | undefined;
  MemTotal?: number | undefined;
  IndexServerAddress?: string | undefined;
  RegistryConfig?: RegistryServiceConfig | undefined;
  GenericResources?: GenericResources | null | undefined;
  HttpProxy?: string | undefined;
  HttpsProxy?: string | undefined;
  NoProxy?: string | undefined;
  Name?: string | undefined;
  Labels?: string[] | undefined;
  ExperimentalBuild?: boolean | undefined;
  ServerVersion?: string | undefined;
  Runtimes?: Record<string, Runtime> | undefined;
  DefaultRuntime?: string | undefined;
  Swarm?: SwarmInfo | undefined;
  LiveRestoreEnabled?: boolean | undefined;
  Isolation?: string | undefined;
  InitBinary?: string | undefined;
  ContainerdCommit?: Commit | undefined;
  RuncCommit?: Commit | undefined;
  InitCommit?: Commit | undefined;
  SecurityOptions?: string[] | undefined;
  ProductLicense?: string | undefined;
  DefaultAddressPools?: ({
    Base?: string | undefined;
    Size?: number | undefined;
  })[] | undefined;
  FirewallBackend?: FirewallInfo | undefined;
  DiscoveredDevices?: DeviceInfo[] | undefined;
  NRI?: unknown | undefined;
  Warnings?: string[] | null | undefined;
  CDISpecDirs?: string[] | undefined;
  Containerd?: ContainerdInfo | undefined;
}

export interface ContainerdInfo {
  Address?: string | undefined;
  Namespaces?: {
    Containers?: string | undefined;
    Plugins?: string | undefined;
  } | undefined;
}

export interface FirewallInfo {
  Driver?: string | undefined;
  Info?: (string[])[] | undefined;
}

export interface PluginsInfo {
  Volume?: string[] | undefined;
  Network?: string[] | undefined;
  Authorization?: string[] | undefined;
  Log?: string[] | undefined;
}

export interface RegistryServiceConfig {
  InsecureRegistryCIDRs?: string[] | undefined;
  IndexConfigs?: Record<string, IndexInfo> | undefined;
  Mirrors?: string[] | undefined;
}

export interface IndexInfo {
  Name?: string | undefined;
  Mirrors?: string[] | undefined;
  Secure?: boolean | undefined;
  Official?: boolean | undefined;
}

export interface Runtime {
  path?: string | undefined;
  runtimeArgs?: string[] | null | undefined;
  status?: Record<string, string> | null | undefined;
}

export interface Commit {
  ID?: string | undefined;
}

export interface SwarmInfo {
  NodeID?: string | undefined;
  NodeAddr?: string | undefined;
  LocalNodeState?: string | undefined;
  ControlAvailable?: boolean | undefined;
  Error?: string | undefined;
  RemoteManagers?: unknown[] | null | undefined;
  Nodes?: number | null | undefined;
  Managers?: number | null | undefined;
  Cluster?: unknown | undefined;
}

export interface EventActor {
  ID?: string | undefined;
  Attributes?: Record<string, string> | undefined;
}

export interface EventMessage {
  Type?: string | undefined;
  Action?: string | undefined;
  Actor?: EventActor | undefined;
  scope?: string | undefined;
  time?: number | undefined;
  /** Nanoseconds since the epoch: a bigint where it must be exact. */
  timeNano?: number | bigint | undefined;
}

export interface ImagesDiskUsage {
  ActiveCount?: number | undefined;
  TotalCount?: number | undefined;
  Reclaimable?: number | undefined;
  TotalSize?: number | undefined;
  Items?: (Record<string, unknown>)[] | undefined;
}

export interface VolumesDiskUsage {
  ActiveCount?: number | undefined;
  TotalCount?: number | undefined;
  Reclaimable?: number | undefined;
  TotalSize?: number | undefined;
  Items?: (Record<string, unknown>)[] | undefined;
}

export interface ContainersDiskUsage {
  ActiveCount?: number | undefined;
  TotalCount?: number | undefined;
  Reclaimable?: number | undefined;
  TotalSize?: number | undefined;
  Items?: (Record<string, unknown>)[] | undefined;
}

export interface BuildCacheDiskUsage {
  ActiveCount?: number | undefined;
  TotalCount?: number | undefined;
  Reclaimable?: number | undefined;
  TotalSize?: number | undefined;
  Items?: (Record<string, unknown>)[] | undefined;
}

export interface BuildCache {
  ID?: string | undefined;
  Parents?: string[] | null | undefined;
  Type?: string | undefined;
  Description?: string | undefined;
  InUse?: boolean | undefined;
  Shared?: boolean | undefined;
  Size?: number | undefined;
  CreatedAt?: string | undefined;
  LastUsedAt?: string | null | undefined;
  UsageCount?: number | undefined;
}

export interface DeviceInfo {
  Source?: string | undefined;
  ID?: string | undefined;
}

export type GenericResources = ({
  NamedResourceSpec?: {
    Kind?: string | undefined;
    Value?: string | undefined;
  } | undefined;
  DiscreteResourceSpec?: {
    Kind?: string | undefined;
    Value?: number | undefined;
  } | undefined;
})[];

export interface ErrorResponse {
  message: string;
}

/** What `POST /gantry/system/check` found wrong in the image store. */
export interface StoreProblem {
  Kind: 'database' | 'document' | 'blob' | 'layer' | 'image' | 'manifest' | 'stray';
  /** A digest, a chain id, or a file name. */
  ID: string;
  Message: string;
  /** What was done about it; absent when nothing was. */
  Repaired?: string;
}

export interface StoreReport {
  Documents: number;
  Blobs: number;
  Layers: number;
  Images: number;
  Problems: number;
  Repaired: number;
}

/** One line of its answer; the last one has the report. */
export type StoreCheckLine = { Status: string } | { Problem: StoreProblem } | { Report: StoreReport };
