import { link } from 'node:fs/promises';
import { codeOf, EngineError, messageOf } from '#base/errors.ts';
import type { Limiter } from '#base/limiter.ts';
import type { Digest } from '#spec/digest.ts';
import type { Descriptor } from '#spec/oci-image.ts';
import { download, SPLIT_FROM, type OpenRange } from '../registry/download.ts';
import type { Partials } from '../registry/partials.ts';
import type { Repository } from '../registry/repository.ts';
import type { RetryPolicy } from '../registry/retry.ts';

/** A blob on its way here, shared by all who want it. */
export interface Flight {
  readonly digest: Digest;
  readonly path: string;
  /** How many bytes are there, whenever that changes; ends when all are, fails when no more will come. Any number may listen. */
  growth(): AsyncIterable<number>;
  /** Gives the complete file another name. */
  link(path: string): Promise<void>;
  /** The bytes were wrong: nobody may go on from them. */
  spoil(): void;
  spoiled(): boolean;
  /** An earlier try brought a part of it. */
  resumed(): boolean;
  /** The bytes have their place in the store: the file is not needed any more. */
  placed(): void;
  /** No more interest. The last one out stops the download and keeps what came for the next try. */
  leave(): Promise<void>;
}

export interface Want {
  blob: Pick<Descriptor, 'digest' | 'size'>;
  /** Where to get it, in order. */
  sources: readonly { repository: Repository; open?: OpenRange | undefined }[];
  onProgress: (current: number, total: number) => void;
  onWaiting: (seconds: number) => void;
}

interface Shared {
  blob: Pick<Descriptor, 'digest' | 'size'>;
  path: string;
  reached: number;
  state: 'running' | 'complete' | 'failed';
  error: unknown;
  spoiled: boolean;
  placed: boolean;
  resumed: boolean;
  users: number;
  controller: AbortController;
  listeners: Set<() => void>;
  watchers: Set<Want>;
  ended: Promise<void>;
  /** Resolves when the file is no longer its own. */
  gone: PromiseWithResolvers<void>;
}

export function createFlights(options: { partials: Partials; limiter: Limiter; retries: RetryPolicy }): (want: Want) => Flight {
  const { partials, limiter, retries } = options;
  const flights = new Map<Digest, Shared>();

  const begin = (want: Want, after: Promise<void>): Shared => {
    const { digest, size } = want.blob;
    const inPieces = size >= SPLIT_FROM;
    const controller = new AbortController();
    const path = partials.path(digest, inPieces);
    const shared: Shared = {
      blob: want.blob, path, reached: 0, state: 'running', error: undefined, spoiled: false, placed: false, resumed: false, users: 0, controller,
      listeners: new Set(), watchers: new Set(), ended: Promise.resolve(), gone: Promise.withResolvers<void>(),
    };
    const grew = (reached: number): void => {
      shared.reached = reached;
      for (const watcher of shared.watchers) watcher.onProgress(reached, size);
      for (const listener of shared.listeners) listener();
    };
    const fetchFrom = async ({ repository, open }: Want['sources'][number], start: number): Promise<void> =>
      download(
        {
          repository, digest, size, path, retries, from: start, signal: controller.signal, onGrowth: grew,
          onWaiting: (seconds) => {
            for (const watcher of shared.watchers) watcher.onWaiting(seconds);
          },
        },
        open,
      );
    shared.ended = limiter
      .run(controller.signal, async () => {
        await after;
        const from = partials.open(digest, inPieces);
        shared.resumed = from > 0;
        for (const [index, source] of want.sources.entries()) {
          try {
            await fetchFrom(source, shared.reached === 0 ? Math.min(from, size) : shared.reached);
            return;
          } catch (error) {
            const disk = error instanceof EngineError && /no space left/.test(error.message);
            if (index === want.sources.length - 1 || controller.signal.aborted || disk) throw error;
          }
        }
      })
      .then(
        () => void (shared.state = 'complete'),
        (error: unknown) => {
          shared.state = 'failed';
          shared.error = error;
        },
      )
      .finally(() => {
        for (const listener of shared.listeners) listener();
      });
    return shared;
  };

  return (want) => {
    const { digest } = want.blob;
    let shared = flights.get(digest);
    // A failed one is on its way out: whoever comes now tries anew after it.
    if (shared === undefined || shared.state === 'failed' || shared.spoiled || shared.users === 0) {
      shared = begin(want, shared?.gone.promise ?? Promise.resolve());
      flights.set(digest, shared);
    }
    const mine = shared;
    mine.users++;
    mine.watchers.add(want);
    return {
      digest,
      path: mine.path,
      async *growth() {
        let told = -1;
        for (;;) {
          const { reached, state } = mine;
          if (reached > told && reached > 0) {
            told = reached;
            yield reached;
            continue;
          }
          if (state === 'complete') return;
          if (state === 'failed') throw mine.error;
          await new Promise<void>((resolve) => {
            const listener = (): void => {
              mine.listeners.delete(listener);
              resolve();
            };
            mine.listeners.add(listener);
          });
        }
      },
      link: (path) => link(mine.path, path),
      spoil: () => void (mine.spoiled = true),
      spoiled: () => mine.spoiled,
      resumed: () => mine.resumed,
      placed: () => void (mine.placed = true),
      async leave() {
        mine.watchers.delete(want);
        if (--mine.users > 0) return;
        if (mine.state === 'running') mine.controller.abort(new EngineError('internal', 'the pull was given up'));
        await mine.ended;
        if (flights.get(digest) === mine) flights.delete(digest);
        const worthless = mine.spoiled || mine.reached === 0 || isFullDisk(mine.error);
        try {
          if (mine.placed || worthless) await partials.drop(digest);
          else partials.keep(digest, mine.reached);
        } finally {
          mine.gone.resolve();
        }
      },
    };
  };
}

const isFullDisk = (error: unknown): boolean => codeOf(error) === 'internal' && /no space left/.test(messageOf(error));
