import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { invalid } from '#base/errors.ts';
import type { TarEntry } from '#spec/tar/header.ts';
import type { TarHandler } from '#spec/tar/reader.ts';
import type { SpooledMember } from './protocol.ts';
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
  #open: { fd: number; name: string; file: string; hash: CountedHash } | undefined;
  #count = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  entry(entry: TarEntry): void {
    const name = cleanName(entry.name);
    if (entry.type === 'dir' || name === '') return;
    if (entry.type === 'file') {
      if (entry.sparse !== undefined) throw invalid('the archive is refused: an image archive with sparse files');
      const file = String(this.#count++);
      this.#open = { fd: openSync(join(this.#folder, file), O_WRONLY | O_CREAT | O_EXCL, 0o600), name, file, hash: countedHash() };
    } else if (entry.type === 'symlink' || entry.type === 'link') {
      const base = entry.type === 'link' ? '' : name.slice(0, name.lastIndexOf('/') + 1);
      this.members.set(name, { kind: 'link', target: cleanName(entry.linkName.startsWith('/') ? entry.linkName : `${base}${entry.linkName}`) });
    } else throw invalid(`the archive is refused: ${JSON.stringify(name.slice(0, 200))} is a ${entry.type}, which image archives do not have`);
  }

  data(chunk: Buffer): void {
    if (this.#open === undefined) return;
    this.#open.hash.add(chunk);
    writeAll(this.#open.fd, chunk);
  }

  end(): void {
    if (this.#open === undefined) return;
    const { name, file, hash } = this.#open;
    this.abandon();
    this.members.set(name, { kind: 'file', file, ...hash.result() });
  }

  abandon(): void {
    if (this.#open) closeSync(this.#open.fd);
    this.#open = undefined;
  }
}
