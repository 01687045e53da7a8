import { closeSync, constants, fchmodSync, fchownSync, ftruncateSync, lchownSync, chmodSync, linkSync, lstatSync, mkdirSync, openSync, rmSync, statSync, symlinkSync, unlinkSync, writeSync } from 'node:fs';
import type { Stats } from 'node:fs';
import { EngineError, invalid, isErrno, messageOf } from '#base/errors.ts';
import { toText } from '#spec/tar/header.ts';
import type { ByteString, TarEntry, TarTime } from '#spec/tar/header.ts';
import type { TarHandler } from '#spec/tar/reader.ts';
import type { UnpackJob } from './protocol.ts';
import { fsPath, makeNode, setFileTimes, setTimes, setXattr } from './syscalls.ts';

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';
const { S_IFCHR, S_IFBLK, S_IFIFO, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;

interface OpenFile {
  fd: number;
  path: ByteString;
  entry: TarEntry;
  /** Sparse files: the region being filled and how far. */
  region: number;
  position: number;
}

type Options = Pick<UnpackJob, 'folder' | 'whiteouts' | 'noOverwriteDirNonDir' | 'owner'>;

/**
 * Makes the members of an archive below a folder of the thread's root. Owners, modes, times and xattrs come out exactly
 * (the thread's umask is 0). Names that climb out are refused; symlinks are the kernel's affair, which keeps them inside.
 */
export class TreeWriter implements TarHandler {
  /** Folders that no member describes, although members lie in them. */
  readonly implied = new Set<ByteString>();
  contentSize = 0;
  entries = 0;
  readonly #options: Options;
  readonly #base: ByteString;
  readonly #overlay: 'trusted.overlay.' | 'user.overlay.' | undefined;
  readonly #known = new Set<ByteString>();
  /**
   * What is made anew belongs to this thread's user and has the mode it was made with (the umask is 0): neither needs setting,
   * which saves two of five journaled calls a file. Except in these folders, which may give their own group to what they hold.
   */
  readonly #giving = new Set<ByteString>();
  readonly #maker: { uid: number; gid: number } | undefined;
  readonly #folderTimes: { path: ByteString; time: TarTime }[] = [];
  #file: OpenFile | undefined;

  constructor(options: Options) {
    this.#options = options;
    this.#base = options.folder === '/' ? '' : options.folder.replace(/\/+$/, '');
    this.#overlay = options.whiteouts === 'keep' ? undefined : options.whiteouts === 'overlay' ? 'trusted.overlay.' : 'user.overlay.';
    this.#known.add(this.#base);
    this.#maker = this.#overlay === undefined ? undefined : { uid: geteuid(), gid: getegid() };
  }

  entry(entry: TarEntry): void {
    this.entries++;
    this.contentSize += entry.type === 'file' ? entry.size : entry.type === 'symlink' ? entry.linkName.length : 0;
    const name = cleanName(entry.name);
    try {
      this.#make(name, entry);
    } catch (error) {
      throw described(error, name);
    }
  }

  data(chunk: Buffer): void {
    const file = this.#file;
    if (file === undefined) return;
    try {
      if (file.entry.sparse !== undefined) this.#writeSparse(file, chunk);
      else for (let offset = 0; offset < chunk.length; ) offset += writeSync(file.fd, chunk, offset);
    } catch (error) {
      throw described(error, file.path);
    }
  }

  end(): void {
    const file = this.#file;
    if (file === undefined) return;
    this.#file = undefined;
    const { fd, entry, path } = file;
    try {
      if (entry.sparse !== undefined) ftruncateSync(fd, entry.size);
      const { uid, gid } = this.#owner(entry);
      const made = isPlain(entry.mode) && this.#comesOut(path, { uid, gid });
      if (!made) fchownSync(fd, uid, gid);
      this.#setXattrs(path, entry);
      if (!made) fchmodSync(fd, entry.mode);
      setFileTimes(fd, entry.mtime);
    } catch (error) {
      throw described(error, path);
    } finally {
      closeSync(fd);
    }
  }

  /** Sets the times of folders, which their content had changed. Those that a layer implies have always the same. */
  finish(): void {
    if (this.#overlay !== undefined) for (const name of this.implied) this.#folderTimes.push({ path: `${this.#base}/${name}`, time: { seconds: 0, nanos: 0 } });
    for (const { path, time } of this.#folderTimes.reverse()) {
      try {
        setTimes(path === '' ? '/' : path, time);
      } catch (error) {
        if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw described(error, path);
      }
    }
  }

  /** Lets go of an open file after a failure. */
  abandon(): void {
    if (this.#file) closeSync(this.#file.fd);
    this.#file = undefined;
  }

  #make(name: ByteString, entry: TarEntry): void {
    if (name === '') {
      if (entry.type !== 'dir') throw invalid('the archive is refused: a member without a name');
      // docker cp leaves the folder it copies into as it is.
      if (this.#overlay !== undefined) this.#finishFolder(this.#base, entry, false);
      return;
    }
    const path = `${this.#base}/${name}`;
    const cut = path.lastIndexOf('/');
    const parent = path.slice(0, cut);
    const last = path.slice(cut + 1);
    if (!this.#known.has(parent)) this.#ensureFolder(parent);
    if (this.#overlay !== undefined && last.startsWith(WHITEOUT)) {
      this.#whiteout(parent, last);
      return;
    }
    switch (entry.type) {
      case 'dir':
        this.#folder(path, entry);
        return;
      case 'file':
        this.#openFile(path, entry);
        return;
      case 'link': {
        const target = `${this.#base}/${cleanName(entry.linkName)}`;
        if (target === path) throw invalid('a hard link to itself');
        this.#replacing(path, () => linkSync(fsPath(target), fsPath(path)));
        return;
      }
      case 'symlink':
        if (entry.linkName === '') throw invalid('a symlink without a target');
        this.#replacing(path, () => symlinkSync(fsPath(entry.linkName), fsPath(path)));
        break;
      case 'fifo':
        this.#replacing(path, () => makeNode(path, S_IFIFO | 0o600, 0, 0));
        break;
      case 'char':
      case 'block':
        // No device can be made in a user namespace: left out, as Docker does.
        if (this.#overlay === 'user.overlay.' && entry.major + entry.minor !== 0) return;
        this.#replacing(path, () => makeNode(path, (entry.type === 'char' ? S_IFCHR : S_IFBLK) | 0o600, entry.major, entry.minor));
        break;
    }
    const { uid, gid } = this.#owner(entry);
    if (!this.#comesOut(path, { uid, gid })) lchownSync(fsPath(path), uid, gid);
    this.#setXattrs(path, entry);
    if (entry.type !== 'symlink') chmodSync(fsPath(path), entry.mode);
    setTimes(path, entry.mtime);
  }

  #owner(entry: TarEntry): { uid: number; gid: number } {
    return this.#options.owner ?? entry;
  }

  /** True when something made anew at `path` has this owner already. */
  #comesOut(path: ByteString, { uid, gid }: { uid: number; gid: number }): boolean {
    return this.#maker !== undefined && this.#maker.uid === uid && this.#maker.gid === gid && !this.#giving.has(parentOf(path));
  }

  #openFile(path: ByteString, entry: TarEntry): void {
    let fd = -1;
    const mode = isPlain(entry.mode) && this.#comesOut(path, this.#owner(entry)) ? entry.mode : 0o600;
    this.#replacing(path, () => (fd = openSync(fsPath(path), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode)));
    this.#file = { fd, path, entry, position: 0, region: 0 };
  }

  #writeSparse(file: OpenFile, chunk: Buffer): void {
    let offset = 0;
    while (offset < chunk.length) {
      const region = file.entry.sparse?.[file.region];
      if (region === undefined) return;
      const take = Math.min(region.length - file.position, chunk.length - offset);
      if (take > 0) file.position += writeSync(file.fd, chunk, offset, take, region.offset + file.position);
      offset += take;
      if (file.position >= region.length) {
        file.region++;
        file.position = 0;
      }
    }
  }

  #folder(path: ByteString, entry: TarEntry): void {
    let opaque = false;
    let fresh = true;
    try {
      mkdirSync(fsPath(path), 0o700);
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
      const there = lstatSync(fsPath(path));
      if (!there.isDirectory()) {
        if (this.#options.noOverwriteDirNonDir) throw new EngineError('internal', `cannot overwrite non-directory ${quoted(path)} with directory ${quoted(this.#base || '/')}`);
        opaque = this.#isWhiteout(there);
        unlinkSync(fsPath(path));
        mkdirSync(fsPath(path), 0o700);
      } else fresh = false;
    }
    this.#known.add(path);
    this.implied.delete(path.slice(this.#base.length + 1));
    this.#finishFolder(path, entry, fresh);
    if (opaque) this.#makeOpaque(path);
  }

  #finishFolder(path: ByteString, entry: TarEntry, fresh: boolean): void {
    const place = path === '' ? '/' : path;
    const { uid, gid } = this.#owner(entry);
    if (!fresh || !this.#comesOut(path, { uid, gid })) lchownSync(fsPath(place), uid, gid);
    this.#setXattrs(place, entry);
    chmodSync(fsPath(place), entry.mode);
    if (gid !== this.#maker?.gid || (entry.mode & 0o2000) !== 0) this.#giving.add(path);
    else this.#giving.delete(path);
    this.#folderTimes.push({ path, time: entry.mtime });
  }

  #setXattrs(path: ByteString, entry: TarEntry): void {
    for (const [name, value] of entry.xattrs) {
      // Overlayfs's own attributes would let an archive rearrange the layers it is stacked with.
      if (name.startsWith('trusted.overlay.') || name.startsWith('user.overlay.')) continue;
      try {
        setXattr(path, name, value);
      } catch (error) {
        if (!isErrno(error, 'ENOTSUP', 'EOPNOTSUPP') && !(isErrno(error, 'EPERM') && !name.startsWith('security.'))) throw error;
      }
    }
  }

  /** Runs `make`; when the name is taken, removes what is there and runs it again. */
  #replacing(path: ByteString, make: () => void): void {
    try {
      make();
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
      const there = lstatSync(fsPath(path));
      if (there.isDirectory()) {
        if (this.#options.noOverwriteDirNonDir) throw new EngineError('internal', `cannot overwrite directory ${quoted(path)} with non-directory ${quoted(this.#base || '/')}`);
        this.#forget(path);
        rmSync(fsPath(path), { recursive: true });
      } else unlinkSync(fsPath(path));
      make();
    }
  }

  #forget(folder: ByteString): void {
    for (const path of this.#known) {
      if (path !== folder && !path.startsWith(`${folder}/`)) continue;
      this.#known.delete(path);
      this.implied.delete(path.slice(this.#base.length + 1));
    }
  }

  /** Makes missing folders above a member. */
  #ensureFolder(path: ByteString): void {
    const cut = path.lastIndexOf('/');
    const parent = path.slice(0, cut);
    if (cut > 0 && !this.#known.has(parent)) this.#ensureFolder(parent);
    try {
      mkdirSync(fsPath(path), 0o755);
      if (this.#giving.has(parent)) this.#giving.add(path);
      this.implied.add(path.slice(this.#base.length + 1));
      if (this.#options.owner) lchownSync(fsPath(path), this.#options.owner.uid, this.#options.owner.gid);
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
      // Known by another name, perhaps.
      this.#giving.add(path);
      const there = lstatSync(fsPath(path));
      if (this.#overlay !== undefined && this.#isWhiteout(there)) {
        unlinkSync(fsPath(path));
        mkdirSync(fsPath(path), 0o755);
        this.#makeOpaque(path);
      } else if (!there.isDirectory() && !leadsToFolder(path)) {
        throw invalid(`${quoted(path)} is in the way: not a folder`);
      }
    }
    this.#known.add(path);
  }

  /** A whiteout hides what lower layers have; what this layer itself has stays. */
  #whiteout(parent: ByteString, last: ByteString): void {
    if (last === OPAQUE) {
      this.#makeOpaque(parent);
      return;
    }
    // aufs's own bookkeeping (`.wh..wh.plnk`, ...), which old images carry.
    if (last.startsWith('.wh..wh.')) return;
    const name = last.slice(WHITEOUT.length);
    if (name === '' || name === '.' || name === '..') throw invalid('a whiteout that names no file');
    const path = `${parent}/${name}`;
    try {
      makeNode(path, S_IFCHR, 0, 0);
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
      if (lstatSync(fsPath(path)).isDirectory()) this.#makeOpaque(path);
    }
  }

  #makeOpaque(path: ByteString): void {
    setXattr(path === '' ? '/' : path, `${this.#overlay}opaque`, Buffer.from('y'));
  }

  #isWhiteout(stats: Stats): boolean {
    return this.#overlay !== undefined && stats.isCharacterDevice() && stats.rdev === 0;
  }
}

const parentOf = (path: ByteString): ByteString => path.slice(0, path.lastIndexOf('/'));

const geteuid = (): number => process.geteuid?.() ?? -1;
const getegid = (): number => process.getegid?.() ?? -1;

/** Without set-id and sticky bits, which making a file does not reliably set. */
const isPlain = (mode: number): boolean => (mode & 0o7000) === 0;

function leadsToFolder(path: ByteString): boolean {
  try {
    return statSync(fsPath(path)).isDirectory();
  } catch {
    return false;
  }
}

/** Relative, without empty parts and dots; '' is the root. Names that climb above the root are refused. */
export function cleanName(name: ByteString): ByteString {
  if (!name.includes('//') && !name.includes('.') && !name.startsWith('/')) return name.endsWith('/') ? name.slice(0, -1) : name;
  const parts: ByteString[] = [];
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) throw invalid(`the archive is refused: ${quoted(name)} points outside of it`);
  }
  return parts.join('/');
}

const quoted = (path: ByteString): string => JSON.stringify(toText(path).slice(0, 300));

function described(error: unknown, path: ByteString): EngineError {
  if (error instanceof EngineError) {
    return error.message.includes('"') ? error : new EngineError(error.code, `the archive is refused: ${quoted(path)}: ${error.message}`, { cause: error });
  }
  const full = isErrno(error, 'ENOSPC', 'EDQUOT')
    ? 'no space left on device'
    : isErrno(error, 'EINVAL') && /chown/.test(error.syscall ?? '')
      ? "its owner is outside of this user's id ranges (see /etc/subuid and /etc/subgid)"
      : messageOf(error).replace(/^E\w+: /, '');
  const code = isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'EINVAL', 'EPERM') ? 'invalid_argument' : 'internal';
  return new EngineError(code, `cannot unpack ${quoted(path)}: ${full}`, { cause: error });
}
