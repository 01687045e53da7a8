/**
 * The build graph that the solver runs. It has the five operations of BuildKit's LLB (source, exec, file, merge, diff) in
 * the same meaning, so that graphs that came over the BuildKit wire can be solved too; nothing of it knows Dockerfiles.
 *
 * A vertex is named by the digest of its canonical JSON, inputs included: same digest, same work. `meta` is for people
 * (names, source lines, cache wishes) and is no part of the digest.
 */
import { createHash } from 'node:crypto';
import type { Digest } from '#spec/digest.ts';
import type { Platform } from '#spec/oci-image.ts';

export type VertexDigest = Digest;

/** One output of a vertex: a file tree. Only exec has more than one (its writable mounts, in order). */
export interface Output {
  readonly vertex: VertexDigest;
  readonly index: number;
}

/**
 * Identifier schemes as in LLB: `docker-image://docker.io/library/busybox:latest@sha256:...`, `local://<context name>`,
 * `git://host/repo.git#ref:subdir` (also `git+ssh`), `https://...`, `oci-layout://<store>/<name>@sha256:...`.
 * Attributes too: `image.resolvemode`, `local.includepattern`, `local.excludepatterns`, `local.followpaths` (JSON lists),
 * `local.sharedkeyhint`, `git.keepgitdir`, `git.fullurl`, `http.checksum`, `http.filename`, `http.perm`, `http.uid`, `http.gid`.
 */
export interface SourceOp {
  readonly kind: 'source';
  readonly identifier: string;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface ExecMeta {
  readonly args: readonly string[];
  /** `NAME=value`, complete. */
  readonly env: readonly string[];
  readonly cwd: string;
  /** As in `USER`; resolved inside the root. Empty is root. */
  readonly user: string;
  readonly hostname: string;
  readonly extraHosts: readonly { host: string; ip: string }[];
  readonly ulimits: readonly { name: string; soft: number; hard: number }[];
  readonly cgroupParent: string;
  /** Exit codes that count as success; empty means zero only. */
  readonly validExitCodes: readonly number[];
  /** Names of environment variables that hold the build's proxies and stay out of cache keys. */
  readonly proxy: Readonly<Record<string, string>> | undefined;
}

export type CacheSharing = 'shared' | 'private' | 'locked';

/**
 * `input` numbers the vertex's inputs, -1 is an empty tree (scratch). `output` numbers the vertex's outputs, -1 drops what
 * was written. The mount at `/` is the root.
 */
interface MountBase {
  readonly destination: string;
  readonly input: number;
  /** A path inside the input, resolved inside it by the kernel. */
  readonly selector: string;
  readonly output: number;
  readonly readOnly: boolean;
}

export type ExecMount =
  | (MountBase & { readonly type: 'bind' })
  | (MountBase & { readonly type: 'cache'; readonly cacheId: string; readonly sharing: CacheSharing })
  | (MountBase & { readonly type: 'tmpfs'; readonly size: number })
  | (MountBase & { readonly type: 'secret'; readonly secretId: string; readonly uid: number; readonly gid: number; readonly mode: number; readonly optional: boolean })
  | (MountBase & { readonly type: 'ssh'; readonly sshId: string; readonly uid: number; readonly gid: number; readonly mode: number; readonly optional: boolean });

export interface ExecOp {
  readonly kind: 'exec';
  readonly meta: ExecMeta;
  readonly mounts: readonly ExecMount[];
  readonly network: 'sandbox' | 'host' | 'none';
  readonly security: 'sandbox' | 'insecure';
  /** Secrets that become environment variables. */
  readonly secretEnv: readonly { readonly id: string; readonly name: string; readonly optional: boolean }[];
}

/** Names are looked up in `input`'s /etc/passwd and /etc/group; numbers are themselves. */
export type OwnerPart = { readonly name: string; readonly input: number } | { readonly id: number };
export interface Owner {
  readonly user: OwnerPart | undefined;
  readonly group: OwnerPart | undefined;
}

/**
 * Actions run in order. Inputs are numbered through: first the vertex's inputs, then the results of earlier actions
 * (`inputs.length + k` is action k's); -1 is scratch. `output` -1: an intermediate result.
 */
interface FileActionBase {
  readonly input: number;
  readonly output: number;
}
export type FileAction =
  | (FileActionBase & {
      readonly action: 'copy';
      /** The tree that is copied from, numbered like `input`. */
      readonly secondary: number;
      readonly source: string;
      readonly destination: string;
      readonly owner: Owner | undefined;
      /** Octal or symbolic (`u=rw,go=r`), for files and folders copied; empty keeps them. */
      readonly mode: string;
      readonly followSymlink: boolean;
      readonly directoryContentsOnly: boolean;
      readonly attemptUnpack: boolean;
      readonly alwaysReplaceExisting: boolean;
      readonly createDestinationPath: boolean;
      readonly allowWildcard: boolean;
      readonly allowEmptyWildcard: boolean;
      readonly includePatterns: readonly string[];
      readonly excludePatterns: readonly string[];
      /** Paths of the source that must be there, where `includePatterns` alone would let them be missing. */
      readonly requiredPaths?: readonly string[];
      /** Nanoseconds; -1 keeps the source's times. */
      readonly timestamp: number;
    })
  | (FileActionBase & { readonly action: 'mkfile'; readonly path: string; readonly mode: number; readonly data: string /* base64 */; readonly owner: Owner | undefined; readonly timestamp: number })
  | (FileActionBase & { readonly action: 'mkdir'; readonly path: string; readonly mode: number; readonly makeParents: boolean; readonly owner: Owner | undefined; readonly timestamp: number })
  | (FileActionBase & { readonly action: 'symlink'; readonly oldPath: string; readonly newPath: string; readonly owner: Owner | undefined; readonly timestamp: number })
  | (FileActionBase & { readonly action: 'rm'; readonly path: string; readonly allowNotFound: boolean; readonly allowWildcard: boolean });

export interface FileOp {
  readonly kind: 'file';
  readonly actions: readonly FileAction[];
}

/** Layers its inputs on one another, lowest first, without copying. `COPY --link` is this. */
export interface MergeOp {
  readonly kind: 'merge';
}

/** What input 1 adds to input 0 (either may be -1: scratch). */
export interface DiffOp {
  readonly kind: 'diff';
  readonly lower: number;
  readonly upper: number;
}

export type Op = SourceOp | ExecOp | FileOp | MergeOp | DiffOp;

/** Where a vertex comes from, to draw an excerpt; lines are counted from 1, `end` included. */
export interface SourceRange {
  readonly file: string;
  readonly start: number;
  readonly end: number;
}

export interface VertexMeta {
  /** `[stage 2/5] RUN make`: what progress shows. */
  readonly name: string;
  readonly ignoreCache: boolean;
  readonly ranges: readonly SourceRange[];
}

export interface Vertex {
  readonly digest: VertexDigest;
  readonly inputs: readonly Output[];
  readonly op: Op;
  /** What the result is for and, for exec, what its programs are of. */
  readonly platform: Platform | undefined;
  readonly meta: VertexMeta;
}

/** Closed under inputs; `vertices` has each digest once, inputs before those that use them. */
export interface Graph {
  readonly vertices: ReadonlyMap<VertexDigest, Vertex>;
}

export function makeVertex(parts: Omit<Vertex, 'digest'>): Vertex {
  const { inputs, op, platform } = parts;
  const text = JSON.stringify(canonical({ inputs, op, platform }));
  return { ...parts, digest: `sha256:${createHash('sha256').update(text).digest('hex')}` as VertexDigest };
}

/** Keys in order, undefined left out. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, item]) => [key, canonical(item)]));
}
