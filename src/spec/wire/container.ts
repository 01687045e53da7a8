// Wire types of the Engine API (up to v1.55), noun: container. What a client sends or reads; never what the engine stores.
import type { OCIDescriptor } from './image.ts';
import type { EndpointSettings } from './network.ts';

export interface PortSummary {
  IP?: string | undefined;
  PrivatePort: number;
  PublicPort?: number | undefined;
  Type: string;
}

export interface MountPoint {
  Type?: string | undefined;
  Name?: string | undefined;
  Source?: string | undefined;
  Destination?: string | undefined;
  Driver?: string | undefined;
  Mode?: string | undefined;
  RW?: boolean | undefined;
  Propagation?: string | undefined;
}

export interface DeviceMapping {
  PathOnHost?: string | undefined;
  PathInContainer?: string | undefined;
  CgroupPermissions?: string | undefined;
}

export interface DeviceRequest {
  Driver?: string | undefined;
  Count?: number | undefined;
  DeviceIDs?: string[] | undefined;
  Capabilities?: (string[])[] | undefined;
  Options?: Record<string, string> | undefined;
}

export interface ThrottleDevice {
  Path?: string | undefined;
  Rate?: number | undefined;
}

export interface Mount {
  Target?: string | undefined;
  Source?: string | undefined;
  Type?: string | undefined;
  ReadOnly?: boolean | undefined;
  Consistency?: string | undefined;
  BindOptions?: {
    Propagation?: string | undefined;
    NonRecursive?: boolean | undefined;
    CreateMountpoint?: boolean | undefined;
    ReadOnlyNonRecursive?: boolean | undefined;
    ReadOnlyForceRecursive?: boolean | undefined;
    /** Gantry's own: see `parseIdMap`. */
    IDMap?: string | undefined;
  } | undefined;
  VolumeOptions?: {
    NoCopy?: boolean | undefined;
    Labels?: Record<string, string> | undefined;
    DriverConfig?: {
      Name?: string | undefined;
      Options?: Record<string, string> | undefined;
    } | undefined;
    Subpath?: string | undefined;
  } | undefined;
  ImageOptions?: {
    Subpath?: string | undefined;
  } | undefined;
  TmpfsOptions?: {
    SizeBytes?: number | undefined;
    Mode?: number | undefined;
    Options?: (string[])[] | undefined;
  } | undefined;
}

export interface RestartPolicy {
  Name?: string | undefined;
  MaximumRetryCount?: number | undefined;
}

export interface Resources {
  CpuShares?: number | undefined;
  Memory?: number | undefined;
  CgroupParent?: string | undefined;
  BlkioWeight?: number | undefined;
  BlkioWeightDevice?: ({
    Path?: string | undefined;
    Weight?: number | undefined;
  })[] | undefined;
  BlkioDeviceReadBps?: ThrottleDevice[] | undefined;
  BlkioDeviceWriteBps?: ThrottleDevice[] | undefined;
  BlkioDeviceReadIOps?: ThrottleDevice[] | undefined;
  BlkioDeviceWriteIOps?: ThrottleDevice[] | undefined;
  CpuPeriod?: number | undefined;
  CpuQuota?: number | undefined;
  CpuRealtimePeriod?: number | undefined;
  CpuRealtimeRuntime?: number | undefined;
  CpusetCpus?: string | undefined;
  CpusetMems?: string | undefined;
  Devices?: DeviceMapping[] | undefined;
  DeviceCgroupRules?: string[] | undefined;
  DeviceRequests?: DeviceRequest[] | undefined;
  MemoryReservation?: number | undefined;
  MemorySwap?: number | undefined;
  MemorySwappiness?: number | undefined;
  NanoCpus?: number | undefined;
  OomKillDisable?: boolean | undefined;
  Init?: boolean | null | undefined;
  PidsLimit?: number | null | undefined;
  Ulimits?: ({
    Name?: string | undefined;
    Soft?: number | undefined;
    Hard?: number | undefined;
  })[] | undefined;
  CpuCount?: number | undefined;
  CpuPercent?: number | undefined;
  IOMaximumIOps?: number | undefined;
  IOMaximumBandwidth?: number | undefined;
}

export interface HealthConfig {
  Test?: string[] | undefined;
  Interval?: number | undefined;
  Timeout?: number | undefined;
  Retries?: number | undefined;
  StartPeriod?: number | undefined;
  StartInterval?: number | undefined;
}

export interface Health {
  Status?: string | undefined;
  FailingStreak?: number | undefined;
  Log?: HealthcheckResult[] | undefined;
}

export interface HealthcheckResult {
  Start?: string | undefined;
  End?: string | undefined;
  ExitCode?: number | undefined;
  Output?: string | undefined;
}

export type HostConfig = Resources & {
  Binds?: string[] | undefined;
  ContainerIDFile?: string | undefined;
  LogConfig?: {
    Type?: string | undefined;
    Config?: Record<string, string> | undefined;
  } | undefined;
  NetworkMode?: string | undefined;
  PortBindings?: PortMap | undefined;
  RestartPolicy?: RestartPolicy | undefined;
  AutoRemove?: boolean | undefined;
  VolumeDriver?: string | undefined;
  VolumesFrom?: string[] | undefined;
  Mounts?: Mount[] | undefined;
  ConsoleSize?: number[] | null | undefined;
  Annotations?: Record<string, string> | undefined;
  CapAdd?: string[] | undefined;
  CapDrop?: string[] | undefined;
  CgroupnsMode?: string | undefined;
  Dns?: string[] | undefined;
  DnsOptions?: string[] | undefined;
  DnsSearch?: string[] | undefined;
  ExtraHosts?: string[] | undefined;
  GroupAdd?: string[] | undefined;
  IpcMode?: string | undefined;
  Cgroup?: string | undefined;
  Links?: string[] | undefined;
  OomScoreAdj?: number | undefined;
  PidMode?: string | undefined;
  Privileged?: boolean | undefined;
  PublishAllPorts?: boolean | undefined;
  ReadonlyRootfs?: boolean | undefined;
  SecurityOpt?: string[] | undefined;
  StorageOpt?: Record<string, string> | undefined;
  Tmpfs?: Record<string, string> | undefined;
  UTSMode?: string | undefined;
  UsernsMode?: string | undefined;
  ShmSize?: number | undefined;
  Sysctls?: Record<string, string> | null | undefined;
  Runtime?: string | null | undefined;
  Isolation?: string | undefined;
  MaskedPaths?: string[] | undefined;
  ReadonlyPaths?: string[] | undefined;
};

export interface ContainerConfig {
  Hostname?: string | undefined;
  Domainname?: string | undefined;
  User?: string | undefined;
  AttachStdin?: boolean | undefined;
  AttachStdout?: boolean | undefined;
  AttachStderr?: boolean | undefined;
  ExposedPorts?: Record<string, Record<string, unknown>> | null | undefined;
  Tty?: boolean | undefined;
  OpenStdin?: boolean | undefined;
  StdinOnce?: boolean | undefined;
  Env?: string[] | undefined;
  Cmd?: string[] | undefined;
  Healthcheck?: HealthConfig | undefined;
  ArgsEscaped?: boolean | null | undefined;
  Image?: string | undefined;
  Volumes?: Record<string, Record<string, unknown>> | undefined;
  WorkingDir?: string | undefined;
  Entrypoint?: string[] | undefined;
  NetworkDisabled?: boolean | null | undefined;
  OnBuild?: string[] | null | undefined;
  Labels?: Record<string, string> | undefined;
  StopSignal?: string | null | undefined;
  StopTimeout?: number | null | undefined;
  Shell?: string[] | null | undefined;
}

export interface NetworkingConfig {
  EndpointsConfig?: Record<string, EndpointSettings> | undefined;
}

export interface NetworkSettings {
  SandboxID?: string | undefined;
  SandboxKey?: string | undefined;
  Ports?: PortMap | undefined;
  Networks?: Record<string, EndpointSettings> | undefined;
}

export interface Address {
  Addr?: string | undefined;
  PrefixLen?: number | undefined;
}

export type PortMap = Record<string, PortBinding[] | null>;

export interface PortBinding {
  HostIp?: string | undefined;
  HostPort?: string | undefined;
}

export interface DriverData {
  Name: string;
  Data: Record<string, string>;
}

export interface FilesystemChange {
  Path: string;
  Kind: number;
}

export interface ContainerInspectResponse {
  Id?: string | undefined;
  Created?: string | null | undefined;
  Path?: string | undefined;
  Args?: string[] | undefined;
  State?: ContainerState | undefined;
  Image?: string | undefined;
  ResolvConfPath?: string | undefined;
  HostnamePath?: string | undefined;
  HostsPath?: string | undefined;
  LogPath?: string | null | undefined;
  Name?: string | undefined;
  RestartCount?: number | undefined;
  Driver?: string | undefined;
  Platform?: string | undefined;
  ImageManifestDescriptor?: OCIDescriptor | undefined;
  MountLabel?: string | undefined;
  ProcessLabel?: string | undefined;
  AppArmorProfile?: string | undefined;
  ExecIDs?: string[] | null | undefined;
  HostConfig?: HostConfig | undefined;
  GraphDriver?: DriverData | null | undefined;
  Storage?: Storage | null | undefined;
  SizeRw?: number | null | undefined;
  SizeRootFs?: number | null | undefined;
  Mounts?: MountPoint[] | undefined;
  Config?: ContainerConfig | undefined;
  NetworkSettings?: NetworkSettings | undefined;
}

export interface ContainerSummary {
  Id?: string | undefined;
  Names?: string[] | undefined;
  Image?: string | undefined;
  ImageID?: string | undefined;
  ImageManifestDescriptor?: OCIDescriptor | null | undefined;
  Command?: string | undefined;
  Created?: number | undefined;
  Ports?: PortSummary[] | undefined;
  SizeRw?: number | null | undefined;
  SizeRootFs?: number | null | undefined;
  Labels?: Record<string, string> | undefined;
  State?: string | undefined;
  Status?: string | undefined;
  HostConfig?: {
    NetworkMode?: string | undefined;
    Annotations?: Record<string, string> | null | undefined;
  } | undefined;
  NetworkSettings?: {
    Networks?: Record<string, EndpointSettings> | undefined;
  } | undefined;
  Mounts?: MountPoint[] | undefined;
  Health?: {
    Status?: string | undefined;
    FailingStreak?: number | undefined;
  } | undefined;
}

export interface ContainerState {
  Status?: string | undefined;
  Running?: boolean | undefined;
  Paused?: boolean | undefined;
  Restarting?: boolean | undefined;
  OOMKilled?: boolean | undefined;
  Dead?: boolean | undefined;
  Pid?: number | undefined;
  ExitCode?: number | undefined;
  Error?: string | undefined;
  StartedAt?: string | undefined;
  FinishedAt?: string | undefined;
  Health?: Health | undefined;
}

export interface ContainerCreateResponse {
  Id: string;
  Warnings: string[];
}

export interface ContainerUpdateResponse {
  Warnings?: string[] | null | undefined;
}

export interface ContainerTopResponse {
  Titles?: string[] | undefined;
  Processes?: (string[])[] | undefined;
}

export interface ContainerWaitResponse {
  StatusCode: number;
  Error?: ContainerWaitExitError | undefined;
}

export interface ContainerWaitExitError {
  Message?: string | undefined;
}

export interface ProcessConfig {
  privileged?: boolean | undefined;
  user?: string | undefined;
  tty?: boolean | undefined;
  entrypoint?: string | undefined;
  arguments?: string[] | undefined;
}

export interface IDResponse {
  Id: string;
}

export interface Storage {
  RootFS?: RootFSStorage | null | undefined;
}

export interface RootFSStorage {
  Snapshot?: RootFSStorageSnapshot | null | undefined;
}

export interface RootFSStorageSnapshot {
  Name?: string | undefined;
}

/** Body of POST /containers/create. Before API 1.44 `MacAddress` stood here; it is honoured for every version. */
export type ContainerCreateRequest = ContainerConfig & {
  MacAddress?: string | undefined;
  HostConfig?: HostConfig | undefined;
  NetworkingConfig?: NetworkingConfig | undefined;
  /** Limits beside the configuration instead of in HostConfig, as the first clients sent them. */
  Memory?: number | undefined;
  MemorySwap?: number | undefined;
  CpuShares?: number | undefined;
  Cpuset?: string | undefined;
};

/** Body of POST /containers/{id}/update. Absent fields stay as they are. */
export type ContainerUpdateRequest = Resources & { RestartPolicy?: RestartPolicy | undefined };

/** Body of POST /containers/{id}/exec. */
export interface ExecCreateRequest {
  AttachStdin?: boolean | undefined;
  AttachStdout?: boolean | undefined;
  AttachStderr?: boolean | undefined;
  /** [height, width] */
  ConsoleSize?: number[] | null | undefined;
  DetachKeys?: string | undefined;
  Tty?: boolean | undefined;
  Env?: string[] | undefined;
  Cmd?: string[] | undefined;
  Privileged?: boolean | undefined;
  User?: string | undefined;
  WorkingDir?: string | undefined;
}

/** Body of POST /exec/{id}/start. */
export interface ExecStartRequest {
  Detach?: boolean | undefined;
  Tty?: boolean | undefined;
  ConsoleSize?: number[] | null | undefined;
}

/** Answer of GET /exec/{id}/json. */
export interface ExecInspectResponse {
  CanRemove: boolean;
  DetachKeys: string;
  ID: string;
  Running: boolean;
  ExitCode: number | null;
  ProcessConfig: ProcessConfig;
  OpenStdin: boolean;
  OpenStderr: boolean;
  OpenStdout: boolean;
  ContainerID: string;
  Pid: number;
}

export interface ContainersPruneResponse {
  ContainersDeleted: string[] | null;
  SpaceReclaimed: number;
}
