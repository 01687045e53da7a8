/**
 * What a frontend is asked and what it answers: text and options in, a graph and image configurations out. It runs no
 * step and reads no file; images are looked up through `resolveImage` alone. The solver runs the graph, the exporter
 * fills `rootfs` in.
 */
import type { Digest } from '#spec/digest.ts';
import type { ImageConfigFile, Platform } from '#spec/oci-image.ts';
import type { Graph, Output } from './graph/vertex.ts';

/**
 * Where a build's files come from. `local` is a tree that the client sends under that name; `source` is any identifier of
 * a source operation (git, https, ...); `image` and `layout` name an image; `target` is another build's result, graph and all.
 */
export type BuildContext =
  | { readonly kind: 'local'; readonly name: string; readonly sharedKey?: string | undefined }
  | { readonly kind: 'source'; readonly identifier: string; readonly attributes: Readonly<Record<string, string>> }
  | { readonly kind: 'image'; readonly reference: string }
  | { readonly kind: 'layout'; readonly reference: string }
  | { readonly kind: 'graph'; readonly graph: Graph; readonly output: Output | undefined; readonly config: ImageConfigFile | undefined };

export interface ResolvedImage {
  /** Of the manifest for the platform or of the index; what the source operation is pinned to. Undefined: not pinned. */
  readonly digest: Digest | undefined;
  readonly config: ImageConfigFile;
}

export interface ResolveOptions {
  readonly platform: Platform;
  /** `docker-image` looks in the store and the registry, `oci-layout` in a layout that the client serves. */
  readonly scheme: 'docker-image' | 'oci-layout';
  /** For progress: `[internal] load metadata for docker.io/library/busybox:latest`. */
  readonly logName: string;
}

export interface BuildUlimit {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

export interface FrontendRequest {
  readonly text: string;
  /** As messages name it: `Dockerfile`. */
  readonly fileName: string;
  /** A stage's name; empty is the last one. */
  readonly target: string;
  /** For `--check`: without a target every stage is compiled, needed or not, so that lint sees all of them. */
  readonly allStages?: boolean;
  readonly buildArgs: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** Empty: the platform of the base image on this machine. More than one: names of steps carry the platform. */
  readonly platforms: readonly Platform[];
  readonly buildPlatform: Platform;
  readonly noCache: boolean;
  /** Stage names whose steps take nothing from the cache. */
  readonly noCacheFilter: readonly string[];
  /** `image.resolvemode` of LLB. */
  readonly resolveMode: 'default' | 'pull' | 'local';
  readonly addHosts: readonly { readonly host: string; readonly ip: string }[];
  readonly networkMode: 'sandbox' | 'host' | 'none';
  /** Bytes; 0 is the default. */
  readonly shmSize: number;
  readonly ulimits: readonly BuildUlimit[];
  readonly cgroupParent: string;
  readonly hostname: string;
  readonly cacheIdNamespace: string;
  /** The main context. */
  readonly context: BuildContext;
  /** By name, as in `--build-context name=...`. Names are matched as written. */
  readonly namedContexts: ReadonlyMap<string, BuildContext>;
  /** Text of the `.dockerignore` that applies; empty where there is none. It is the sender that obeys it; here it serves lint. */
  readonly ignoreText: string;
  readonly resolveImage: (reference: string, options: ResolveOptions) => Promise<ResolvedImage>;
  readonly warn: (warning: BuildWarning) => void;
}

/** A finding of a lint rule; `ranges` are lines, counted from 1. */
export interface BuildWarning {
  readonly rule: string;
  readonly description: string;
  readonly url: string;
  readonly detail: string;
  readonly ranges: readonly LineRange[];
}

export interface LineRange {
  readonly start: number;
  readonly end: number;
}

/**
 * One line of the classic `Step 3/7 : RUN make`, in order, over all stages that are built; `output` is the tree after it,
 * undefined for scratch and for stages that hold no tree.
 */
export interface FrontendStep {
  readonly text: string;
  readonly output: Output | undefined;
}

export interface PlatformResult {
  readonly platform: Platform;
  /** Undefined: scratch, no files at all. */
  readonly output: Output | undefined;
  /** History included; `rootfs.diff_ids` holds the base's only, `created` is the exporter's to set. Entries of `history` that are no
   * `empty_layer` belong to the layers of `output` in order; where there are fewer layers than entries, they count from the base up. */
  readonly config: ImageConfigFile;
  /** The base image's own configuration; undefined on scratch. */
  readonly base: ImageConfigFile | undefined;
  readonly steps: readonly FrontendStep[];
}

export interface FrontendResult {
  readonly graph: Graph;
  readonly platforms: readonly PlatformResult[];
  readonly warnings: readonly BuildWarning[];
  /** What of the main context the build reads (`/` or nothing to narrow: undefined), as in `local.followpaths`. */
  readonly contextPaths: readonly string[] | undefined;
  /** Build arguments that nothing declared, in order. */
  readonly unusedArgs: readonly string[];
  /** SOURCE_DATE_EPOCH in seconds, where it is set. */
  readonly epoch: number | undefined;
}
