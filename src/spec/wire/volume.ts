// Wire types of the Engine API (up to v1.55), noun: volume. What a client sends or reads; never what the engine stores.

export interface Volume {
  Name: string;
  Driver: string;
  Mountpoint: string;
  CreatedAt?: string | undefined;
  Status?: Record<string, Record<string, unknown>> | undefined;
  Labels: Record<string, string> | null;
  Scope: string;
  ClusterVolume?: unknown | undefined;
  Options: Record<string, string> | null;
  UsageData?: {
    Size: number;
    RefCount: number;
  } | null | undefined;
}

export interface VolumeCreateRequest {
  Name?: string | undefined;
  Driver?: string | undefined;
  DriverOpts?: Record<string, string> | undefined;
  Labels?: Record<string, string> | undefined;
  ClusterVolumeSpec?: unknown | undefined;
}

export interface VolumeListResponse {
  Volumes?: Volume[] | undefined;
  Warnings?: string[] | null | undefined;
}

export interface VolumesPruneResponse {
  VolumesDeleted: string[] | null;
  SpaceReclaimed: number;
}
