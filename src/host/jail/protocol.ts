/** What the main thread and a jailed worker say to each other. Plain data only: it is structured-cloned. */
import type { ByteString } from '#spec/tar/header.ts';
import type { Digest } from '#spec/digest.ts';
import type { ErrorCode } from '#base/errors.ts';

/** A bind to assemble below a container's root. `destination` is resolved inside the root by the kernel, or made there. */
export interface JailBind {
  source: string;
  /** Inside `source`, resolved there by the kernel; empty for all of it. */
  subpath: string;
  destination: string;
  readOnly: boolean;
}

/**
 * What the worker's thread takes as `/`. A `folder` is entered by chroot. A `container` is a mounted root file system with
 * binds added in a mount namespace of the thread's own, which ends with the job or the process.
 */
export type JailRoot =
  /** Layers on one another, topmost first, to be read; `points` is a folder below which the worker mounts them. */
  | { kind: 'tree'; lower: string[]; points: string }
  | { kind: 'folder'; path: string }
  | { kind: 'container'; path: string; binds: JailBind[] };

/**
 * Bytes that go in: a stream from the caller or a file of the host, opened before the root is entered. `known` is what
 * was found when the file was written by ourselves: it is not hashed again. A `growing` file is still being written from
 * its start on: the caller's input is not bytes but how many of them are there.
 */
export type ByteSource = { kind: 'file'; path: string; known?: { digest: Digest; size: number } } | { kind: 'growing'; path: string } | { kind: 'stream' };

export interface UnpackJob {
  kind: 'unpack';
  root: JailRoot;
  /** Where the members go, inside the root. Must be a folder there. */
  folder: ByteString;
  source: ByteSource;
  /** `overlay`: whiteout files become overlayfs whiteouts; `userxattr`: the same for mounts with that option. */
  whiteouts: 'overlay' | 'userxattr' | 'keep';
  /** Refuse to replace a folder by something else, or the reverse. */
  noOverwriteDirNonDir: boolean;
  /** Gives everything this owner instead of the archive's. */
  owner: { uid: number; gid: number } | undefined;
  /** Copy the bytes as they came into this new file of the host. */
  keep: string | undefined;
  limits: UnpackLimits;
  /** Nobody asks for digests: they come out as those of nothing. */
  unhashed?: true;
}

export interface UnpackLimits {
  /** Bytes after decompression. */
  inflated: number;
  /** The limit is what the disk has room for, not a rule. */
  byDisk?: boolean;
  entries: number;
}

export interface UnpackResult {
  compression: 'none' | 'gzip' | 'zstd';
  /** Of the bytes as they came. */
  digest: Digest;
  size: number;
  /** Of the tar itself: a layer's diff id. */
  inflatedDigest: Digest;
  inflatedSize: number;
  /** Sum of the sizes of files and symlinks, which Docker calls the size of a layer. */
  contentSize: number;
  entries: number;
  /** Folders that the archive did not name although members lie in them; they got mode 0755 and root. */
  implied: ByteString[];
}

/** Lays an image archive's files down flat in `into` (see `Spool`). Runs outside any root: no name of it is used. */
export interface SpoolJob {
  kind: 'spool';
  into: string;
  source: ByteSource;
  limits: UnpackLimits;
}

/** `file` is the name below `into`; links point at other members. */
export type SpooledMember = ({ kind: 'file' } & SpooledFile) | { kind: 'link'; target: ByteString };

export interface SpooledFile {
  file: string;
  digest: Digest;
  size: number;
}

export interface PackJob {
  kind: 'pack';
  root: JailRoot;
  /** A folder (with everything below) or a single file, inside the root. Not followed when it is a symlink. */
  path: ByteString;
  /** Name of `path` in the archive: '' leaves out the folder itself and names its content relative to it. */
  name: ByteString;
  /** `overlay`: the folder is an overlayfs upper or lower; its whiteouts are written as `.wh.` files. */
  whiteouts: 'overlay' | 'userxattr' | 'keep';
  /** Only these paths inside the root, their folders among them; undefined takes everything. */
  include: ByteString[] | undefined;
  /** Later times are written as this one, in seconds since the epoch. */
  latest?: number | undefined;
  /** Write into this new file of the host instead of streaming; only then, and with `discard`, digest and size are told. */
  into: string | undefined;
  /** Only the digest and sizes are wanted: nothing is written or streamed. */
  discard?: boolean;
}

export interface PackResult {
  digest: Digest;
  size: number;
  contentSize: number;
}

/** Gives implied folders of a layer the owner, mode, time and xattrs they have in the layers below. */
export interface AdoptJob {
  kind: 'adopt';
  layer: string;
  /** Topmost first. */
  lower: string[];
  folders: ByteString[];
}

/** Docker's X-Docker-Container-Path-Stat for a path in a container. */
export interface StatJob {
  kind: 'stat';
  root: JailRoot;
  path: ByteString;
  /** Follow a symlink in the last place. */
  follow: boolean;
}

export interface StatResult {
  /** Absolute, without symlinks in its folders. */
  resolved: ByteString;
  /** st_mode with type bits. */
  mode: number;
  size: number;
  mtimeNanos: bigint;
  /** Where a symlink ends up, as an absolute path in the root. */
  linkTarget: ByteString;
  uid: number;
  gid: number;
}

/** What an overlay's upper folder changes. */
export interface ChangesJob {
  kind: 'changes';
  upper: string;
  /** Topmost first. */
  lower: string[];
  /** An existing folder to mount the layers on, seen by the worker's thread only. */
  target: string;
  userxattr: boolean;
}

export interface ChangeEntry {
  path: ByteString;
  /** Docker's numbers: 0 modified, 1 added, 2 deleted. */
  kind: 0 | 1 | 2;
}

/** Sum of the sizes of all files below a folder, hard links once. */
export interface MeasureJob {
  kind: 'measure';
  path: string;
  /** Count what everything takes on the disk, folders and the one itself too, as `du` does. */
  blocks?: boolean;
}

/** A user or group: a number, or a name that the tree's own /etc/passwd or /etc/group knows. `tree`: folders, topmost first. */
export type OwnerName = { id: number } | { name: string; tree: string[] };
export interface FileOwner {
  user: OwnerName | undefined;
  group: OwnerName | undefined;
}

/** Nanoseconds since the epoch as text (structured clones keep them exact); undefined keeps the source's or takes now. */
type FileTime = string | undefined;

/** What a file action does; all in the terms of LLB's file operations. Paths are resolved inside their tree by the kernel. */
export type FileStep =
  | {
      step: 'copy';
      /** The tree copied from: folders, topmost first. */
      from: string[];
      source: string;
      destination: string;
      owner: FileOwner | undefined;
      /** Octal or symbolic; empty keeps the source's. */
      mode: string;
      followSymlink: boolean;
      contentsOnly: boolean;
      unpack: boolean;
      replace: boolean;
      createDestination: boolean;
      wildcard: boolean;
      allowEmpty: boolean;
      include: string[];
      exclude: string[];
      /** Paths of the tree copied from that must be there whatever the patterns say. */
      required?: string[];
      time: FileTime;
    }
  | { step: 'mkfile'; path: string; mode: number; data: Uint8Array; owner: FileOwner | undefined; time: FileTime }
  | { step: 'mkdir'; path: string; mode: number; parents: boolean; owner: FileOwner | undefined; time: FileTime }
  | { step: 'symlink'; target: string; path: string; owner: FileOwner | undefined; time: FileTime }
  | { step: 'rm'; path: string; allowNotFound: boolean; wildcard: boolean };

/** Changes a tree: what is written goes to `upper`. Runs in a mount namespace of the thread's own. */
export interface FilesJob {
  kind: 'files';
  /** Topmost first; empty: an empty tree. */
  lower: string[];
  upper: string;
  work: string;
  /** An existing folder whose subfolders serve as mount points, seen by the worker's thread only. */
  points: string;
  userxattr: boolean;
  /** What is made here is never changed afterwards: files that are copied as they are may be second names of their sources. */
  link?: boolean;
  steps: FileStep[];
  limits: UnpackLimits;
}

/** A digest of names, types, modes, owners and content of what a path or pattern selects: what a copy of it depends on. */
export interface ContentJob {
  kind: 'content';
  tree: string[];
  points: string;
  selections: ContentSelection[];
  /** A file of the host with digests of files by inode, size and time, read before and written after; for trees whose files are only ever replaced. */
  memo?: string | undefined;
}

export interface ContentSelection {
  path: string;
  wildcard: boolean;
  followSymlink: boolean;
  include: string[];
  exclude: string[];
}

/** Lists what package managers say is installed in a tree. */
export interface PackagesJob {
  kind: 'packages';
  tree: string[];
  points: string;
}

export interface FoundPackage {
  manager: 'deb' | 'apk' | 'npm' | 'pypi';
  name: string;
  version: string;
  architecture: string;
  /** The file that says so. */
  source: string;
  license: string;
}

/** Takes empty mount points out of a layer that the runtime made for one run: those that `lower` does not have. */
export interface TidyJob {
  kind: 'tidy';
  /** Absolute paths without symlinks, parents first. */
  paths: string[];
  upper: string;
  /** Topmost first. */
  lower: string[];
}

/** What `upper` has beyond `lower`, as a layer in `into`; files are linked, not copied. All lists are topmost first. */
export interface DiffJob {
  kind: 'diff';
  lower: string[];
  upper: string[];
  into: string;
  points: string;
}

/** Brings the file system of a path to its disk. */
export interface SyncJob {
  kind: 'sync';
  path: string;
}

/** Removes trees of the engine's own, which may be large. */
export interface RemoveJob {
  kind: 'remove';
  paths: string[];
}

export interface JobResults {
  files: undefined;
  /** One digest a selection; undefined where nothing matches. */
  content: (Digest | undefined)[];
  packages: FoundPackage[];
  tidy: undefined;
  diff: undefined;
  unpack: UnpackResult;
  spool: Map<ByteString, SpooledMember>;
  pack: PackResult;
  adopt: undefined;
  /** Undefined when there is nothing. */
  stat: StatResult | undefined;
  changes: ChangeEntry[];
  measure: number;
  remove: undefined;
  sync: undefined;
}

export type Job = UnpackJob | SpoolJob | PackJob | AdoptJob | StatJob | ChangesJob | MeasureJob | RemoveJob | SyncJob | FilesJob | ContentJob | TidyJob | DiffJob | PackagesJob;

export type ToWorker =
  | { type: 'job'; job: Job }
  | { type: 'chunk'; data: Uint8Array }
  /** So many bytes of the growing file are there. */
  | { type: 'grown'; size: number }
  | { type: 'end' }
  /** The caller is gone: give the job up. */
  | { type: 'abort'; reason: string }
  /** The caller took one chunk. */
  | { type: 'credit' };

export type FromWorker =
  | { type: 'ready' }
  | { type: 'result'; value: unknown }
  | { type: 'error'; code: ErrorCode; message: string }
  | { type: 'credit' }
  /** So many bytes of the growing file were taken. */
  | { type: 'position'; value: number }
  /** A file of a spooled archive that looks like a layer is complete. */
  | { type: 'member'; member: SpooledFile }
  | { type: 'chunk'; data: Uint8Array };

/** Chunks that may be under way in one direction. */
export const WINDOW = 8;
