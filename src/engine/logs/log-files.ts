import { closeSync, fstatSync, openSync, read, readdirSync, statSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { isErrno } from '#base/errors.ts';

/**
 * A container's log: `log` is what conmon writes; `log.1`, `log.2`, ... were it before, the highest number the newest;
 * `log.<n>.gz` the same compressed. Numbers only grow, so that a reader which follows never sees a name change twice.
 */
export const CURRENT = 'log';

export interface RotatedFile {
  path: string;
  number: number;
  compressed: boolean;
}

/** Rotated files, oldest first. Empty when the folder is gone. */
export function rotatedFiles(dir: string): RotatedFile[] {
  let names: string[];
  try {
    names = readdirSync(dir);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
  return names
    .map((name) => ({ name, match: /^log\.(\d+)(\.gz)?$/.exec(name) }))
    .filter(({ match }) => match !== null)
    .map(({ name, match }) => ({ path: join(dir, name), number: Number(match?.[1]), compressed: match?.[2] !== undefined }))
    .sort((a, b) => a.number - b.number);
}

/** Bytes of one file of a log, read by position; a compressed one is held in memory. */
export interface LogSource extends AsyncDisposable {
  readonly inode: bigint;
  /** Bytes now; grows while conmon writes. */
  size(): Promise<number>;
  /** Reads up to `length` bytes at `position` into a buffer of its own; shorter at the end. */
  read(position: number, length: number): Promise<Buffer>;
}

/** Undefined when the file is gone. */
export async function openSource(path: string, compressed = false): Promise<LogSource | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
  try {
    const { ino: inode } = await handle.stat({ bigint: true });
    if (compressed) {
      const bytes = await promisify(gunzip)(await handle.readFile());
      await handle.close();
      return memorySource(bytes, inode);
    }
    return {
      inode,
      size: async () => (await handle.stat()).size,
      read: async (position, length) => {
        const buffer = Buffer.allocUnsafeSlow(length);
        const { bytesRead } = await handle.read(buffer, 0, length, position);
        return buffer.subarray(0, bytesRead);
      },
      [Symbol.asyncDispose]: () => handle.close(),
    };
  } catch (error) {
    await handle.close().catch(() => {});
    throw error;
  }
}

/** The current file, opened at once: what is in it can be read even when the container is removed the next moment. */
export function holdCurrent(dir: string): LogSource | undefined {
  let fd: number;
  try {
    fd = openSync(join(dir, CURRENT), 'r');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
  return {
    inode: fstatSync(fd, { bigint: true }).ino,
    size: async () => fstatSync(fd).size,
    read: async (position, length) => {
      const buffer = Buffer.allocUnsafeSlow(length);
      const { bytesRead } = await promisify(read)(fd, buffer, 0, length, position);
      return buffer.subarray(0, bytesRead);
    },
    [Symbol.asyncDispose]: async () => closeSync(fd),
  };
}

function memorySource(bytes: Buffer, inode: bigint): LogSource {
  return {
    inode,
    size: async () => bytes.length,
    read: async (position, length) => bytes.subarray(position, position + length),
    [Symbol.asyncDispose]: async () => {},
  };
}

/** Every file of the log, oldest first, opened so that none is missed or read twice while a rotation happens. */
export async function openSources(dir: string): Promise<LogSource[]> {
  const current = await openSource(join(dir, CURRENT));
  const sources: LogSource[] = [];
  for (const file of rotatedFiles(dir)) {
    const source = await openSource(file.path, file.compressed);
    if (source === undefined) continue;
    if (source.inode !== current?.inode) {
      sources.push(source);
      continue;
    }
    // Renamed between the two looks: whatever was rotated after it is later than this moment.
    await source[Symbol.asyncDispose]();
    break;
  }
  if (current !== undefined) sources.push(current);
  return sources;
}

/**
 * The file that conmon went on with after the one with this inode; undefined while that one is still in use.
 * `gone` when the known file is no longer there: it was rotated out or compressed.
 */
export async function successor(dir: string, inode: bigint): Promise<LogSource | 'gone' | undefined> {
  const path = join(dir, CURRENT);
  const current = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (current === undefined || current.ino === inode) return undefined;
  const rotated = rotatedFiles(dir);
  const known = rotated.findIndex((file) => statSync(file.path, { bigint: true, throwIfNoEntry: false })?.ino === inode);
  if (known < 0) return 'gone';
  const next = rotated[known + 1];
  const source = next === undefined ? await openSource(path) : await openSource(next.path, next.compressed);
  // A rotation came between; ask again.
  return source?.inode === inode ? undefined : source;
}
