/** Digests of what copies depend on. */
import { createHash, type Hash } from 'node:crypto';
import { closeSync, readSync } from 'node:fs';
import { codeOf } from '#base/errors.ts';
import { sha256Digest, type Digest } from '#spec/digest.ts';
import { toBytes, toText } from '#spec/tar/header.ts';
import type { ByteString } from '#spec/tar/header.ts';
import { TreeSpace } from '../enter.ts';
import type { ContentJob, ContentSelection } from '../protocol.ts';
import { list, splitDevice } from '../tree-reader.ts';
import { joined, readEntry, type SourceEntry } from './entry.ts';
import { compilePatterns, type PathPatterns } from './patterns.ts';
import { select } from './selection.ts';

const buffer = Buffer.allocUnsafeSlow(1 << 18);

export async function contentDigests(job: ContentJob, check: () => void): Promise<(Digest | undefined)[]> {
  using space = new TreeSpace(job.points);
  space.enterRoot(space.readable(job.tree));
  const found: (Digest | undefined)[] = [];
  for (const selection of job.selections) {
    found.push(digestOf(selection, check));
    // Lets an abort message in.
    await new Promise((resolve) => setImmediate(resolve));
  }
  return found;
}

function digestOf(selection: ContentSelection, check: () => void): Digest | undefined {
  const hash = createHash('sha256');
  let selected;
  try {
    selected = select(selection.path, { ...selection, allowEmpty: true });
  } catch (error) {
    if (codeOf(error) === 'not_found') return undefined;
    throw error;
  }
  if (selected.length === 0) return undefined;
  const walk = new Walk(hash, compilePatterns(selection.include), compilePatterns(selection.exclude), check);
  for (const { path, name } of selected) walk.visit(path, '', name);
  return sha256Digest(hash.digest('hex'));
}

class Walk {
  readonly #hash: Hash;
  readonly #include: PathPatterns | undefined;
  readonly #exclude: PathPatterns | undefined;
  readonly #check: () => void;

  constructor(hash: Hash, include: PathPatterns | undefined, exclude: PathPatterns | undefined, check: () => void) {
    this.#hash = hash;
    this.#include = include;
    this.#exclude = exclude;
    this.#check = check;
  }

  /** `relative`: below what was selected, which itself is called `name`. */
  visit(path: ByteString, relative: string, name: ByteString): void {
    const entry = readEntry(path, { content: true });
    if (entry === undefined) return;
    try {
      const text = relative === '' ? toText(name) : relative;
      const folder = entry.type === 'dir';
      const top = relative === '' && folder;
      if (!top && this.#exclude?.matches(text) === true) return;
      const taken = this.#include === undefined || top || this.#include.matches(text);
      if (!taken && !(folder && this.#include?.reaches(text) === true)) return;
      this.#check();
      this.#add(entry, relative === '' ? name : `${name}/${relative}`);
    } finally {
      if (entry.fd !== undefined) closeSync(entry.fd);
    }
    if (entry.type !== 'dir') return;
    for (const child of list(path)) this.visit(joined(path, child), relative === '' ? toText(child) : `${relative}/${toText(child)}`, name);
  }

  /** Times are left out: a checkout anew changes them all. */
  #add({ type, stats, target, xattrs, fd }: SourceEntry, name: string): void {
    const hash = this.#hash;
    const device = type === 'char' || type === 'block' ? splitDevice(stats.rdev) : undefined;
    const fields = [name, type, Number(stats.mode) & 0o7777, Number(stats.uid), Number(stats.gid), type === 'file' ? Number(stats.size) : 0, device?.major ?? 0, device?.minor ?? 0];
    hash.update(JSON.stringify(fields)).update('\0').update(toBytes(target)).update('\0');
    for (const [key, value] of [...xattrs].toSorted(([a], [b]) => (a < b ? -1 : 1))) hash.update(`${key}=`).update(value).update('\0');
    if (fd === undefined) return;
    for (let length = readSync(fd, buffer); length > 0; length = readSync(fd, buffer)) hash.update(buffer.subarray(0, length));
  }
}
