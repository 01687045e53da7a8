import type { Digest } from '#spec/digest.ts';
import type { ImageConfigFile, Platform } from '#spec/oci-image.ts';
import type { RegistryCredentials } from '#spec/wire/registry.ts';
import type { VertexEvent } from '../solver/progress.ts';

export interface FoundImage {
  readonly config: ImageConfigFile;
  readonly id: Digest;
  /** Of the manifest (or index) that names it in its registry; undefined for an image that came otherwise. */
  readonly digest: Digest | undefined;
  /** Its layers by chain id, lowest first; undefined: not here yet. */
  readonly chains: readonly Digest[] | undefined;
  /** Brings the layers here. */
  load(tell: (event: VertexEvent) => void, signal: AbortSignal): Promise<readonly Digest[]>;
}

export interface ImageWish {
  readonly platform: Platform;
  /** `default`: here, else the registry; `pull`: the registry; `local`: here. */
  readonly mode: 'default' | 'pull' | 'local';
  /** Credentials by registry, as X-Registry-Config carries them. */
  readonly auth: Readonly<Record<string, RegistryCredentials>>;
  readonly signal: AbortSignal;
}

/** Base images by name. Implemented on the image room by the composition root. */
export interface BaseImages {
  /** Throws not_found in Docker's words. */
  find(reference: string, wish: ImageWish): Promise<FoundImage>;
}
