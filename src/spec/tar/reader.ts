import { invalid } from '#base/errors.ts';
import { BLOCK, isZeroBlock, number, parseHeader, parsePaxTime, toText } from './header.ts';
import type { ByteString, RawHeader, SparseRegion, TarEntry, TarType } from './header.ts';

export interface TarHandler {
  entry(entry: TarEntry): void;
  /** The carried bytes of the last entry, in order. Valid only during the call. */
  data(chunk: Buffer): void;
  /** The last entry is complete (called for every entry, with or without data). */
  end(): void;
}

export interface TarLimits {
  entries: number;
  /** Bytes of a name or link target. */
  nameLength: number;
  /** Bytes of one PAX or GNU extension header. */
  extensionSize: number;
}

export const defaultTarLimits: TarLimits = { entries: 10_000_000, nameLength: 4096, extensionSize: 1 << 20 };

const types: Readonly<Record<string, TarType>> = {
  '0': 'file', '\0': 'file', '7': 'file', S: 'file', '1': 'link', '2': 'symlink', '3': 'char', '4': 'block', '5': 'dir', '6': 'fifo',
};
type State = 'header' | 'data' | 'padding' | 'extension' | 'old-sparse' | 'sparse-map' | 'done';

/**
 * Push parser for ustar, PAX and GNU archives with sparse files. Calls back synchronously; throws invalid_argument with
 * one sentence on anything damaged, unknown or over the limits. What follows the end mark is ignored.
 */
export class TarReader {
  readonly #handler: TarHandler;
  readonly #limits: TarLimits;
  #state: State = 'header';
  #pending: Buffer = Buffer.alloc(0);
  #left = 0;
  #padding = 0;
  #entries = 0;
  #zeroBlocks = 0;
  #extension: { type: string; chunks: Buffer[] } | undefined;
  #pax = new Map<string, Buffer>();
  #sparsePairs: { key: string; value: string }[] = [];
  #gnuName: ByteString | undefined;
  #gnuLink: ByteString | undefined;
  #header: RawHeader | undefined;
  #sparse: SparseRegion[] | undefined;

  constructor(handler: TarHandler, limits: TarLimits = defaultTarLimits) {
    this.#handler = handler;
    this.#limits = limits;
  }

  write(chunk: Buffer): void {
    let offset = 0;
    while (offset < chunk.length) {
      switch (this.#state) {
        case 'done':
          return;
        case 'data': {
          const take = Math.min(this.#left, chunk.length - offset);
          this.#handler.data(chunk.subarray(offset, offset + take));
          offset += take;
          this.#left -= take;
          if (this.#left === 0) this.#endEntry();
          break;
        }
        case 'extension': {
          const take = Math.min(this.#left, chunk.length - offset);
          this.#extension?.chunks.push(Buffer.from(chunk.subarray(offset, offset + take)));
          offset += take;
          this.#left -= take;
          if (this.#left === 0) {
            this.#endExtension();
            this.#pad();
          }
          break;
        }
        case 'padding': {
          const take = Math.min(this.#padding, chunk.length - offset);
          offset += take;
          this.#padding -= take;
          if (this.#padding === 0) this.#state = 'header';
          break;
        }
        default: {
          const missing = BLOCK - this.#pending.length;
          if (this.#pending.length === 0 && chunk.length - offset >= BLOCK) {
            this.#block(chunk.subarray(offset, offset + BLOCK));
            offset += BLOCK;
          } else {
            const take = Math.min(missing, chunk.length - offset);
            this.#pending = Buffer.concat([this.#pending, chunk.subarray(offset, offset + take)]);
            offset += take;
            if (this.#pending.length === BLOCK) {
              const block = this.#pending;
              this.#pending = Buffer.alloc(0);
              this.#block(block);
            }
          }
        }
      }
    }
  }

  /** No more bytes. Throws when the archive stops inside a member. */
  end(): void {
    const between = this.#state === 'header' && this.#pending.length === 0 && this.#extension === undefined && this.#pax.size === 0;
    if (this.#state !== 'done' && !between && this.#state !== 'padding') {
      throw invalid('the archive is truncated: it ends inside a member');
    }
  }

  #block(block: Buffer): void {
    if (this.#state === 'old-sparse') this.#oldSparseBlock(block);
    else if (this.#state === 'sparse-map') this.#sparseMapBlock(block);
    else this.#headerBlock(block);
  }

  #headerBlock(block: Buffer): void {
    if (block[0] === 0 && isZeroBlock(block)) {
      if (++this.#zeroBlocks === 2) this.#state = 'done';
      return;
    }
    this.#zeroBlocks = 0;
    const header = parseHeader(block);
    if (header.size < 0) throw invalid('the archive is damaged: a member has a negative size');
    if (header.type === 'x' || header.type === 'g' || header.type === 'L' || header.type === 'K') {
      if (header.size > this.#limits.extensionSize) {
        throw invalid(`the archive is refused: an extension header of ${header.size} bytes (the limit is ${this.#limits.extensionSize})`);
      }
      this.#extension = { type: header.type, chunks: [] };
      this.#left = header.size;
      this.#padding = (BLOCK - (header.size % BLOCK)) % BLOCK;
      if (header.size > 0) this.#state = 'extension';
      else this.#endExtension();
      return;
    }
    if (++this.#entries > this.#limits.entries) {
      throw invalid(`the archive is refused: more than ${this.#limits.entries} members`);
    }
    this.#header = header;
    const paxSize = this.#pax.get('size');
    if (paxSize !== undefined) header.size = integer(paxSize, 'size');
    this.#left = isDataType(header.type) ? header.size : 0;
    this.#padding = (BLOCK - (this.#left % BLOCK)) % BLOCK;
    if (header.type === 'S') this.#beginOldSparse(block, header);
    else if (this.#pax.get('GNU.sparse.major')?.toString() === '1') {
      this.#sparse = [];
      this.#extension = { type: 'map', chunks: [] };
      this.#state = 'sparse-map';
    } else {
      this.#sparse = this.#paxSparse();
      this.#beginEntry();
    }
  }

  #beginEntry(): void {
    const header = this.#header as RawHeader;
    const pax = this.#pax;
    const type = types[header.type];
    const name = pax.get('GNU.sparse.name')?.toString('latin1') ?? pax.get('path')?.toString('latin1') ?? this.#gnuName ?? header.name;
    if (type === undefined) {
      throw invalid(`the archive is refused: ${JSON.stringify(toText(name).slice(0, 200))} has the unknown type ${JSON.stringify(header.type)}`);
    }
    const linkName = pax.get('linkpath')?.toString('latin1') ?? this.#gnuLink ?? header.linkName;
    if (name.length > this.#limits.nameLength || linkName.length > this.#limits.nameLength) {
      throw invalid(`the archive is refused: a name of more than ${this.#limits.nameLength} bytes`);
    }
    if (name.includes('\0') || linkName.includes('\0')) throw invalid('the archive is refused: a name with a zero byte');
    const mtime = pax.get('mtime');
    const sparseSize = pax.get('GNU.sparse.realsize') ?? pax.get('GNU.sparse.size');
    const directory = type === 'file' && header.type !== '7' && name.endsWith('/');
    this.#handler.entry({
      name,
      type: directory ? 'dir' : type,
      linkName,
      mode: header.mode & 0o7777,
      uid: pax.has('uid') ? integer(pax.get('uid') as Buffer, 'uid') : header.uid,
      gid: pax.has('gid') ? integer(pax.get('gid') as Buffer, 'gid') : header.gid,
      size: this.#sparse === undefined ? this.#left : sparseSize === undefined ? sparseEnd(this.#sparse) : integer(sparseSize, 'size'),
      mtime: mtime === undefined ? { seconds: header.seconds, nanos: 0 } : parsePaxTime(mtime.toString()),
      major: header.major,
      minor: header.minor,
      xattrs: xattrsOf(pax),
      sparse: this.#sparse,
    });
    this.#pax = new Map();
    this.#sparsePairs = [];
    this.#gnuName = this.#gnuLink = this.#sparse = undefined;
    if (this.#left === 0) this.#endEntry();
    else this.#state = 'data';
  }

  #endEntry(): void {
    this.#handler.end();
    this.#pad();
  }

  #pad(): void {
    this.#state = this.#padding > 0 ? 'padding' : 'header';
  }

  #endExtension(): void {
    const { type, chunks } = this.#extension as { type: string; chunks: Buffer[] };
    this.#extension = undefined;
    const body = Buffer.concat(chunks);
    if (type === 'L') this.#gnuName = untilZero(body);
    else if (type === 'K') this.#gnuLink = untilZero(body);
    else if (type === 'x') this.#readPax(body);
    // A global header ('g') is read and dropped: Docker does the same, and git writes only a comment there.
  }

  #readPax(body: Buffer): void {
    let offset = 0;
    while (offset < body.length) {
      const space = body.indexOf(32, offset);
      const length = space < 0 || space - offset > 10 ? NaN : Number(body.toString('latin1', offset, space));
      const end = offset + length;
      if (!Number.isInteger(length) || end > body.length || end <= space + 1 || body[end - 1] !== 10) {
        throw invalid('the archive is damaged: a PAX header cannot be read');
      }
      const equals = body.indexOf(61, space);
      if (equals < 0 || equals >= end) throw invalid('the archive is damaged: a PAX header cannot be read');
      const key = body.toString('utf8', space + 1, equals);
      const value = body.subarray(equals + 1, end - 1);
      if (key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes') this.#sparsePairs.push({ key, value: value.toString() });
      else if (value.length === 0) this.#pax.delete(key);
      else this.#pax.set(key, value);
      offset = end;
    }
  }

  /** PAX sparse formats 0.0 (repeated keys) and 0.1 (one comma list). */
  #paxSparse(): SparseRegion[] | undefined {
    const map = this.#pax.get('GNU.sparse.map')?.toString();
    const values = map !== undefined ? map.split(',') : this.#sparsePairs.map((pair) => pair.value);
    return values.length === 0 && map === undefined ? undefined : this.#regions(values);
  }

  #regions(values: readonly string[]): SparseRegion[] {
    if (values.length % 2 !== 0) throw invalid('the archive is damaged: a sparse map cannot be read');
    const regions: SparseRegion[] = [];
    for (let index = 0; index < values.length; index += 2) {
      regions.push({ offset: natural(values[index] ?? ''), length: natural(values[index + 1] ?? '') });
    }
    return this.#checked(regions);
  }

  /** Regions must rise and carry exactly the member's bytes. */
  #checked(regions: SparseRegion[]): SparseRegion[] {
    let end = 0;
    let carried = 0;
    for (const region of regions) {
      if (region.offset < end) throw invalid('the archive is damaged: a sparse map is out of order');
      end = region.offset + region.length;
      carried += region.length;
    }
    if (carried !== this.#left || !Number.isSafeInteger(end)) throw invalid('the archive is damaged: a sparse map does not fit its data');
    return regions;
  }

  /** PAX sparse format 1.0: the map stands before the data, in blocks of decimal lines. */
  #sparseMapBlock(block: Buffer): void {
    const extension = this.#extension as { type: string; chunks: Buffer[] };
    extension.chunks.push(Buffer.from(block));
    this.#left -= BLOCK;
    if (this.#left < 0 || extension.chunks.length * BLOCK > this.#limits.extensionSize) {
      throw invalid('the archive is damaged: a sparse map cannot be read');
    }
    const lines = Buffer.concat(extension.chunks).toString('latin1').split('\n');
    const wanted = lines.length > 1 ? 1 + 2 * natural(lines[0] ?? '') : Infinity;
    if (lines.length - 1 < wanted) return;
    this.#extension = undefined;
    this.#sparse = this.#regions(lines.slice(1, wanted));
    this.#beginEntry();
  }

  /** GNU's old sparse format: four regions in the header, then blocks of 21. */
  #beginOldSparse(block: Buffer, header: RawHeader): void {
    this.#sparse = [];
    this.#pax.set('GNU.sparse.realsize', Buffer.from(String(number(block, 483, 12))));
    this.#left = header.size;
    this.#addOldRegions(block, 386, 4);
    if (block[482] !== 0) this.#state = 'old-sparse';
    else this.#endOldSparse();
  }

  #oldSparseBlock(block: Buffer): void {
    this.#addOldRegions(block, 0, 21);
    if ((this.#sparse?.length ?? 0) > this.#limits.extensionSize / 24) throw invalid('the archive is refused: a sparse map is too long');
    if (block[504] === 0) this.#endOldSparse();
  }

  #addOldRegions(block: Buffer, start: number, count: number): void {
    for (let index = 0; index < count; index++) {
      const at = start + index * 24;
      if (block[at] === 0) return;
      this.#sparse?.push({ offset: number(block, at, 12), length: number(block, at + 12, 12) });
    }
  }

  #endOldSparse(): void {
    this.#sparse = this.#checked(this.#sparse ?? []);
    this.#beginEntry();
  }
}

function isDataType(type: string): boolean {
  return type === '0' || type === '\0' || type === '7' || type === 'S' || types[type] === undefined;
}

function sparseEnd(regions: readonly SparseRegion[]): number {
  const last = regions.at(-1);
  return last === undefined ? 0 : last.offset + last.length;
}

function untilZero(body: Buffer): ByteString {
  const zero = body.indexOf(0);
  return body.toString('latin1', 0, zero < 0 ? body.length : zero);
}

function integer(value: Buffer, what: string): number {
  const text = value.toString();
  const parsed = /^-?\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(parsed) || (what === 'size' && parsed < 0)) {
    throw invalid(`the archive is damaged: the ${what} of a member is not a number`);
  }
  return parsed;
}

function natural(text: string): number {
  if (!/^\d{1,16}$/.test(text)) throw invalid('the archive is damaged: a sparse map cannot be read');
  return Number(text);
}

const XATTR = 'SCHILY.xattr.';
const none: ReadonlyMap<string, Uint8Array> = new Map();

function xattrsOf(pax: ReadonlyMap<string, Buffer>): ReadonlyMap<string, Uint8Array> {
  let found: Map<string, Uint8Array> | undefined;
  for (const [key, value] of pax) {
    if (key.startsWith(XATTR)) (found ??= new Map()).set(key.slice(XATTR.length), value);
  }
  return found ?? none;
}
