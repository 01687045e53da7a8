import { open, type FileHandle } from 'node:fs/promises';
import { EngineError, isErrno, messageOf } from '#base/errors.ts';
import type { Digest } from '#spec/digest.ts';
import { faultOf, noAnswer, registryError } from './fault.ts';
import type { Repository } from './repository.ts';
import { retrying, type RetryPolicy } from './retry.ts';
import type { WireResponse } from './wire.ts';

/** Large blobs come in pieces of this size, some at a time. */
export const PIECE = 8 << 20;
/** Pieces of one blob under way. */
export const PIECES = 3;
/** What may be missing at the end of a file that a crash interrupted. */
export const WINDOW = PIECE * (PIECES + 1);
/** Blobs below this size come in one answer. */
export const SPLIT_FROM = 32 << 20;
/** Bytes that are collected before they are written. */
const BATCH = 1 << 19;

export interface DownloadOptions {
  repository: Repository;
  digest: Digest;
  size: number;
  /** The file to fill, and how much of it is there. */
  path: string;
  from: number;
  retries: RetryPolicy;
  signal: AbortSignal;
  /** Hears of every correct beginning. */
  onGrowth: (size: number) => void;
  onWaiting?: (seconds: number) => void;
}

/** Where a layer with foreign content lies, when the registry itself does not have it. */
export type OpenRange = (offset: number, end: number | undefined, signal: AbortSignal) => Promise<WireResponse>;

/**
 * Brings one blob into a file: resumes, retries what failed in passing, and fetches ranges side by side where it pays and the
 * registry can. Resolves when exactly `size` bytes are there; whether they are the right ones is for the hash to say.
 */
export async function download(options: DownloadOptions, openRange: OpenRange = registryRange(options)): Promise<void> {
  const { size, path, signal, onGrowth, retries } = options;
  const handle = await open(path, options.from > 0 ? 'r+' : 'w', 0o600);
  const ended = new AbortController();
  const all = AbortSignal.any([signal, ended.signal]);
  try {
    let done = Math.min(options.from, size);
    if (done > 0) onGrowth(done);
    const pieces = new Pieces(done, onGrowth);
    let split = size >= SPLIT_FROM && size - done > PIECE;
    const waiting = options.onWaiting === undefined ? {} : { waiting: options.onWaiting };

    /** Fetches from `start` up to `end`. Whether the answer was only that range is the registry's choice: `whole` says so. */
    const fetchRange = async (start: number, end: number): Promise<void> => {
      let at = start;
      let before = start;
      const progressed = (): boolean => {
        const further = at > before;
        before = at;
        return further;
      };
      await retrying(
        retries,
        all,
        async () => {
          if (at >= end) return;
          const response = await openRange(at, end === size ? undefined : end, all);
          const skip = checkAnswer(options, response, at, end, size);
          await write(handle, response, { options, at, skip, end }, (reached) => {
            at = reached;
            pieces.reached(start, reached);
          });
        },
        { progressed, ...waiting },
      );
    };

    // The first piece shows whether ranges work: a registry that ignores them sends everything, and then that is that.
    if (split) {
      const end = Math.min(done + PIECE, size);
      try {
        await fetchRange(done, end);
        done = end;
      } catch (error) {
        if (!(error instanceof WholeAnswer)) throw error;
        split = false;
      }
    }
    if (!split) await fetchRange(done, size);
    else {
      let next = done;
      const worker = async (): Promise<void> => {
        while (next < size) {
          // Not further ahead of the beginning than a crash may cost.
          await pieces.within(next, WINDOW - PIECE, all);
          const start = next;
          if (start >= size) return;
          next = Math.min(start + PIECE, size);
          await fetchRange(start, next);
        }
      };
      await Promise.all(Array.from({ length: PIECES }, worker));
    }
  } catch (error) {
    ended.abort();
    throw isErrno(error, 'ENOSPC', 'EDQUOT') ? new EngineError('internal', `no space left on device: ${options.digest} of ${options.size} bytes does not fit`, { cause: error }) : error;
  } finally {
    await handle.close();
  }
}

/** The registry answers a range with everything. */
class WholeAnswer extends Error {
  override readonly name = 'WholeAnswer';
}

/** Which part of the answer is not wanted: a registry may ignore the range. */
function checkAnswer({ repository, digest }: DownloadOptions, response: WireResponse, at: number, end: number, size: number): number {
  const fail = (why: string): never => {
    response.body.destroy();
    throw registryError('internal', `registry ${repository.endpoint.base.host} lies about blob ${digest} of ${repository.path}: ${why}`, {});
  };
  const length = response.headers['content-length'];
  if (response.status === 206) {
    const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(response.headers['content-range'] ?? '');
    if (range === null || Number(range[1]) !== at) return fail(`asked for bytes from ${at} on, it sent ${response.headers['content-range'] ?? 'others'}`);
    if (range[3] !== '*' && Number(range[3]) !== size) return fail(`the manifest says ${size} bytes, it has ${range[3]}`);
    return 0;
  }
  if (length !== undefined && Number(length) !== size) return fail(`the manifest says ${size} bytes, it sends ${length}`);
  if (end !== size) {
    response.body.destroy();
    throw new WholeAnswer('the registry knows no ranges');
  }
  return at;
}

async function write(
  handle: FileHandle,
  response: WireResponse,
  { options, at, skip, end }: { options: DownloadOptions; at: number; skip: number; end: number },
  reached: (position: number) => void,
): Promise<void> {
  const { repository, digest } = options;
  let batch: Buffer[] = [];
  let size = 0;
  let position = at;
  let writing: Promise<void> = Promise.resolve();
  const flush = async (): Promise<void> => {
    await writing;
    if (size === 0) return;
    const [chunks, from] = [batch, position];
    position += size;
    batch = [];
    size = 0;
    writing = writeAll(handle, chunks, from).then((to) => reached(to));
    writing.catch(() => {});
  };
  let failure: unknown;
  try {
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      let rest = chunk;
      if (skip > 0) {
        rest = chunk.subarray(Math.min(skip, chunk.length));
        skip -= chunk.length - rest.length;
      }
      if (position + size + rest.length > end) {
        response.body.destroy();
        throw registryError('internal', `registry ${repository.endpoint.base.host} lies about blob ${digest} of ${repository.path}: it sends more than ${options.size} bytes`, {});
      }
      if (rest.length > 0) batch.push(rest);
      size += rest.length;
      if (size >= BATCH) await flush();
    }
  } catch (error) {
    failure = error;
  }
  // What came before the line dropped counts.
  await flush();
  await writing;
  options.signal.throwIfAborted();
  if (failure !== undefined) {
    if (faultOf(failure) !== undefined || isErrno(failure, 'ENOSPC', 'EDQUOT', 'EIO')) throw failure;
    throw noAnswer(failure, 'GET', response.url);
  }
  if (position < end) {
    throw registryError('internal', `registry ${repository.endpoint.base.host} broke off in blob ${digest} of ${repository.path}: ${position} of ${options.size} bytes came (unexpected EOF)`, { transient: true });
  }
}

async function writeAll(handle: FileHandle, chunks: Buffer[], from: number): Promise<number> {
  let position = from;
  let left = chunks;
  while (left.length > 0) {
    const { bytesWritten } = await handle.writev(left, position);
    position += bytesWritten;
    // A short write happens on a full disk: the next one says so.
    let taken = bytesWritten;
    left = left.flatMap((chunk) => {
      const rest = chunk.subarray(Math.min(taken, chunk.length));
      taken -= chunk.length - rest.length;
      return rest.length === 0 ? [] : [rest];
    });
  }
  return position;
}

/** Asks the registry; remembers where it sent us, because signed addresses are good for many pieces. */
function registryRange({ repository, digest }: DownloadOptions): OpenRange {
  let direct: URL | undefined;
  return async (offset, end, signal) => {
    const headers: Record<string, string> = offset === 0 && end === undefined ? {} : { range: `bytes=${offset}-${end === undefined ? '' : end - 1}` };
    const request = { method: 'GET' as const, headers, expect: [200, 206], redirects: 10, signal };
    const home = `/v2/${repository.path}/blobs/${digest}`;
    const ask = async (path: string | URL): Promise<WireResponse> => {
      try {
        return await repository.request({ ...request, path });
      } catch (error) {
        throw named(error, repository, digest);
      }
    };
    if (direct !== undefined) {
      try {
        return await ask(direct);
      } catch {
        direct = undefined;
      }
    }
    const response = await ask(home);
    if (response.url.origin !== repository.endpoint.base.origin) direct = response.url;
    return response;
  };
}

function named(error: unknown, repository: Repository, digest: Digest): unknown {
  const fault = faultOf(error);
  if (fault === undefined || !(error instanceof EngineError)) return error;
  const message = messageOf(error).includes(digest) ? messageOf(error) : `registry ${repository.endpoint.base.host}, blob ${digest} of ${repository.path}: ${messageOf(error)}`;
  return new EngineError(error.code, message, { cause: error, details: error.details });
}

/** Which beginning of the file is complete while pieces arrive in any order. */
class Pieces {
  #complete: number;
  readonly #reached = new Map<number, number>();
  readonly #onGrowth: (size: number) => void;
  #waiting: (() => void)[] = [];

  constructor(from: number, onGrowth: (size: number) => void) {
    this.#complete = from;
    this.#onGrowth = onGrowth;
  }

  reached(start: number, position: number): void {
    this.#reached.set(start, position);
    const before = this.#complete;
    for (let found = true; found; ) {
      found = false;
      for (const [from, to] of this.#reached) {
        if (from > this.#complete) continue;
        if (to > this.#complete) {
          this.#complete = to;
          found = true;
        } else if (to < this.#complete) this.#reached.delete(from);
      }
    }
    if (this.#complete === before) return;
    this.#onGrowth(this.#complete);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Resolves when `position` is at most `distance` ahead of what is complete. */
  async within(position: number, distance: number, signal: AbortSignal): Promise<void> {
    while (position > this.#complete + distance) {
      signal.throwIfAborted();
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.push(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
      await promise;
    }
    signal.throwIfAborted();
  }
}
