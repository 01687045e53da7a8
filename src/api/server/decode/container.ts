import type {
  ContainerConfig,
  ContainerCreateRequest,
  ContainerUpdateRequest,
  DeviceMapping,
  DeviceRequest,
  ExecCreateRequest,
  ExecStartRequest,
  HealthConfig,
  HostConfig,
  Mount,
  NetworkingConfig,
  PortBinding,
  Resources,
  RestartPolicy,
  ThrottleDevice,
} from '#spec/wire/container.ts';
import {
  type Decoder,
  type Fields,
  flag,
  int,
  int64,
  list,
  map,
  nullable,
  object,
  text,
  textOrList,
  uint16,
  uint32,
  uint64,
} from './decoder.ts';
import { endpointSettings } from './network.ts';

type Part<T, K extends keyof T> = NonNullable<T[K]>;
type Item<T> = T extends readonly (infer I)[] ? I : never;

/** Go's map[string]struct{}: a set. */
const set = map(object<Record<string, unknown>>('struct {}', {})) satisfies Decoder<Record<string, Record<string, unknown>>>;

const restartPolicy = object<RestartPolicy>('container.RestartPolicy', { Name: text, MaximumRetryCount: int });
const throttles = list(object<ThrottleDevice>('blkiodev.ThrottleDevice', { Path: text, Rate: uint64 }));

const resources: Fields<Resources> = {
  CpuShares: int64,
  Memory: int64,
  CgroupParent: text,
  BlkioWeight: uint16,
  BlkioWeightDevice: list(object<Item<Part<Resources, 'BlkioWeightDevice'>>>('blkiodev.WeightDevice', { Path: text, Weight: uint16 })),
  BlkioDeviceReadBps: throttles,
  BlkioDeviceWriteBps: throttles,
  BlkioDeviceReadIOps: throttles,
  BlkioDeviceWriteIOps: throttles,
  CpuPeriod: int64,
  CpuQuota: int64,
  CpuRealtimePeriod: int64,
  CpuRealtimeRuntime: int64,
  CpusetCpus: text,
  CpusetMems: text,
  Devices: list(object<DeviceMapping>('container.DeviceMapping', { PathOnHost: text, PathInContainer: text, CgroupPermissions: text })),
  DeviceCgroupRules: list(text),
  DeviceRequests: list(
    object<DeviceRequest>('container.DeviceRequest', {
      Driver: text,
      Count: int,
      DeviceIDs: list(text),
      Capabilities: list(list(text)),
      Options: map(text),
    }),
  ),
  MemoryReservation: int64,
  MemorySwap: int64,
  MemorySwappiness: int64,
  NanoCpus: int64,
  OomKillDisable: flag,
  Init: flag,
  PidsLimit: int64,
  Ulimits: list(object<Item<Part<Resources, 'Ulimits'>>>('container.Ulimit', { Name: text, Soft: int64, Hard: int64 })),
  CpuCount: int64,
  CpuPercent: int64,
  IOMaximumIOps: uint64,
  IOMaximumBandwidth: uint64,
};

const mount = object<Mount>('mount.Mount', {
  Target: text,
  Source: text,
  Type: text,
  ReadOnly: flag,
  Consistency: text,
  BindOptions: object<Part<Mount, 'BindOptions'>>('mount.BindOptions', {
    Propagation: text,
    NonRecursive: flag,
    CreateMountpoint: flag,
    ReadOnlyNonRecursive: flag,
    ReadOnlyForceRecursive: flag,
    IDMap: text,
  }),
  VolumeOptions: object<Part<Mount, 'VolumeOptions'>>('mount.VolumeOptions', {
    NoCopy: flag,
    Labels: map(text),
    DriverConfig: object<Part<Part<Mount, 'VolumeOptions'>, 'DriverConfig'>>('mount.Driver', { Name: text, Options: map(text) }),
    Subpath: text,
  }),
  ImageOptions: object<Part<Mount, 'ImageOptions'>>('mount.ImageOptions', { Subpath: text }),
  TmpfsOptions: object<Part<Mount, 'TmpfsOptions'>>('mount.TmpfsOptions', { SizeBytes: int64, Mode: uint32, Options: list(list(text)) }),
});

const hostConfig = object<HostConfig>('container.HostConfig', {
  ...resources,
  Binds: list(text),
  ContainerIDFile: text,
  LogConfig: object<Part<HostConfig, 'LogConfig'>>('container.LogConfig', { Type: text, Config: map(text) }),
  NetworkMode: text,
  PortBindings: map(nullable(list(object<PortBinding>('network.PortBinding', { HostIp: text, HostPort: text })))),
  RestartPolicy: restartPolicy,
  AutoRemove: flag,
  VolumeDriver: text,
  VolumesFrom: list(text),
  Mounts: list(mount),
  ConsoleSize: list(int),
  Annotations: map(text),
  CapAdd: textOrList,
  CapDrop: textOrList,
  CgroupnsMode: text,
  Dns: list(text),
  DnsOptions: list(text),
  DnsSearch: list(text),
  ExtraHosts: list(text),
  GroupAdd: list(text),
  IpcMode: text,
  Cgroup: text,
  Links: list(text),
  OomScoreAdj: int,
  PidMode: text,
  Privileged: flag,
  PublishAllPorts: flag,
  ReadonlyRootfs: flag,
  SecurityOpt: list(text),
  StorageOpt: map(text),
  Tmpfs: map(text),
  UTSMode: text,
  UsernsMode: text,
  ShmSize: int64,
  Sysctls: map(text),
  Runtime: text,
  Isolation: text,
  MaskedPaths: list(text),
  ReadonlyPaths: list(text),
});

const healthcheck = object<HealthConfig>('container.HealthConfig', {
  Test: list(text),
  Interval: int64,
  Timeout: int64,
  Retries: int,
  StartPeriod: int64,
  StartInterval: int64,
});

const config: Fields<ContainerConfig> = {
  Hostname: text,
  Domainname: text,
  User: text,
  AttachStdin: flag,
  AttachStdout: flag,
  AttachStderr: flag,
  ExposedPorts: set,
  Tty: flag,
  OpenStdin: flag,
  StdinOnce: flag,
  Env: list(text),
  Cmd: textOrList,
  Healthcheck: healthcheck,
  ArgsEscaped: flag,
  Image: text,
  Volumes: set,
  WorkingDir: text,
  Entrypoint: textOrList,
  NetworkDisabled: flag,
  OnBuild: list(text),
  Labels: map(text),
  StopSignal: text,
  StopTimeout: int,
  Shell: textOrList,
};

export const containerCreateRequest = object<ContainerCreateRequest>('container.CreateRequest', {
  ...config,
  MacAddress: text,
  HostConfig: hostConfig,
  NetworkingConfig: object<NetworkingConfig>('network.NetworkingConfig', { EndpointsConfig: map(endpointSettings) }),
  Memory: int,
  MemorySwap: int,
  CpuShares: int,
  Cpuset: text,
});

export const containerUpdateRequest = object<ContainerUpdateRequest>('container.UpdateConfig', { ...resources, RestartPolicy: restartPolicy });

export const execCreateRequest = object<ExecCreateRequest>('container.ExecCreateRequest', {
  AttachStdin: flag,
  AttachStdout: flag,
  AttachStderr: flag,
  ConsoleSize: list(int),
  DetachKeys: text,
  Tty: flag,
  Env: list(text),
  Cmd: list(text),
  Privileged: flag,
  User: text,
  WorkingDir: text,
});

export const execStartRequest = object<ExecStartRequest>('container.ExecStartRequest', { Detach: flag, Tty: flag, ConsoleSize: list(int) });

