import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { invalid } from '#base/errors.ts';
import { digestHex, type Digest } from '#spec/digest.ts';
import type { Descriptor } from '#spec/oci-image.ts';
import type { JobResults } from '#host/jail.ts';
import { MAX_DOCUMENT } from './documents.ts';

/** A regular file of the archive, by its name there. */
export interface Member {
  path: string;
  digest: Digest;
  size: number;
}

/** Where an OCI layout keeps a blob. */
export const blobName = (digest: Digest): string => `blobs/sha256/${digestHex(digest)}`;

/** An image archive that was laid down flat, found by its table of contents. */
export class Archive {
  readonly #folder: string;
  readonly #members: JobResults['spool'];

  constructor(folder: string, members: JobResults['spool']) {
    this.#folder = folder;
    this.#members = members;
  }

  /** Follows the archive's own links, by name only. */
  find(name: string): Member | undefined {
    let at = name.replace(/^\.\//, '');
    for (let hops = 0; hops < 10; hops++) {
      const member = this.#members.get(at);
      if (member === undefined) return undefined;
      if (member.kind === 'file') return { path: join(this.#folder, member.file), digest: member.digest, size: member.size };
      at = member.target;
    }
    return undefined;
  }

  need(name: string): Member {
    const member = this.find(name);
    if (member === undefined) throw invalid(`the image archive is incomplete: ${JSON.stringify(name.slice(0, 200))} is missing`);
    return member;
  }

  hasBlob(digest: Digest): boolean {
    return this.find(blobName(digest)) !== undefined;
  }

  /** A blob by digest: its name must tell the truth. */
  blob({ digest, size }: Pick<Descriptor, 'digest' | 'size'>): Member {
    const member = this.need(blobName(digest));
    if (member.digest !== digest) throw invalid(`the image archive is damaged: blob ${digest} has the digest ${member.digest}`);
    if (member.size !== size) throw invalid(`the image archive is damaged: blob ${digest} has ${member.size} bytes, expected ${size}`);
    return member;
  }

  async read(member: Member, what: string): Promise<Buffer> {
    if (member.size > MAX_DOCUMENT) throw invalid(`invalid ${what}: larger than ${MAX_DOCUMENT} bytes`);
    return readFile(member.path);
  }
}
