import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { invalid } from '#base/errors.ts';
import type { TarEntry } from '#spec/tar/header.ts';
import type { TarHandler } from '#spec/tar/reader.ts';
import type { SpooledFile, SpooledMember } from './protocol.ts';
import { countedHash, writeAll, type CountedHash } from './source.ts';
import { cleanName } from './tree-writer.ts';

const { O_WRONLY, O_CREAT, O_EXCL } = constants;

/**
 * Lays the regular files of an archive down flat, as `0`, `1`, ... in a folder that is only ours, whatever their names
 * say: an image archive is read by its table of contents, never through a tree that it shaped.
 */
export class Spool implements TarHandler {
  readonly members = new Map<string, SpooledMember>();
  readonly #folder: string;
  readonly #onLayer: (member: SpooledFile) => void;
  #open: { fd: number; name: string; file: string; hash: CountedHash; head: Buffer } | undefined;
  #count = 0;

  /** `onLayer` hears of complete files that begin as layers do. */
  constructor(folder: string, onLayer: (member: SpooledFile) => void) {
    this.#folder = folder;
    this.#onLayer = onLayer;
  }

  entry(entry: TarEntry): void {
    const name = cleanName(entry.name);
    if (entry.type === 'dir' || name === '') return;
    if (entry.type === 'file') {
      if (entry.sparse !== undefined) throw invalid('the archive is refused: an image archive with sparse files');
      const file = String(this.#count++);
      this.#open = { fd: openSync(join(this.#folder, file), O_WRONLY | O_CREAT | O_EXCL, 0o600), name, file, hash: countedHash(), head: Buffer.alloc(0) };
    } else if (entry.type === 'symlink' || entry.type === 'link') {
      const base = entry.type === 'link' ? '' : name.slice(0, name.lastIndexOf('/') + 1);
      this.members.set(name, { kind: 'link', target: cleanName(entry.linkName.startsWith('/') ? entry.linkName : `${base}${entry.linkName}`) });
    } else throw invalid(`the archive is refused: ${JSON.stringify(name.slice(0, 200))} is a ${entry.type}, which image archives do not have`);
  }

  data(chunk: Buffer): void {
    if (this.#open === undefined) return;
    if (this.#open.head.length < HEAD) this.#open.head = Buffer.concat([this.#open.head, chunk.subarray(0, HEAD - this.#open.head.length)]);
    this.#open.hash.add(chunk);
    writeAll(this.#open.fd, chunk);
  }

  end(): void {
    if (this.#open === undefined) return;
    const { name, file, hash, head } = this.#open;
    this.abandon();
    const member = { file, ...hash.result() };
    this.members.set(name, { kind: 'file', ...member });
    if (beginsAsLayer(head)) this.#onLayer(member);
  }

  abandon(): void {
    if (this.#open) closeSync(this.#open.fd);
    this.#open = undefined;
  }
}

/** A tar header's first words. */
const HEAD = 263;

function beginsAsLayer(head: Buffer): boolean {
  if (head.length < HEAD) return head.length >= 2 && head.readUInt16BE(0) === 0x1f8b;
  return head.toString('latin1', 257, 262) === 'ustar' || head.readUInt16BE(0) === 0x1f8b || head.readUInt32LE(0) === 0xfd2fb528;
}
