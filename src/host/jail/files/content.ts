/** Digests of what copies depend on. */
import { createHash, randomUUID, type Hash } from 'node:crypto';
import { closeSync, constants, openSync, readFileSync, readSync, renameSync, writeFileSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { codeOf } from '#base/errors.ts';
import { sha256Digest, type Digest } from '#spec/digest.ts';
import { toBytes, toText } from '#spec/tar/header.ts';
import type { ByteString } from '#spec/tar/header.ts';
import { TreeSpace } from '../enter.ts';
import { fsPath } from '../syscalls.ts';
import type { ContentJob, ContentSelection } from '../protocol.ts';
import { list, splitDevice } from '../tree-reader.ts';
import { joined, readEntry, type SourceEntry } from './entry.ts';
import { compilePatterns, type PathPatterns } from './patterns.ts';
import { select } from './selection.ts';

const buffer = Buffer.allocUnsafeSlow(1 << 18);

export async function contentDigests(job: ContentJob, check: () => void): Promise<(Digest | undefined)[]> {
  const memo = job.memo === undefined ? undefined : new Memo(job.memo);
  const found = await digestAll(job, memo, check);
  memo?.write();
  return found;
}

async function digestAll(job: ContentJob, memo: Memo | undefined, check: () => void): Promise<(Digest | undefined)[]> {
  using space = new TreeSpace(job.points);
  space.enterRoot(space.readable(job.tree));
  const found: (Digest | undefined)[] = [];
  for (const selection of job.selections) {
    found.push(digestOf(selection, memo, check));
    // Lets an abort message in.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return found;
}

function digestOf(selection: ContentSelection, memo: Memo | undefined, check: () => void): Digest | undefined {
  const hash = createHash('sha256');
  let selected;
  try {
    selected = select(selection.path, { ...selection, allowEmpty: true });
  } catch (error) {
    if (codeOf(error) === 'not_found') return undefined;
    throw error;
  }
  if (selected.length === 0) return undefined;
  const walk = new Walk(hash, compilePatterns(selection.include), compilePatterns(selection.exclude), memo, check);
  for (const { path, name } of selected) walk.visit(path, '', name);
  return sha256Digest(hash.digest('hex'));
}

class Walk {
  readonly #hash: Hash;
  readonly #include: PathPatterns | undefined;
  readonly #exclude: PathPatterns | undefined;
  readonly #memo: Memo | undefined;
  readonly #check: () => void;

  constructor(hash: Hash, include: PathPatterns | undefined, exclude: PathPatterns | undefined, memo: Memo | undefined, check: () => void) {
    this.#hash = hash;
    this.#include = include;
    this.#exclude = exclude;
    this.#memo = memo;
    this.#check = check;
  }

  /** `relative`: below what was selected, which itself is called `name`. */
  visit(path: ByteString, relative: string, name: ByteString): void {
    const entry = readEntry(path, { content: false });
    if (entry === undefined) return;
    const text = relative === '' ? toText(name) : relative;
    const folder = entry.type === 'dir';
    const top = relative === '' && folder;
    if (!top && this.#exclude?.matches(text) === true) return;
    const taken = this.#include === undefined || top || this.#include.matches(text);
    if (!taken && !(folder && this.#include?.reaches(text) === true)) return;
    this.#check();
    this.#add(entry, relative === '' ? name : `${name}/${relative}`);
    if (!folder) return;
    for (const child of list(path)) this.visit(joined(path, child), relative === '' ? toText(child) : `${relative}/${toText(child)}`, name);
  }

  /** Times are left out: a checkout anew changes them all. */
  #add({ path, type, stats, target, xattrs }: SourceEntry, name: string): void {
    const hash = this.#hash;
    const device = type === 'char' || type === 'block' ? splitDevice(stats.rdev) : undefined;
    const fields = [name, type, Number(stats.mode) & 0o7777, Number(stats.uid), Number(stats.gid), type === 'file' ? Number(stats.size) : 0, device?.major ?? 0, device?.minor ?? 0];
    hash.update(JSON.stringify(fields)).update('\0').update(toBytes(target)).update('\0');
    for (const [key, value] of [...xattrs].toSorted(([a], [b]) => (a < b ? -1 : 1))) hash.update(`${key}=`).update(value).update('\0');
    if (type !== 'file') return;
    const known = this.#memo?.get(stats);
    const digest = known ?? fileDigest(path);
    if (known === undefined) this.#memo?.set(stats, digest);
    hash.update(digest);
  }
}

function fileDigest(path: ByteString): string {
  const hash = createHash('sha256');
  const fd = openSync(fsPath(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    for (let length = readSync(fd, buffer); length > 0; length = readSync(fd, buffer)) hash.update(buffer.subarray(0, length));
  } finally {
    closeSync(fd);
  }
  return hash.digest('base64');
}

/** Digests by what a file that is only ever replaced cannot keep: inode, size, and when the inode came to be, which nobody can set. */
class Memo {
  readonly #path: string;
  readonly #before: Map<string, string>;
  readonly #now = new Map<string, string>();
  #changed = false;

  constructor(path: string) {
    this.#path = path;
    this.#before = new Map(readPairs(path));
  }

  get(stats: BigIntStats): string | undefined {
    const key = keyOf(stats);
    const digest = this.#before.get(key);
    if (digest !== undefined) this.#now.set(key, digest);
    return digest;
  }

  set(stats: BigIntStats, digest: string): void {
    this.#changed = true;
    this.#now.set(keyOf(stats), digest);
  }

  write(): void {
    if (!this.#changed) return;
    // Threads of one process may be at it at once.
    const temporary = `${this.#path}.${randomUUID()}`;
    // Others ask for other files of the same tree; what is long gone goes when it is too much.
    const kept = this.#before.size > 4 * this.#now.size + 100_000 ? [] : this.#before;
    writeFileSync(temporary, JSON.stringify([...new Map([...kept, ...this.#now])]), { mode: 0o600 });
    renameSync(temporary, this.#path);
  }
}

const keyOf = ({ ino, size, birthtimeNs, mtimeNs }: BigIntStats): string => `${ino} ${size} ${birthtimeNs} ${mtimeNs}`;

function readPairs(path: string): [string, string][] {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as [string, string][];
  } catch {
    return [];
  }
}
