import { createReadStream, createWriteStream, existsSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { isErrno } from '#base/errors.ts';
import type { Log } from '#base/log.ts';
import { CURRENT, rotatedFiles } from './log-files.ts';

/** A running container's log, as far as its rotation goes. */
export interface RotatedLog {
  id: string;
  /** The folder that holds the log. */
  dir: string;
  /** The monitor's bundle. */
  bundle: string;
  /** Bytes after which a new file is begun; undefined: never. */
  maxSize: number | undefined;
  /** Files kept, the current one included; at least 1. */
  maxFiles: number;
  compress: boolean;
}

export interface RotatorOptions {
  /** The running containers; asked at every look. */
  logs: () => Iterable<RotatedLog>;
  /** Makes the monitor begin a new file at `path`; resolves when it exists. */
  reopen: (bundle: string, path: string) => Promise<void>;
  log: Log;
}

const [SHORTEST, LONGEST] = [50, 250];

/**
 * Looks at the sizes of running containers' logs, more often the sooner one may be full, and rotates by renaming the file
 * and having conmon begin a new one: what conmon writes in between goes to the renamed file, so no line is lost. A crash
 * in between leaves no `log`; the next look finishes that.
 */
export class LogRotator implements Disposable {
  readonly #options: RotatorOptions;
  readonly #sizes = new Map<string, { size: number; at: number }>();
  readonly #busy = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #disposed = false;

  constructor(options: RotatorOptions) {
    this.#options = options;
    this.#schedule(0);
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    clearTimeout(this.#timer);
  }

  #schedule(delay: number): void {
    if (!this.#disposed) this.#timer = setTimeout(() => this.#schedule(this.#look()), delay).unref();
  }

  /** Milliseconds until the next look. */
  #look(): number {
    let next = LONGEST;
    const seen = new Set<string>();
    for (const entry of this.#options.logs()) {
      seen.add(entry.id);
      if (entry.maxSize === undefined || this.#busy.has(entry.id)) continue;
      const size = statSync(join(entry.dir, CURRENT), { throwIfNoEntry: false })?.size;
      const unfinished = size === undefined && rotatedFiles(entry.dir).length > 0;
      if (unfinished || (size !== undefined && size >= entry.maxSize)) {
        this.#sizes.delete(entry.id);
        void this.#rotate(entry);
      } else if (size !== undefined) {
        next = Math.min(next, this.#untilFull(entry.id, size, entry.maxSize));
      }
    }
    for (const id of this.#sizes.keys()) if (!seen.has(id)) this.#sizes.delete(id);
    return Math.max(SHORTEST, next);
  }

  #untilFull(id: string, size: number, maxSize: number): number {
    const now = performance.now();
    const before = this.#sizes.get(id);
    this.#sizes.set(id, { size, at: now });
    if (before === undefined) return size === 0 ? LONGEST : SHORTEST;
    const rate = (size - before.size) / Math.max(1, now - before.at);
    return rate <= 0 ? LONGEST : (maxSize - size) / rate;
  }

  async #rotate(entry: RotatedLog): Promise<void> {
    this.#busy.add(entry.id);
    try {
      await rotateLog(entry, this.#options.reopen);
    } catch (error) {
      this.#options.log.warn('a log could not be rotated', { container: entry.id, error });
    } finally {
      this.#busy.delete(entry.id);
    }
  }
}

/** Begins a new file now and removes or compresses the older ones as configured. */
export async function rotateLog(entry: RotatedLog, reopen: RotatorOptions['reopen']): Promise<void> {
  const current = join(entry.dir, CURRENT);
  const newest = rotatedFiles(entry.dir).at(-1)?.number ?? 0;
  const renamed = join(entry.dir, `${CURRENT}.${newest + 1}`);
  try {
    renameSync(current, renamed);
  } catch (error) {
    // Renamed before a crash: only the new file is missing.
    if (!isErrno(error, 'ENOENT')) throw error;
  }
  try {
    await reopen(entry.bundle, current);
  } finally {
    // The monitor is gone: the container's log is complete under its own name.
    if (!existsSync(current) && existsSync(renamed)) renameSync(renamed, current);
  }
  for (const file of rotatedFiles(entry.dir).slice(0, -Math.max(0, entry.maxFiles - 1) || undefined)) rmSync(file.path, { force: true });
  // The newest stays as it is: who follows may still be reading it.
  if (entry.compress) for (const file of rotatedFiles(entry.dir).slice(0, -1)) if (!file.compressed) await compress(file.path);
}

async function compress(path: string): Promise<void> {
  const temporary = `${path}.gz.tmp`;
  await pipeline(createReadStream(path), createGzip(), createWriteStream(temporary, { mode: 0o600 }));
  renameSync(temporary, `${path}.gz`);
  rmSync(path);
}
