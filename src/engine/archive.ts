import { constants, existsSync } from 'node:fs';
import { join } from 'node:path';
import { rfc3339Nano } from '#base/clock.ts';
import { EngineError, invalid, notFound } from '#base/errors.ts';
import type { Jail, JailBind, JobResults } from '#host/jail.ts';
import type { ContainerId } from '#spec/ids.ts';
import type { ArchiveStat } from '#spec/streams.ts';
import { fromText, toText, type ByteString } from '#spec/tar/header.ts';
import type { FilesystemChange } from '#spec/wire/container.ts';
import type { PlannedMount } from './oci/input.ts';

/** What file operations need to know about a container. */
export interface ArchivedContainer {
  id: ContainerId;
  /** The root file system itself refuses writes (`--read-only`). */
  readOnly: boolean;
  /** The container's own folder, with hosts, hostname and resolv.conf when it has them. */
  folder: string;
}

/** A container's root and volumes, mounted until disposed. */
export interface HeldRoot extends AsyncDisposable {
  merged: string;
  mounts: readonly Pick<PlannedMount, 'type' | 'source' | 'subpath' | 'destination' | 'rw'>[];
}

/** A container's root file system. */
export interface ArchivedRoot {
  /** Mounts it unless it is mounted and returns where. */
  acquire(): string;
  release(): void;
  /** With the volumes. */
  open(): Promise<HeldRoot>;
  upper: string;
  /** Topmost first. */
  lower: readonly string[];
  /** An existing folder to mount `lower` on, seen by the worker's thread only. */
  point: string;
}

export interface ArchivesOptions {
  jail: Jail;
  rootless: boolean;
}

export interface PutOptions {
  noOverwriteDirNonDir: boolean;
  /** Gives everything to this user instead of the archive's. */
  owner: { uid: number; gid: number } | undefined;
}

/**
 * Reads and writes files of containers, running or not. Paths are Docker's: absolute or not, a final `/` or `/.` asks for
 * a folder. Everything happens in a thread whose root is the container's, with its binds and volumes, so that links
 * lead nowhere else. tmpfs mounts and what the container mounted itself are not seen, as with Docker.
 */
export class Archives {
  readonly #jail: Jail;
  readonly #whiteouts: 'overlay' | 'userxattr';

  constructor({ jail, rootless }: ArchivesOptions) {
    this.#jail = jail;
    this.#whiteouts = rootless ? 'userxattr' : 'overlay';
  }

  /** `name` is what the client called the container, for the error text. */
  async stat(name: string, container: ArchivedContainer, root: ArchivedRoot, path: string): Promise<ArchiveStat> {
    await using held = await root.open();
    return (await this.#stat(name, container, held, path)).stat;
  }

  async get(
    name: string,
    container: ArchivedContainer,
    root: ArchivedRoot,
    path: string,
    signal: AbortSignal,
  ): Promise<{ stat: ArchiveStat; tar: AsyncIterable<Uint8Array> }> {
    await using undo = new AsyncDisposableStack();
    const held = undo.use(await root.open());
    const { stat, found } = await this.#stat(name, container, held, path);
    undo.move();
    return { stat, tar: this.#pack(held, bindsOf(container, held), found.resolved, fromText(stat.name), signal) };
  }

  /** The folder must exist. Read-only roots and volumes refuse. */
  async put(
    name: string,
    container: ArchivedContainer,
    root: ArchivedRoot,
    path: string,
    tar: AsyncIterable<Uint8Array>,
    options: PutOptions,
  ): Promise<void> {
    await using held = await root.open();
    const where = { kind: 'container' as const, path: held.merged, binds: bindsOf(container, held) };
    const found = await this.#jail.run<'stat'>({ kind: 'stat', root: where, path: absolute(path), follow: true });
    if (found === undefined) throw missing(path, name);
    if ((found.mode & constants.S_IFMT) !== constants.S_IFDIR) throw new EngineError('internal', 'extraction point is not a directory');
    requireWritable(container, held, toText(found.resolved));
    await this.#jail.run<'unpack'>(
      {
        kind: 'unpack',
        root: where,
        folder: found.resolved,
        source: { kind: 'stream' },
        whiteouts: 'keep',
        noOverwriteDirNonDir: options.noOverwriteDirNonDir,
        owner: options.owner,
        keep: undefined,
        limits: { inflated: 2 ** 50, entries: 10_000_000 },
        unhashed: true,
      },
      tar,
    );
  }

  /** The whole root as a tar, without volumes and binds. */
  async *export(root: ArchivedRoot, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const held = { merged: root.acquire(), mounts: [], [Symbol.asyncDispose]: async () => root.release() };
    yield* this.#pack(held, [], '/', '', signal);
  }

  async changes(root: Pick<ArchivedRoot, 'upper' | 'lower' | 'point'>): Promise<FilesystemChange[]> {
    return (await this.#changes(root)).map(({ path, kind }) => ({ Path: toText(path), Kind: kind }));
  }

  /** What a commit of this container packs: paths inside `upper`. */
  async changedPaths(root: Pick<ArchivedRoot, 'upper' | 'lower' | 'point'>): Promise<ByteString[]> {
    return (await this.#changes(root)).map(({ path }) => path);
  }

  /** Bytes of what the container itself wrote: Docker's SizeRw. */
  size(root: Pick<ArchivedRoot, 'upper'>): Promise<number> {
    return existsSync(root.upper) ? this.#jail.run<'measure'>({ kind: 'measure', path: root.upper }) : Promise.resolve(0);
  }

  async #changes(root: Pick<ArchivedRoot, 'upper' | 'lower' | 'point'>): Promise<JobResults['changes']> {
    if (!existsSync(root.upper)) return [];
    return this.#jail.run<'changes'>({
      kind: 'changes',
      upper: root.upper,
      lower: [...root.lower],
      target: root.point,
      userxattr: this.#whiteouts === 'userxattr',
    });
  }

  async #stat(
    name: string,
    container: ArchivedContainer,
    held: HeldRoot,
    path: string,
  ): Promise<{ stat: ArchiveStat; found: NonNullable<JobResults['stat']> }> {
    const asked = absolute(path);
    const root = { kind: 'container' as const, path: held.merged, binds: bindsOf(container, held) };
    const found = await this.#jail.run<'stat'>({ kind: 'stat', root, path: asked, follow: false });
    if (found === undefined) throw missing(path, name);
    return {
      found,
      stat: {
        name: baseName(toText(asked)),
        size: found.size,
        mode: goFileMode(found.mode),
        mtime: rfc3339Nano(found.mtimeNanos),
        linkTarget: toText(found.linkTarget),
      },
    };
  }

  /** Lets go of what is held when the stream ends, or is given up before it began. */
  #pack(root: HeldRoot, binds: JailBind[], path: ByteString, name: ByteString, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const { merged } = root;
    const where = binds.length > 0 ? { kind: 'container' as const, path: merged, binds } : { kind: 'folder' as const, path: merged };
    const tar = this.#jail.pack({ kind: 'pack', root: where, path, name, whiteouts: 'keep', include: undefined, into: undefined }, signal);
    return (async function* () {
      await using _held = root;
      yield* tar;
    })();
  }
}

const missing = (path: string, name: string): EngineError => notFound(`Could not find the file ${path} in container ${name}`);

/** Binds and volumes, and the files that the engine binds over the image's own. */
function bindsOf(container: ArchivedContainer, { mounts }: HeldRoot): JailBind[] {
  const files = ['hosts', 'hostname', 'resolv.conf'].flatMap((file) => {
    const source = join(container.folder, file);
    return existsSync(source) ? [{ source, subpath: '', destination: `/etc/${file}`, readOnly: false }] : [];
  });
  const binds = mounts
    .filter(({ type, source }) => (type === 'bind' || type === 'volume') && existsSync(source))
    .map(({ source, subpath, destination, rw }) => ({ source, subpath, destination, readOnly: !rw }));
  return [...files, ...binds];
}

/** The mount that a path lies in decides; else the root. Docker's words. */
function requireWritable(container: ArchivedContainer, { mounts }: HeldRoot, path: string): void {
  const mount = mounts
    .filter(({ destination }) => path === destination || path.startsWith(`${destination.replace(/\/$/, '')}/`))
    .toSorted((a, b) => b.destination.length - a.destination.length)[0];
  if (mount !== undefined && !mount.rw) throw new EngineError('forbidden', 'mounted volume is marked read-only');
  if (mount === undefined && container.readOnly) throw new EngineError('forbidden', 'container rootfs is marked read-only');
}

/** Absolute and clean; a final `/` or `/.` stays. */
export function absolute(path: string): ByteString {
  if (path.includes('\0')) throw invalid('a path cannot contain a zero byte');
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  const clean = `/${parts.join('/')}`;
  // What a path with a last `.` names is called `.` in archives, the root too.
  if (/(?:^|\/)\.\/*$/.test(path)) return fromText(clean === '/' ? '/.' : `${clean}/.`);
  if (clean === '/') return '/';
  return fromText(path.endsWith('/') ? `${clean}/` : clean);
}

/** Go's filepath.Base. */
function baseName(path: string): string {
  const trimmed = path.replace(/\/+$/, '');
  return trimmed === '' ? '/' : trimmed.slice(trimmed.lastIndexOf('/') + 1);
}

const { S_IFMT, S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK, S_IFBLK, S_IFCHR } = constants;
const goTypes: Readonly<Record<number, number>> = {
  [S_IFDIR]: 2 ** 31, [S_IFLNK]: 2 ** 27, [S_IFBLK]: 2 ** 26, [S_IFCHR]: 2 ** 26 + 2 ** 21, [S_IFIFO]: 2 ** 25, [S_IFSOCK]: 2 ** 24,
};

/** st_mode as Go's os.FileMode. */
export function goFileMode(mode: number): number {
  const special = (mode & 0o4000 ? 2 ** 23 : 0) + (mode & 0o2000 ? 2 ** 22 : 0) + (mode & 0o1000 ? 2 ** 20 : 0);
  return (goTypes[mode & S_IFMT] ?? 0) + special + (mode & 0o777);
}
