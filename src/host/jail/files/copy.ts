/** Copies files from one tree into another, the thread switching between the two roots. */
import { chmodSync, closeSync, constants, fchmodSync, fchownSync, fstatSync, lchownSync, linkSync, lstatSync, mkdirSync, openSync, readSync, rmSync, symlinkSync, unlinkSync, writeSync } from 'node:fs';
import { invalid, isErrno } from '#base/errors.ts';
import { fromText, toText } from '#spec/tar/header.ts';
import type { ByteString, TarTime } from '#spec/tar/header.ts';
import { copyRange } from '../../kernel.ts';
import type { OpenTree, TreeSpace } from '../enter.ts';
import { resolvePath } from '../resolve.ts';
import { fsPath, linkBetween, makeNode, setFileTimes, setTimes, setXattr } from '../syscalls.ts';
import { list, splitDevice } from '../tree-reader.ts';
import { dirName, joined, look, readEntry, type SourceEntry } from './entry.ts';
import type { Chown } from './owners.ts';
import type { PathPatterns } from './patterns.ts';
import { cleanPath, type Selected } from './selection.ts';

export interface CopyOptions {
  space: TreeSpace;
  from: OpenTree;
  to: OpenTree;
  chown: Chown | undefined;
  mode: ((mode: number, folder: boolean) => number) | undefined;
  time: TarTime | undefined;
  include: PathPatterns | undefined;
  exclude: PathPatterns | undefined;
  contentsOnly: boolean;
  replace: boolean;
  /**
   * The folder that takes what is written to `to`. What goes into folders that are new is written there, past the overlay:
   * nothing below can show through, and it takes a fraction of the time.
   */
  upper: OpenTree | undefined;
  /** Files of `from` are never changed and lie on the same mount as `upper`: a second name in the place of a copy. */
  link: boolean;
  check: () => void;
}

/** Entries that are open at a time. */
const BATCH = 64;
const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, S_IFCHR, S_IFBLK, S_IFIFO } = constants;

export class Copier {
  readonly #options: CopyOptions;
  /** First copies of files with several names, by device and inode. */
  readonly #links = new Map<string, ByteString>();
  /** Source folders that an include pattern may or may not bring along, parents first. */
  #waiting: { entry: SourceEntry; to: ByteString }[] = [];
  #buffer: Buffer | undefined;
  /** Where what is written goes at the moment. */
  #side: 'to' | 'upper' = 'to';

  constructor(options: CopyOptions) {
    this.#options = options;
  }

  copy({ path, name }: Selected, destination: string): void {
    const { contentsOnly, exclude, include } = this.#options;
    // What is named twice is copied twice: the second may land on the first.
    this.#links.clear();
    this.#side = 'to';
    this.#inside('from');
    const entry = readEntry(path, { content: true });
    if (entry === undefined) return;
    const folder = entry.type === 'dir';
    if (!folder && (exclude?.matches(toText(name)) === true || (include !== undefined && !include.matches(toText(name))))) {
      if (entry.fd !== undefined) closeSync(entry.fd);
      return;
    }
    this.#inside(this.#side);
    const clean = fromText(cleanPath(destination));
    const asFolder = clean.endsWith('/') || clean.endsWith('/.');
    const place = resolvePath(clean.endsWith('/.') ? clean.slice(0, -1) : clean);
    if (asFolder) makeFolders(place, this.#options);
    const there = look(place);
    const into = there?.isDirectory() === true && (!folder || !contentsOnly) && name !== '';
    const target = into ? resolvePath(joined(place, name)) : place;
    makeFolders(folder && contentsOnly && there === undefined ? target : dirName(target), this.#options);
    this.#put(entry, target, '', false);
  }

  /** Writes an entry; for a folder, all that it holds. `overwrite`: an existing folder takes over the source's metadata. */
  #put(entry: SourceEntry, target: ByteString, relative: string, overwrite: boolean): void {
    this.#options.check();
    if (entry.type !== 'dir') {
      try {
        this.#inside(this.#side);
        this.#bringWaiting();
        this.#write(entry, target);
      } finally {
        if (entry.fd !== undefined) closeSync(entry.fd);
      }
      return;
    }
    const { include } = this.#options;
    const taken = include === undefined || relative === '' || include.matches(relative);
    const mark = this.#waiting.length;
    let made = true;
    if (taken) {
      this.#inside(this.#side);
      this.#bringWaiting();
      made = this.#makeFolder(entry, target);
    } else this.#waiting.push({ entry, to: target });
    const before = this.#side;
    if (taken && made && this.#options.upper !== undefined) this.#side = 'upper';
    this.#children(entry.path, target, relative);
    this.#side = before;
    if (this.#waiting.length > mark) this.#waiting.length = mark;
    else if (made || (overwrite && include === undefined)) {
      this.#inside(this.#side);
      // Set last: what was made inside had changed it.
      if (look(target)?.isDirectory() === true) this.#finishFolder(entry, target);
    }
  }

  #children(source: ByteString, target: ByteString, relative: string): void {
    this.#inside('from');
    const names = list(source).filter((name) => this.#wanted(relative === '' ? toText(name) : `${relative}/${toText(name)}`));
    for (let start = 0; start < names.length; start += BATCH) {
      const batch: { entry: SourceEntry; name: ByteString }[] = [];
      this.#inside('from');
      for (const name of names.slice(start, start + BATCH)) {
        const entry = readEntry(joined(source, name), { content: !(this.#options.link && this.#side === 'upper') });
        if (entry === undefined) continue;
        const path = relative === '' ? toText(name) : `${relative}/${toText(name)}`;
        if (entry.type !== 'dir' && this.#options.include?.matches(path) === false) {
          if (entry.fd !== undefined) closeSync(entry.fd);
          continue;
        }
        batch.push({ entry, name });
      }
      for (const { entry, name } of batch) this.#put(entry, joined(target, name), relative === '' ? toText(name) : `${relative}/${toText(name)}`, true);
    }
  }

  #wanted(path: string): boolean {
    const { include, exclude } = this.#options;
    // An excluded folder may hold what a later pattern brings back: it is left out as a whole, as the patterns' parents are.
    if (exclude?.matches(path) === true) return false;
    return include === undefined || include.matches(path) || include.reaches(path);
  }

  #bringWaiting(): void {
    for (const { entry, to } of this.#waiting) if (look(to) === undefined) {
      this.#makeFolder(entry, to);
      this.#finishFolder(entry, to);
    }
    this.#waiting = [];
  }

  /** True when it is new. */
  #makeFolder(entry: SourceEntry, target: ByteString): boolean {
    const there = look(target);
    if (there?.isDirectory() === true) return false;
    if (there !== undefined) {
      if (!this.#options.replace) throw invalid(`cannot copy to non-directory: ${toText(target)}`);
      unlinkSync(fsPath(target));
    }
    mkdirSync(fsPath(target), 0o700);
    this.#finishFolder(entry, target);
    return true;
  }

  #finishFolder(entry: SourceEntry, target: ByteString): void {
    const { chown, mode, time } = this.#options;
    const { uid, gid } = this.#owner(entry, chown);
    lchownSync(fsPath(target), uid, gid);
    for (const [name, value] of entry.xattrs) setXattr(target, name, value);
    const own = Number(entry.stats.mode) & 0o7777;
    chmodSync(fsPath(target), mode?.(own, true) ?? own);
    setTimes(target, time ?? timeOf(entry));
  }

  #owner(entry: SourceEntry, chown: Chown | undefined): { uid: number; gid: number } {
    const own = { uid: Number(entry.stats.uid), gid: Number(entry.stats.gid) };
    return chown === undefined ? own : chown(own);
  }

  #write(entry: SourceEntry, target: ByteString): void {
    const { stats, type } = entry;
    if (type === 'file' && this.#linked(entry, target)) return;
    if (stats.nlink > 1n && type === 'file') {
      const key = `${stats.dev}:${stats.ino}`;
      const first = this.#links.get(key);
      if (first !== undefined) {
        this.#clear(target);
        linkSync(fsPath(first), fsPath(target));
        return;
      }
      this.#links.set(key, target);
    }
    const { chown, mode, time } = this.#options;
    const { uid, gid } = this.#owner(entry, chown);
    const own = Number(stats.mode) & 0o7777;
    if (type === 'file') {
      const fd = this.#create(target);
      try {
        this.#content(entry.fd ?? -1, fd, Number(stats.size));
        if (uid !== 0 || gid !== 0) fchownSync(fd, uid, gid);
        for (const [name, value] of entry.xattrs) setXattr(target, name, value);
        fchmodSync(fd, mode?.(own, false) ?? own);
        setFileTimes(fd, time ?? timeOf(entry));
      } finally {
        closeSync(fd);
      }
      return;
    }
    this.#clear(target);
    if (type === 'symlink') symlinkSync(fsPath(entry.target), fsPath(target));
    else if (type === 'fifo') makeNode(target, S_IFIFO | 0o600, 0, 0);
    else {
      const { major, minor } = splitDevice(stats.rdev);
      makeNode(target, (type === 'char' ? S_IFCHR : S_IFBLK) | 0o600, major, minor);
    }
    lchownSync(fsPath(target), uid, gid);
    if (type !== 'symlink') chmodSync(fsPath(target), mode?.(own, false) ?? own);
    setTimes(target, time ?? timeOf(entry));
  }

  /** False where it has to be copied. */
  #linked(entry: SourceEntry, target: ByteString): boolean {
    const { from, upper, link } = this.#options;
    if (!link || upper === undefined || this.#side !== 'upper') return false;
    try {
      linkBetween(from.fd, entry.path, upper.fd, target);
      return true;
    } catch (error) {
      if (!isErrno(error, 'EEXIST', 'EXDEV', 'EMLINK', 'EPERM')) throw error;
      // It was read without its content.
      this.#inside('from');
      entry.fd = openSync(fsPath(entry.path), constants.O_RDONLY | O_NOFOLLOW | constants.O_NONBLOCK);
      this.#inside('upper');
      return false;
    }
  }

  #create(target: ByteString): number {
    const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
    try {
      return openSync(fsPath(target), flags, 0o600);
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
      this.#clear(target);
      return openSync(fsPath(target), flags, 0o600);
    }
  }

  /** Makes room for what is no folder. */
  #clear(target: ByteString): void {
    const there = look(target);
    if (there === undefined) return;
    if (!there.isDirectory()) unlinkSync(fsPath(target));
    else if (this.#options.replace) rmSync(fsPath(target), { recursive: true });
    else throw invalid(`cannot replace to directory ${toText(target)} with file`);
  }

  #content(from: number, to: number, size: number): void {
    if (size > 1 << 16 && copyRange(from, to, size)) {
      if (fstatSync(to).size === size) return;
    }
    const buffer = (this.#buffer ??= Buffer.allocUnsafeSlow(1 << 18));
    for (let at = fstatSync(to).size; ; ) {
      const length = readSync(from, buffer, 0, buffer.length, at);
      if (length === 0) return;
      for (let done = 0; done < length; ) done += writeSync(to, buffer, done, length - done, at + done);
      at += length;
    }
  }

  #at: 'from' | 'to' | 'upper' | undefined;

  /** Which tree is the thread's root; switching costs two system calls. */
  #inside(side: 'from' | 'to' | 'upper'): void {
    const tree = this.#options[side];
    if (this.#at === side || tree === undefined) return;
    this.#options.space.enterRoot(tree);
    this.#at = side;
  }
}

const NANO = 1_000_000_000n;

function timeOf({ stats }: SourceEntry): TarTime {
  const rest = ((stats.mtimeNs % NANO) + NANO) % NANO;
  return { seconds: Number((stats.mtimeNs - rest) / NANO), nanos: Number(rest) };
}

/** Makes missing folders with mode 0755; they belong to root, or to whom everything is given. */
export function makeFolders(path: ByteString, options: { chown: Chown | undefined; time: TarTime | undefined }, mode = 0o755): void {
  if (path === '/') return;
  try {
    mkdirSync(fsPath(path), 0o700);
  } catch (error) {
    if (isErrno(error, 'EEXIST')) {
      if (look(path)?.isSymbolicLink() === true ? !lstatSync(fsPath(resolvePath(path))).isDirectory() : look(path)?.isDirectory() !== true) {
        throw invalid(`cannot copy to non-directory: ${toText(path)}`);
      }
      return;
    }
    if (!isErrno(error, 'ENOENT')) throw error;
    makeFolders(dirName(path), options);
    mkdirSync(fsPath(path), 0o700);
  }
  const { uid, gid } = options.chown?.({ uid: 0, gid: 0 }) ?? { uid: 0, gid: 0 };
  lchownSync(fsPath(path), uid, gid);
  chmodSync(fsPath(path), mode);
  if (options.time !== undefined) setTimes(path, options.time);
}
