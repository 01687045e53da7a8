// Wire types of the Engine API (up to v1.55), noun: build. What a client sends or reads; never what the engine stores.
import type { RegistryCredentials } from './registry.ts';

/** The parameters of POST /build, decoded. */
export interface ClassicBuildRequest {
  tags: string[];
  dockerfile: string;
  remote: string;
  quiet: boolean;
  noCache: boolean;
  pull: boolean;
  remove: boolean;
  forceRemove: boolean;
  squash: boolean;
  memory: number;
  memorySwap: number;
  cpuShares: number;
  cpuPeriod: number;
  cpuQuota: number;
  cpusetCpus: string;
  cpusetMems: string;
  cgroupParent: string;
  shmSize: number;
  ulimits: { Name: string; Soft: number; Hard: number }[];
  /** Null: taken from nowhere, as if not given. */
  buildArgs: Record<string, string | null>;
  labels: Record<string, string>;
  cacheFrom: string[];
  extraHosts: string[];
  securityOpt: string[];
  networkMode: string;
  platform: string;
  target: string;
  outputs: string;
  version: string;
  buildId: string;
  /** X-Registry-Config: by registry. */
  auth: Record<string, RegistryCredentials>;
}

export interface BuildPruneRequest {
  all: boolean;
  /** Bytes to keep whatever else is asked; 0: none. */
  reservedSpace: number;
  maxUsedSpace: number;
  minFreeSpace: number;
  filters: ReadonlyMap<string, readonly string[]>;
}

export interface BuildPruneResponse {
  CachesDeleted: string[] | null;
  SpaceReclaimed: number;
}

export interface BuildCacheRecord {
  ID: string;
  Parents?: string[] | null | undefined;
  Type: string;
  Description: string;
  InUse: boolean;
  Shared: boolean;
  Size: number;
  CreatedAt: string;
  LastUsedAt?: string | null | undefined;
  UsageCount: number;
}
