import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { availableParallelism } from 'node:os';
import { EngineError } from '#base/errors.ts';
import { newId } from '#base/ids.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Database } from '#host/database.ts';
import type { Jail } from '#host/jail.ts';
import type { Layout } from '#host/layout.ts';
import type { StepLimits, StepRunner } from '#host/step.ts';
import type { ImageContext } from '#image/context.ts';
import type { Platform } from '#spec/oci-image.ts';
import type { Material } from './attest/provenance.ts';
import { BuildLayers } from './cache/layers.ts';
import { CacheMounts } from './cache/mounts.ts';
import { CacheRecords } from './cache/records.ts';
import { CacheCollector } from './cache/collector.ts';
import { KeptContexts } from './context/kept-contexts.ts';
import { BuildHistory } from './native/history.ts';
import { GitSources } from './sources/git.ts';
import { HttpSources } from './sources/http.ts';
import { RemoteSources } from './sources/remote.ts';
import type { SentContext } from './context/contexts.ts';
import type { FrontendRequest, FrontendResult, PlatformResult } from './frontend.ts';
import { execOperator } from './ops/exec.ts';
import { fileOperator } from './ops/file.ts';
import { diffOperator, mergeOperator } from './ops/trees.ts';
import { Solver, type BuildScope, type Solving } from './solver/solver.ts';
import type { Progress } from './solver/progress.ts';
import type { BaseImages, ImageWish } from './sources/images.ts';
import { BuildSources } from './sources/sources.ts';
import type { Tree } from './tree.ts';

export type Frontend = (request: FrontendRequest) => Promise<FrontendResult>;

export interface BuilderOptions {
  layout: Layout;
  db: Database;
  log: Log;
  clock: Clock;
  jail: Jail;
  images: ImageContext;
  baseImages: BaseImages;
  steps: StepRunner;
  frontend: Frontend;
  platform: Platform;
  rootless: boolean;
}

export type Entitlement = 'network.host' | 'security.insecure';

/** A build, whoever asks for it. Contexts belong to the caller. */
export interface BuildOrder {
  readonly ref: string;
  readonly frontend: Omit<FrontendRequest, 'resolveImage' | 'warn' | 'buildPlatform'>;
  readonly contexts: ReadonlyMap<string, SentContext>;
  readonly wish: Omit<ImageWish, 'platform' | 'signal'>;
  readonly secrets: ReadonlyMap<string, Uint8Array>;
  readonly ssh: BuildScope['ssh'];
  readonly entitlements: ReadonlySet<Entitlement>;
  readonly limits: StepLimits;
  readonly shmSize: number;
  readonly networkName: string | undefined;
  /** Steps are told of in the engine's events. */
  readonly announced: boolean;
}

export interface BuiltPlatform {
  readonly result: PlatformResult;
  readonly tree: Tree;
}

/** What a build came to; its layers stay until it is disposed. */
export interface Built extends AsyncDisposable {
  readonly frontend: FrontendResult;
  readonly platforms: readonly BuiltPlatform[];
  readonly solving: Solving;
  /** What came from elsewhere, for provenance. */
  readonly materials: readonly Material[];
}

/** The build room: joins frontend, solver and cache. */
export class Builder {
  readonly options: BuilderOptions;
  readonly layers: BuildLayers;
  readonly records: CacheRecords;
  readonly mounts: CacheMounts;
  readonly contexts: KeptContexts;
  readonly collector: CacheCollector;
  readonly history: BuildHistory;
  readonly remote: RemoteSources;
  readonly points: string;
  readonly #solver: Solver;

  constructor(options: BuilderOptions) {
    this.options = options;
    const { layout, db, clock, jail, images, rootless } = options;
    this.points = join(layout.root, 'cache', 'points');
    mkdirSync(this.points, { recursive: true, mode: 0o700 });
    this.layers = new BuildLayers({ db, clock, jail, layout, images: images.layers, rootless });
    this.records = new CacheRecords({ db, clock, layers: this.layers });
    this.mounts = new CacheMounts({ db, clock, jail, layers: this.layers, layout, points: this.points });
    this.contexts = new KeptContexts({ db, clock, jail, layers: this.layers, layout, points: this.points });
    this.collector = new CacheCollector({
      db, clock, log: options.log, layers: this.layers, records: this.records, mounts: this.mounts, contexts: this.contexts, folder: layout.root, lends: (folder) => images.layers.lends(folder),
    });
    this.history = new BuildHistory({ db, clock });
    const git = new GitSources({ layers: this.layers, records: this.records, jail, folder: join(layout.root, 'cache', 'git'), points: this.points });
    this.remote = new RemoteSources({ git, http: new HttpSources({ layers: this.layers, records: this.records, jail }), layers: this.layers, jail });
    const parts = { layers: this.layers, jail, points: this.points, rootless };
    this.#solver = new Solver({
      layers: this.layers, records: this.records, jail, clock, points: this.points,
      parallelism: Math.max(2, availableParallelism()),
      operators: { exec: execOperator({ layers: this.layers, mounts: this.mounts }), file: fileOperator(parts), merge: mergeOperator, diff: diffOperator(parts) },
    });
  }

  /** Once, before anything else: takes away what a crash left. */
  async recover(): Promise<void> {
    await this.options.steps.recover();
    await this.layers.recover();
    await this.mounts.recover();
  }

  /** When an image with this key was first put together; `fresh` makes that now. */
  madeFirst(key: string, fresh: boolean): number {
    const known = fresh ? undefined : this.records.content(`made ${key}`);
    const time = known === undefined ? this.options.clock.now() : Number(known);
    if (known === undefined) this.records.rememberContent(`made ${key}`, String(time));
    return time;
  }

  /** Only compiles: what lint rules find goes to `progress`. */
  async check(order: BuildOrder, progress: Progress, signal: AbortSignal): Promise<void> {
    await this.#compile(order, progress, signal);
  }

  async #compile(order: BuildOrder, progress: Progress, signal: AbortSignal): Promise<{ compiled: FrontendResult; sources: BuildSources }> {
    const { platform, baseImages, clock } = this.options;
    const sources = new BuildSources({ images: baseImages, contexts: order.contexts, wish: { ...order.wish, signal }, platform, remote: this.remote });
    const compiled = await this.options.frontend({
      ...order.frontend,
      buildPlatform: platform,
      resolveImage: async (reference, options) => {
        const { digest, config } = await sources.image(reference, options.platform, order.wish.mode);
        return { digest, config };
      },
      warn: ({ rule, description, url, detail, ranges }) =>
        progress({ type: 'warning', at: clock.now(), vertex: undefined, rule, message: description, detail, url, ranges: ranges.map((range) => ({ file: order.frontend.fileName, ...range })) }),
    });
    return { compiled, sources };
  }

  /** Compiles and solves. `started` hears of the graph before the first step runs. */
  async build(order: BuildOrder, progress: Progress, signal: AbortSignal, started?: (compiled: FrontendResult, sources: BuildSources) => void | Promise<void>): Promise<Built> {
    await using undo = new AsyncDisposableStack();
    const { steps } = this.options;
    const { compiled, sources } = await this.#compile(order, progress, signal);
    await started?.(compiled, sources);
    const session = undo.use(steps.open(`build-${newId().slice(0, 12)}`, order.limits));
    const scope: BuildScope = {
      sources,
      steps: session,
      secrets: { get: (id) => Promise.resolve(order.secrets.get(id)) },
      ssh: order.ssh,
      allow: (what) => requireEntitlement(order.entitlements, what),
      shmSize: order.shmSize,
      networkName: order.networkName,
      announced: order.announced,
      epoch: compiled.epoch,
    };
    const solving = undo.use(this.#solver.begin(compiled.graph, scope, progress, signal));
    const platforms = await Promise.all(compiled.platforms.map(async (result) => ({ result, tree: result.output === undefined ? [] : await solving.solve(result.output) })));
    const resources = undo.move();
    return { frontend: compiled, platforms, solving, materials: sources.materials(), [Symbol.asyncDispose]: () => resources.disposeAsync() };
  }
}

function requireEntitlement(granted: ReadonlySet<Entitlement>, what: Entitlement): void {
  if (granted.has(what)) return;
  throw new EngineError('forbidden', `${what} is not allowed: give --allow ${what}`);
}
