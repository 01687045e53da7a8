// Wire types of the Engine API (up to v1.55), noun: image. What a client sends or reads; never what the engine stores.
import type { DriverData, HealthConfig } from './container.ts';

export interface ImageHistoryResponseItem {
  Id: string;
  Created: number;
  CreatedBy: string;
  Tags: string[];
  Size: number;
  Comment: string;
}

export interface ImageConfig {
  User?: string | undefined;
  ExposedPorts?: Record<string, Record<string, unknown>> | null | undefined;
  Env?: string[] | undefined;
  Cmd?: string[] | undefined;
  Healthcheck?: HealthConfig | undefined;
  ArgsEscaped?: boolean | null | undefined;
  Volumes?: Record<string, Record<string, unknown>> | undefined;
  WorkingDir?: string | undefined;
  Entrypoint?: string[] | undefined;
  OnBuild?: string[] | null | undefined;
  Labels?: Record<string, string> | undefined;
  StopSignal?: string | null | undefined;
  Shell?: string[] | null | undefined;
}

export interface ImageInspect {
  Id?: string | undefined;
  Descriptor?: OCIDescriptor | null | undefined;
  Manifests?: ImageManifestSummary[] | null | undefined;
  Identity?: unknown | undefined;
  RepoTags?: string[] | undefined;
  RepoDigests?: string[] | undefined;
  Comment?: string | null | undefined;
  Created?: string | null | undefined;
  Author?: string | null | undefined;
  Config?: ImageConfig | undefined;
  Architecture?: string | undefined;
  Variant?: string | null | undefined;
  Os?: string | undefined;
  OsVersion?: string | null | undefined;
  Size?: number | undefined;
  GraphDriver?: DriverData | null | undefined;
  RootFS?: {
    Type: string;
    Layers?: string[] | undefined;
  } | undefined;
  Metadata?: {
    LastTagTime?: string | null | undefined;
  } | undefined;
}

export interface ImageSummary {
  Id: string;
  ParentId: string;
  RepoTags: string[];
  RepoDigests: string[];
  Created: number;
  Size: number;
  SharedSize: number;
  Labels: Record<string, string>;
  Containers: number;
  Manifests?: ImageManifestSummary[] | undefined;
  Descriptor?: OCIDescriptor | null | undefined;
}

export interface ImageDeleteResponseItem {
  Untagged?: string | undefined;
  Deleted?: string | undefined;
}

export interface CreateImageInfo {
  id?: string | undefined;
  errorDetail?: ErrorDetail | undefined;
  status?: string | undefined;
  progressDetail?: ProgressDetail | undefined;
}

export interface ErrorDetail {
  code?: number | undefined;
  message?: string | undefined;
}

export interface ProgressDetail {
  current?: number | undefined;
  total?: number | undefined;
}

export interface BuildInfo {
  id?: string | undefined;
  stream?: string | undefined;
  errorDetail?: ErrorDetail | undefined;
  status?: string | undefined;
  progressDetail?: ProgressDetail | undefined;
  aux?: ImageID | undefined;
}

export interface ImageID {
  ID?: string | undefined;
}

export interface AuthConfig {
  username?: string | undefined;
  password?: string | undefined;
  serveraddress?: string | undefined;
}

export interface OCIDescriptor {
  mediaType?: string | undefined;
  digest?: string | undefined;
  size?: number | undefined;
  urls?: string[] | null | undefined;
  annotations?: Record<string, string> | null | undefined;
  data?: string | null | undefined;
  platform?: OCIPlatform | undefined;
  artifactType?: string | null | undefined;
}

export interface OCIPlatform {
  architecture?: string | undefined;
  os?: string | undefined;
  'os.version'?: string | undefined;
  'os.features'?: string[] | undefined;
  variant?: string | undefined;
}

export interface ImageManifestSummary {
  ID: string;
  Descriptor: OCIDescriptor;
  Available: boolean;
  Size: {
    Total: number;
    Content: number;
  };
  Kind: string;
  ImageData?: {
    Platform: OCIPlatform;
    Identity?: unknown | undefined;
    Containers: string[];
    Size: {
      Unpacked: number;
    };
  } | null | undefined;
  AttestationData?: {
    For: string;
  } | null | undefined;
}

export interface ImagesPruneResponse {
  ImagesDeleted: ImageDeleteResponseItem[] | null;
  SpaceReclaimed: number;
}

/** One line of the JSON progress streams (load, import, pull, ...). */
export interface JsonMessage {
  stream?: string | undefined;
  status?: string | undefined;
  id?: string | undefined;
  progress?: string | undefined;
  progressDetail?: ProgressDetail | undefined;
  errorDetail?: ErrorDetail | undefined;
  error?: string | undefined;
  aux?: unknown;
}
