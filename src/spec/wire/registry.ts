// Wire types of the Engine API (up to v1.55), noun: registry. What a client sends or reads; never what the engine stores.
import type { OCIDescriptor, OCIPlatform } from './image.ts';

/** What `X-Registry-Auth` carries, and the body of POST /auth. */
export interface RegistryCredentials {
  username?: string | undefined;
  password?: string | undefined;
  /** Base64 of `username:password`, as config.json has it. */
  auth?: string | undefined;
  serveraddress?: string | undefined;
  /** A refresh token, in the place of a password. */
  identitytoken?: string | undefined;
  /** A bearer token, sent as it is. */
  registrytoken?: string | undefined;
}

export interface AuthenticateResponse {
  Status: string;
  IdentityToken: string;
}

export interface DistributionInspect {
  Descriptor: OCIDescriptor;
  Platforms: OCIPlatform[];
}

export interface RegistrySearchResult {
  description: string;
  is_official: boolean;
  is_automated: boolean;
  name: string;
  star_count: number;
}

/** Gantry only: `GET /gantry/distribution/{name}/manifest`, a manifest as it lies in its registry. */
export interface RemoteManifest {
  /** With the platform of an image, from its configuration. */
  Descriptor: OCIDescriptor;
  /** Its bytes in base64. */
  Raw: string;
}

/** Gantry only: the body of `PUT /gantry/distribution/{name}/manifest`. */
export interface RemoteManifestPut {
  MediaType: string;
  /** Its bytes in base64. */
  Raw: string;
  /** Blobs that it needs, with the repository of the same registry that has them. */
  Mounts?: { Digest: string; From: string }[] | undefined;
}
