import { rfc3339Nano } from '#base/clock.ts';
import { EngineError, invalid, messageOf, notFound } from '#base/errors.ts';
import { renderPlatform } from '#image/platform.ts';
import type { Images } from '#image/images.ts';
import type { NativeBuildEvent, NativeBuildRequest, NativeHistoryEntry, NativeRange } from '#spec/wire/native-build.ts';
import { credentialsFor } from '../sources/base-images.ts';
import { parseReference } from '#spec/reference.ts';
import type { Builder, BuildOrder } from '../builder.ts';
import { drawExcerpt } from '../dockerfile/excerpt.ts';
import { rangesOf } from '../dockerfile/failure.ts';
import { exportBuild, type Exported } from '../export/export.ts';
import { readInTree } from '../read-in-tree.ts';
import type { BuildEvent } from '../solver/progress.ts';
import { StepError } from '../solver/solver.ts';
import { EventQueue } from './event-queue.ts';
import { MAIN, nativeOrder } from './order.ts';
import type { RunningBuild } from './running-build.ts';

const MAX_DOCKERFILE = 16 << 20;

/** Builds asked for in our own protocol. */
export class NativeBuilds {
  readonly #builder: Builder;
  readonly #images: Images;
  readonly #running = new Map<string, RunningBuild>();

  constructor(options: { builder: Builder; images: Images }) {
    this.#builder = options.builder;
    this.#images = options.images;
  }

  /** Failures come as the last event, too. Leaving early cancels the build. */
  async *build(request: NativeBuildRequest, signal: AbortSignal): AsyncGenerator<NativeBuildEvent> {
    if (!/^[a-z0-9]{8,64}$/.test(request.ref)) throw invalid(`invalid build ref ${JSON.stringify(request.ref.slice(0, 100))}`);
    if (this.#running.has(request.ref)) throw new EngineError('conflict', `build ${request.ref} is running already`);
    const controller = new AbortController();
    const stop = (): void => controller.abort(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    const running: RunningBuild = { controller, startedAt: this.#builder.options.clock.now(), outputs: new Map(), ssh: new Map() };
    this.#running.set(request.ref, running);
    const queue = new EventQueue<NativeBuildEvent>();
    const tally = new Tally(request, this.#builder.options.clock.now());
    const tell = (event: NativeBuildEvent): void => {
      tally.take(event);
      queue.push(event);
    };
    const work = this.#run(request, running, tell).finally(() => queue.end());
    try {
      yield* queue;
    } finally {
      controller.abort(new EngineError('internal', 'the client closed the connection'));
      signal.removeEventListener('abort', stop);
      await work;
      this.#running.delete(request.ref);
      if (!request.check) this.#builder.history.add(tally.entry(this.#builder.options.clock.now()), tally.lines);
      await this.#builder.layers.collect();
      this.#builder.collector.tidy();
    }
  }

  /** The bytes of an output of a running build. */
  output(ref: string, index: number): AsyncIterable<Uint8Array> {
    const output = this.#running.get(ref)?.outputs.get(index);
    if (output === undefined) throw notFound(`build ${ref} has no output ${index} to fetch`);
    return output.take();
  }

  cancel(ref: string): void {
    const running = this.#running.get(ref);
    if (running === undefined) throw notFound(`no build ${ref} is running`);
    running.controller.abort(new EngineError('internal', 'the build was canceled'));
  }

  running(): string[] {
    return [...this.#running.keys()];
  }

  find(ref: string): RunningBuild | undefined {
    return this.#running.get(ref);
  }

  async #run(request: NativeBuildRequest, running: RunningBuild, tell: (event: NativeBuildEvent) => void): Promise<void> {
    const { signal } = running.controller;
    let text = request.dockerfile.text ?? '';
    const progress = (event: BuildEvent): void => {
      const told = onWire(event, request.dockerfile.path, text);
      if (told !== undefined) tell(told);
    };
    await using undo = new AsyncDisposableStack();
    try {
      const { order, sent, kept } = await nativeOrder(request, this.#builder.contexts, this.#builder.remote, sshOf(request, running, undo), signal);
      for (const context of sent) undo.use(context);
      text = request.dockerfile.text ?? this.#dockerfile(request, order);
      const frontend = { ...order.frontend, text };
      if (request.check) {
        await this.#builder.check({ ...order, frontend }, progress, signal);
        tell({ type: 'result', imageId: undefined, digest: undefined, metadata: {} });
        return;
      }
      const built = undo.use(await this.#builder.build({ ...order, frontend }, progress, signal, async ({ contextPaths }) => {
        await Promise.all([...kept].map(([name, context]) => context.settle(name === MAIN ? contextPaths : undefined, (files) => tell({ type: 'need', context: context.id, files }), signal)));
      }));
      const exported = await this.#export(request, built, running, tell);
      signal.throwIfAborted();
      tell({ type: 'result', imageId: exported.imageId, digest: exported.imageId, metadata: { ...exported.metadata, 'buildx.build.ref': `default/default/${request.ref}` } });
    } catch (error) {
      tell(failure(signal.aborted ? signal.reason : error, request.dockerfile.path, text));
    }
  }

  #dockerfile(request: NativeBuildRequest, order: Pick<BuildOrder, 'contexts'>): string {
    const main = order.contexts.get(MAIN);
    const found = main === undefined ? undefined : readInTree(main.folder, main.dockerfile ?? request.dockerfile.path, MAX_DOCKERFILE);
    if (found === undefined) throw invalid(`failed to read dockerfile: open ${request.dockerfile.path}: no such file or directory`);
    return found.toString();
  }

  async #export(request: NativeBuildRequest, built: Parameters<typeof exportBuild>[2], running: RunningBuild, tell: (event: NativeBuildEvent) => void): Promise<Exported> {
    const { clock } = this.#builder.options;
    const { signal } = running.controller;
    const startedAt = running.startedAt;
    const vertex = `export:${request.ref}`;
    const step = (event: Extract<NativeBuildEvent, { type: 'vertex' }>['event']): void => tell({ type: 'vertex', at: clock.now(), vertex, name: 'exporting', inputs: [], event });
    step({ kind: 'started' });
    const deliver = (index: number, tar: AsyncIterable<Uint8Array>): Promise<void> => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const leave = (): void => reject(signal.reason as Error);
      signal.addEventListener('abort', leave, { once: true });
      running.outputs.set(index, { take: () => finished(tar, resolve, reject) });
      tell({ type: 'output', index, kind: 'tar' });
      return promise.finally(() => {
        signal.removeEventListener('abort', leave);
        running.outputs.delete(index);
      });
    };
    const exported = await exportBuild(
      this.#builder, this.#images, built,
      {
        outputs: request.outputs, tags: request.tags, ref: request.ref, annotations: request.annotations, attestations: request.attestations, dockerfile: request.dockerfile.path, target: request.target,
        buildArgs: request.buildArgs, labels: request.labels, startedAt, noCache: request.noCache, credentials: (reference) => credentialsFor(request.auth, parseReference(reference).domain),
      },
      deliver, signal,
      (line) => step({ kind: 'log', stream: 'stderr', data: Buffer.from(`${line}\n`).toString('base64') }),
    );
    step({ kind: 'done' });
    return exported;
  }
}

async function* finished(tar: AsyncIterable<Uint8Array>, resolve: () => void, reject: (error: Error) => void): AsyncGenerator<Uint8Array> {
  let whole = false;
  try {
    yield* tar;
    whole = true;
  } catch (error) {
    reject(error as Error);
    throw error;
  } finally {
    if (whole) resolve();
    else reject(new EngineError('internal', 'an output was not fetched to its end'));
  }
}

function sshOf(request: NativeBuildRequest, running: RunningBuild, undo: AsyncDisposableStack): BuildOrder['ssh'] {
  return {
    socket: async (id) => {
      if (!request.ssh.includes(id)) return undefined;
      const listener = running.ssh.get(id);
      if (listener === undefined) return undefined;
      const { path, close } = await listener.open();
      undo.defer(close);
      return path;
    },
  };
}

function onWire(event: BuildEvent, file: string, text: string): NativeBuildEvent | undefined {
  if (event.type === 'warning') {
    const { at, rule, message, detail, url, ranges } = event;
    return { type: 'warning', at, rule, message, detail, url, ranges, excerpt: drawExcerpt(file, text, ranges) };
  }
  const { at, vertex, name, inputs } = event;
  if (event.event.kind === 'running') return undefined;
  const own = event.event.kind === 'log' ? { kind: 'log' as const, stream: event.event.stream, data: event.event.data.toString('base64') } : event.event;
  return { type: 'vertex', at, vertex, name, inputs, event: own };
}

function failure(error: unknown, file: string, text: string): NativeBuildEvent {
  const step = error instanceof StepError ? error.vertex : undefined;
  const ranges: readonly NativeRange[] = step?.meta.ranges ?? rangesOf(error).map((range) => ({ file, ...range }));
  const exitCode = error instanceof EngineError ? error.details['exitCode'] : undefined;
  return {
    type: 'failed',
    message: step === undefined ? messageOf(error) : `failed to solve: ${messageOf(error)}`,
    exitCode: typeof exitCode === 'number' ? exitCode : undefined,
    excerpt: drawExcerpt(file, text, ranges),
    vertex: step?.digest,
  };
}

/** What the history keeps of a build. */
class Tally {
  readonly lines: string[] = [];
  readonly #request: NativeBuildRequest;
  readonly #began: number;
  readonly #vertices = new Map<string, 'started' | 'cached' | 'done' | 'other'>();
  #end: Extract<NativeBuildEvent, { type: 'result' | 'failed' }> | undefined;

  constructor(request: NativeBuildRequest, began: number) {
    this.#request = request;
    this.#began = began;
  }

  take(event: NativeBuildEvent): void {
    if (event.type !== 'output' && event.type !== 'need') this.lines.push(JSON.stringify(event));
    if (event.type === 'vertex' && event.event.kind !== 'log' && event.event.kind !== 'status') {
      const { kind } = event.event;
      this.#vertices.set(event.vertex, kind === 'cached' || kind === 'done' || kind === 'started' ? kind : 'other');
    } else if (event.type === 'result' || event.type === 'failed') this.#end = event;
  }

  entry(now: number): NativeHistoryEntry {
    const { ref, name, target, platforms, buildArgs, labels, tags } = this.#request;
    const states = [...this.#vertices.values()];
    const end = this.#end;
    return {
      ref, name, target, labels, tags, buildArgs,
      platforms: platforms.length === 0 ? [renderPlatform({ os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch })] : platforms,
      status: end?.type === 'result' ? 'completed' : end === undefined || /cancel|closed the connection/.test(end.message) ? 'canceled' : 'error',
      error: end?.type === 'failed' ? end.message : '',
      createdAt: rfc3339Nano(BigInt(this.#began) * 1_000_000n),
      completedAt: rfc3339Nano(BigInt(now) * 1_000_000n),
      completedSteps: states.filter((state) => state === 'done' || state === 'cached').length,
      cachedSteps: states.filter((state) => state === 'cached').length,
      totalSteps: states.length,
      imageId: end?.type === 'result' ? (end.imageId ?? '') : '',
    };
  }
}
