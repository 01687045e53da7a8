import type { Digest } from './digest.ts';
import type { HealthConfig } from './wire/container.ts';

/** OCI image-spec v1.1 documents, and Docker's schema 2 twins, as they lie in blobs. */
export const mediaTypes = {
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayerGzip: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
} as const;

export interface Platform {
  os: string;
  architecture: string;
  variant?: string | undefined;
  'os.version'?: string | undefined;
}

export interface Descriptor {
  mediaType: string;
  digest: Digest;
  size: number;
  platform?: Platform | undefined;
  annotations?: Record<string, string> | undefined;
  urls?: string[] | undefined;
  artifactType?: string | undefined;
}

export interface ImageManifest {
  schemaVersion: 2;
  mediaType?: string | undefined;
  /** What it is when it is no image. */
  artifactType?: string | undefined;
  /** The manifest that it says something about. */
  subject?: Descriptor | undefined;
  config: Descriptor;
  layers: Descriptor[];
  annotations?: Record<string, string> | undefined;
}

export interface ImageIndex {
  schemaVersion: 2;
  mediaType?: string | undefined;
  manifests: Descriptor[];
  annotations?: Record<string, string> | undefined;
}

/** The `config` member of an image configuration: defaults for containers made from it. */
export interface ImageRunConfig {
  User?: string | undefined;
  ExposedPorts?: Record<string, Record<string, never>> | undefined;
  Env?: string[] | undefined;
  Entrypoint?: string[] | undefined;
  Cmd?: string[] | undefined;
  Volumes?: Record<string, Record<string, never>> | undefined;
  WorkingDir?: string | undefined;
  Labels?: Record<string, string> | undefined;
  StopSignal?: string | undefined;
  Healthcheck?: HealthConfig | undefined;
  OnBuild?: string[] | undefined;
  Shell?: string[] | undefined;
  ArgsEscaped?: boolean | undefined;
}

export interface ImageHistory {
  created?: string | undefined;
  created_by?: string | undefined;
  author?: string | undefined;
  comment?: string | undefined;
  empty_layer?: boolean | undefined;
}

export interface ImageConfigFile {
  created?: string | undefined;
  author?: string | undefined;
  architecture: string;
  os: string;
  variant?: string | undefined;
  'os.version'?: string | undefined;
  config?: ImageRunConfig | undefined;
  rootfs: { type: 'layers'; diff_ids: Digest[] };
  history?: ImageHistory[] | undefined;
  comment?: string | undefined;
}
