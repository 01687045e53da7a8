import { stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { EngineError, messageOf } from '#base/errors.ts';
import { workerUrl } from '#base/worker-entry.ts';
import { WINDOW } from './jail/protocol.ts';
import type { FromWorker, Job, JobResults, PackJob, SpooledFile, ToWorker } from './jail/protocol.ts';

export type * from './jail/protocol.ts';

/**
 * Work on trees that came from outside, in threads whose `/` is the tree: the kernel confines names and symlinks.
 * Jobs queue when all threads are busy. A job that fails leaves what it wrote so far; its caller removes it.
 */
export interface Jail {
  /**
   * `input` feeds jobs whose source is a stream; it is closed when the job ends early. For a growing file it tells how much
   * of it is there.
   */
  run<K extends Exclude<Job['kind'], 'pack'>>(job: Extract<Job, { kind: K }>, input?: JobInput, hear?: JobEars): Promise<JobResults[K]>;
  /** Packs into `job.into`. */
  packFile(job: PackJob & { into: string }): Promise<JobResults['pack']>;
  /** Packs without keeping the bytes: for their digest and sizes. */
  packTally(job: PackJob): Promise<JobResults['pack']>;
  /** Packs as a stream. Stopping early ends the job; failures come out of the stream. */
  pack(job: PackJob, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /** Starts a thread when none waits for work: it will be needed soon. */
  warm(): void;
  close(): Promise<void>;
}

/** What a job tells while it runs. */
export interface JobEars {
  /** How much of a growing file was taken. */
  position?: ((position: number) => void) | undefined;
  /** A file of a spooled archive that looks like a layer is complete. */
  member?: ((member: SpooledFile) => void) | undefined;
}

export type JobInput = AsyncIterable<Uint8Array> | { growth: AsyncIterable<number> };

interface Pooled {
  worker: Worker;
  idle: NodeJS.Timeout | undefined;
}

/** `idleMs`: how long an unused thread (some 15 MB) stays. */
export function createJail(options: { threads?: number; idleMs?: number } = {}): Jail {
  const threads = options.threads ?? Math.max(2, Math.min(4, availableParallelism()));
  const idleMs = options.idleMs ?? 10_000;
  const free: Pooled[] = [];
  const waiting: (() => void)[] = [];
  const all = new Set<Worker>();
  let count = 0;

  const acquire = async (): Promise<Pooled> => {
    for (;;) {
      const pooled = free.pop();
      if (pooled !== undefined) {
        clearTimeout(pooled.idle);
        pooled.worker.ref();
        return pooled;
      }
      if (count < threads) {
        count++;
        try {
          return await startWorker(all);
        } catch (error) {
          count--;
          waiting.shift()?.();
          throw error;
        }
      }
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
  };
  const release = (pooled: Pooled, alive: boolean): void => {
    if (alive) {
      pooled.worker.unref();
      pooled.idle = setTimeout(() => {
        free.splice(free.indexOf(pooled), 1);
        count--;
        void pooled.worker.terminate();
      }, idleMs).unref();
      free.push(pooled);
    } else {
      count--;
      void pooled.worker.terminate();
    }
    waiting.shift()?.();
  };

  async function* converse(
    job: Job,
    input: JobInput | undefined,
    { signal, hear }: { signal?: AbortSignal | undefined; hear?: JobEars | undefined } = {},
  ): AsyncGenerator<Uint8Array, unknown> {
    const pooled = await acquire();
    const { worker } = pooled;
    const post = (message: ToWorker, transfer: ArrayBuffer[] = []): void => worker.postMessage(message, transfer);
    const inbox: FromWorker[] = [];
    let wake = (): void => {};
    let credits = WINDOW;
    let creditWake = (): void => {};
    let over = false;
    let died: Error | undefined;
    const onMessage = (message: FromWorker): void => {
      if (message.type === 'credit') {
        credits++;
        creditWake();
        return;
      }
      if (message.type === 'position') {
        hear?.position?.(message.value);
        return;
      }
      if (message.type === 'member') {
        hear?.member?.(message.member);
        return;
      }
      inbox.push(message);
      wake();
    };
    const onExit = (): void => {
      died ??= new EngineError('internal', 'a worker thread ended in the middle of a job');
      wake();
      creditWake();
    };
    const onError = (error: Error): void => void (died = error);
    const onAbort = (): void => post({ type: 'abort', reason: messageOf(signal?.reason ?? 'the request was given up') });
    worker.on('message', onMessage).on('exit', onExit).on('error', onError);
    signal?.addEventListener('abort', onAbort, { once: true });
    post({ type: 'job', job });
    if (signal?.aborted === true) onAbort();
    let inputError: unknown;
    const feeding = input === undefined ? undefined : 'growth' in input ? grow(input.growth) : feed(input);
    async function grow(source: AsyncIterable<number>): Promise<void> {
      try {
        for await (const size of source) {
          if (over || died !== undefined) return;
          post({ type: 'grown', size });
        }
        post({ type: 'end' });
      } catch (error) {
        inputError = error;
        post({ type: 'abort', reason: `the input broke off: ${messageOf(error)}` });
      }
    }
    async function feed(source: AsyncIterable<Uint8Array>): Promise<void> {
      // Small chunks travel together: a message costs more than copying what it carries.
      let piece = new Uint8Array(PIECE);
      let filled = 0;
      /** False when nobody takes any more. */
      const flush = async (): Promise<boolean> => {
        while (credits === 0 && !over && died === undefined) await new Promise<void>((resolve) => (creditWake = resolve));
        if (over || died !== undefined) return false;
        credits--;
        const data = filled === PIECE ? piece : piece.slice(0, filled);
        post({ type: 'chunk', data }, [data.buffer]);
        if (filled === PIECE) piece = new Uint8Array(PIECE);
        filled = 0;
        return true;
      };
      try {
        for await (const chunk of source) {
          for (let start = 0; start < chunk.length; ) {
            const take = Math.min(PIECE - filled, chunk.length - start);
            piece.set(chunk.subarray(start, start + take), filled);
            filled += take;
            start += take;
            if (filled === PIECE && !(await flush())) return;
          }
          if (over || died !== undefined) return;
        }
        if (filled > 0) await flush();
        post({ type: 'end' });
      } catch (error) {
        inputError = error;
        post({ type: 'abort', reason: `the input broke off: ${messageOf(error)}` });
      }
    }
    try {
      for (;;) {
        const message = inbox.shift();
        if (message === undefined) {
          if (died !== undefined) throw died;
          await new Promise<void>((resolve) => (wake = resolve));
          continue;
        }
        if (message.type === 'chunk') {
          yield message.data;
          post({ type: 'credit' });
        } else if (message.type === 'result') {
          over = true;
          return message.value;
        } else if (message.type === 'error') {
          over = true;
          throw inputError ?? new EngineError(message.code, message.message);
        }
      }
    } finally {
      if (!over && died === undefined) {
        // The consumer stopped early: wait until the thread has left the root and can take another job.
        post({ type: 'abort', reason: 'the request was given up' });
        while (!over && died === undefined) {
          const message = inbox.shift();
          if (message?.type === 'result' || message?.type === 'error') over = true;
          else if (message?.type === 'chunk') post({ type: 'credit' });
          else await new Promise<void>((resolve) => (wake = resolve));
        }
      }
      creditWake();
      signal?.removeEventListener('abort', onAbort);
      worker.off('message', onMessage).off('exit', onExit).off('error', onError);
      release(pooled, died === undefined);
      feeding?.catch(() => {});
    }
  }

  const finish = async (job: Job, input?: JobInput, hear?: JobEars): Promise<unknown> => {
    const talk = converse(job, input, { hear });
    for (;;) {
      const step = await talk.next();
      if (step.done === true) return step.value;
    }
  };

  return {
    run: <K extends Exclude<Job['kind'], 'pack'>>(job: Extract<Job, { kind: K }>, input?: JobInput, hear?: JobEars) =>
      finish(job, input, hear) as Promise<JobResults[K]>,
    packFile: (job) => finish(job) as Promise<JobResults['pack']>,
    packTally: (job) => finish({ ...job, discard: true }) as Promise<JobResults['pack']>,
    pack: (job, signal) => converse(job, undefined, { signal }),
    warm() {
      if (free.length > 0 || count >= threads) return;
      acquire().then((pooled) => release(pooled, true), () => {});
    },
    async close() {
      await Promise.all([...all].map((worker) => worker.terminate()));
    },
  };
}

/** Large: under load every handing over between threads waits for its turn. */
const PIECE = 1 << 20;

async function startWorker(all: Set<Worker>): Promise<Pooled> {
  // Whoever makes the process's thread pool shares its root with it: the pool must exist before a thread is jailed.
  await stat('/');
  const worker = new Worker(workerUrl('host', 'jail'), { name: 'jail', resourceLimits: { maxOldGenerationSizeMb: 512 } });
  all.add(worker);
  worker.once('exit', () => all.delete(worker));
  await new Promise<void>((resolve, reject) => {
    worker.once('message', () => resolve());
    worker.once('error', reject);
    worker.once('exit', () => reject(new EngineError('internal', 'a worker thread ended while it started')));
  });
  return { worker, idle: undefined };
}
