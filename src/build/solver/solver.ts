import { EngineError, messageOf } from '#base/errors.ts';
import type { Clock } from '#base/clock.ts';
import type { Jail } from '#host/jail.ts';
import type { StepSession } from '#host/step.ts';
import type { BuildLayers } from '../cache/layers.ts';
import type { CacheRecord, CacheRecords, RecordKind } from '../cache/records.ts';
import type { Graph, Output, SourceOp, Vertex, VertexDigest } from '../graph/vertex.ts';
import type { Tree } from '../tree.ts';
import { Flights } from './flights.ts';
import { contentInputs, digest, keyOf, type ContentInputs, type InputKey } from './keys.ts';
import { Limiter } from './limiter.ts';
import type { Progress, VertexEvent } from './progress.ts';

/** What a source turned out to be before anything was fetched. */
export interface PinnedSource {
  /** Same key, same files. */
  readonly key: string;
  /** Where the files are here already. */
  readonly tree: Tree | undefined;
  /** Names the content for memos; undefined: the layers do. */
  readonly content?: string | undefined;
  /** A file in which workers remember digests of the files. */
  readonly memo?: string | undefined;
  /** A commit or digest that names what was fetched, for provenance. */
  readonly version?: string | undefined;
  /** Fetches the files when `tree` is undefined. */
  load?(tell: (event: VertexEvent) => void, signal: AbortSignal): Promise<Tree>;
}

/** What a build brings along: its sources, secrets, its sandbox for steps. */
export interface BuildScope {
  readonly sources: { pin(op: SourceOp, vertex: Vertex, signal: AbortSignal): Promise<PinnedSource> };
  readonly steps: StepSession;
  readonly secrets: { get(id: string): Promise<Uint8Array | undefined> };
  readonly ssh: { socket(id: string): Promise<string | undefined> };
  /** Throws invalid_argument for what this build may not do. */
  allow(what: 'network.host' | 'security.insecure'): void;
  readonly shmSize: number;
  readonly networkName: string | undefined;
  /** Steps are told of in the engine's events. */
  readonly announced: boolean;
  /** Seconds; times in file operations that ask for none. */
  readonly epoch: number | undefined;
}

export interface Operation {
  readonly vertex: Vertex;
  /** Trees of the inputs, in order. */
  readonly inputs: readonly Tree[];
  readonly scope: BuildScope;
  readonly tell: (event: VertexEvent) => void;
  readonly signal: AbortSignal;
}

/** Runs one kind of op. Returns a tree for each output; new layers are sealed and protected by the disposable. */
export interface Operator {
  run(operation: Operation): Promise<{ trees: Tree[]; held: Disposable; kind?: RecordKind }>;
}

export interface Solved {
  readonly trees: readonly Tree[];
  /** Names what the trees hold. */
  readonly content: string;
  readonly record: string | undefined;
  readonly memo?: string | undefined;
}

export interface SolverOptions {
  layers: BuildLayers;
  records: CacheRecords;
  operators: Readonly<Record<'exec' | 'file' | 'merge' | 'diff', Operator>>;
  jail: Jail;
  clock: Clock;
  /** An existing folder below which workers mount trees. */
  points: string;
  parallelism: number;
}

/** Which step of a graph failed, and how. */
export class StepError extends EngineError {
  readonly vertex: Vertex;

  constructor(vertex: Vertex, cause: unknown) {
    const error = cause instanceof EngineError ? cause : undefined;
    super(error?.code ?? 'internal', messageOf(cause), { cause, details: error?.details ?? {} });
    this.vertex = vertex;
  }
}

/** Solves graphs: the same work once, whoever asks, and not at all when its result is known. */
export class Solver {
  readonly options: SolverOptions;
  readonly flights = new Flights<Solved>();
  readonly limiter: Limiter;

  constructor(options: SolverOptions) {
    this.options = options;
    this.limiter = new Limiter(options.parallelism);
  }

  /** A build; dispose it when its results are taken. */
  begin(graph: Graph, scope: BuildScope, progress: Progress, signal: AbortSignal): Solving {
    return new Solving(this, graph, scope, progress, signal);
  }
}

export class Solving implements Disposable {
  readonly #solver: Solver;
  readonly #graph: Graph;
  readonly #scope: BuildScope;
  readonly #progress: Progress;
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal;
  readonly #held = new DisposableStack();
  readonly #definitions = new Map<VertexDigest, Promise<string>>();
  readonly #keys = new Map<VertexDigest, Promise<string>>();
  readonly #solved = new Map<VertexDigest, Promise<Solved>>();
  readonly #pins = new Map<VertexDigest, Promise<PinnedSource>>();
  readonly #fresh = new Map<VertexDigest, boolean>();
  readonly #leaning = new Map<VertexDigest, boolean>();

  constructor(solver: Solver, graph: Graph, scope: BuildScope, progress: Progress, signal: AbortSignal) {
    this.#solver = solver;
    this.#graph = graph;
    this.#scope = scope;
    this.#progress = progress;
    this.#outer = signal;
    signal.addEventListener('abort', this.#giveUp, { once: true });
    if (signal.aborted) this.#giveUp();
  }

  readonly #giveUp = (): void => this.#controller.abort(this.#outer.reason);

  /** The tree of an output. The first failure of any step gives up all others; it is what every call rejects with. */
  async solve(output: Output): Promise<Tree> {
    try {
      const solved = await this.#solve(output.vertex);
      return treeOf(solved, output);
    } catch (error) {
      this.#controller.abort(error);
      // What was under way has ended when the caller hears of it.
      await Promise.allSettled(this.#solved.values());
      throw this.#controller.signal.reason;
    }
  }

  /** For caches that travel: what each vertex that was solved came to. */
  async records(): Promise<Map<VertexDigest, { key: string; solved: Solved }>> {
    const found = new Map<VertexDigest, { key: string; solved: Solved }>();
    for (const [vertex, solving] of this.#solved) {
      const solved = await solving.catch(() => undefined);
      if (solved !== undefined) found.set(vertex, { key: await this.#key(vertex), solved });
    }
    return found;
  }

  [Symbol.dispose](): void {
    this.#outer.removeEventListener('abort', this.#giveUp);
    this.#held.dispose();
  }

  #vertex(id: VertexDigest): Vertex {
    const vertex = this.#graph.vertices.get(id);
    if (vertex === undefined) throw new EngineError('invalid_argument', `the build graph lacks vertex ${id}`);
    return vertex;
  }

  #tell(vertex: Vertex, event: VertexEvent): void {
    this.#progress({ type: 'vertex', at: this.#solver.options.clock.now(), vertex: vertex.digest, name: vertex.meta.name, inputs: vertex.inputs.map((input) => input.vertex), event });
  }

  #solve(id: VertexDigest): Promise<Solved> {
    let solving = this.#solved.get(id);
    if (solving === undefined) {
      solving = this.#solveOnce(this.#vertex(id));
      solving.catch((error: unknown) => this.#controller.abort(error));
      this.#solved.set(id, solving);
    }
    return solving;
  }

  async #solveOnce(vertex: Vertex): Promise<Solved> {
    const { signal } = this.#controller;
    signal.throwIfAborted();
    if (vertex.op.kind === 'source') return this.#source(vertex);
    const { records } = this.#solver.options;
    const fresh = this.#isFresh(vertex.digest);
    const definition = await this.#definition(vertex.digest);
    const known = this.#leansOnFresh(vertex.digest) ? undefined : records.byDefinition(definition);
    if (known !== undefined) return this.#hit(vertex, known);
    const key = await this.#key(vertex.digest);
    const same = fresh ? undefined : records.get(key);
    if (same !== undefined) {
      records.alias(definition, key);
      return this.#hit(vertex, same);
    }
    const inputs = await Promise.all(vertex.inputs.map(async (input) => ({ solved: await this.#solve(input.vertex), input })));
    signal.throwIfAborted();
    const trees = inputs.map(({ solved, input }) => treeOf(solved, input));
    const parents = inputs.flatMap(({ solved }) => (solved.record === undefined ? [] : [solved.record]));
    try {
      const solved = await this.#solver.flights.run(fresh ? `fresh ${key}` : key, signal, (event) => this.#tell(vertex, event), (own, tell) =>
        this.#work(vertex, { key, definition, fresh, trees, parents }, own, tell));
      this.#hold(solved.trees);
      return solved;
    } catch (error) {
      if (signal.aborted && signal.reason !== error) this.#tell(vertex, { kind: 'canceled' });
      else this.#tell(vertex, { kind: 'failed', message: messageOf(error) });
      throw error instanceof StepError || signal.aborted ? error : new StepError(vertex, error);
    }
  }

  /** Runs the op, records what came out. Its result stays protected until those who wait have taken hold of it. */
  async #work(
    vertex: Vertex,
    facts: { key: string; definition: string; fresh: boolean; trees: readonly Tree[]; parents: readonly string[] },
    signal: AbortSignal,
    tell: (event: VertexEvent) => void,
  ): Promise<Solved> {
    const { records, operators } = this.#solver.options;
    if (vertex.op.kind === 'source') throw new EngineError('internal', 'a source is no work');
    const operator = operators[vertex.op.kind];
    return this.#solver.limiter.run(signal, async () => {
      signal.throwIfAborted();
      // It may have come to be while this waited.
      const late = facts.fresh ? undefined : records.get(facts.key);
      if (late !== undefined) return this.#recorded(late);
      tell({ kind: 'started' });
      const { trees, held, kind } = await operator.run({ vertex, inputs: facts.trees, scope: this.#scope, tell, signal });
      setImmediate(() => held[Symbol.dispose]());
      const record = records.put({ key: facts.key, definition: facts.definition, trees, kind: kind ?? 'regular', description: vertex.meta.name, parents: facts.parents });
      tell({ kind: 'done' });
      return this.#recorded(record);
    });
  }

  #hit(vertex: Vertex, record: CacheRecord): Solved {
    this.#hold(record.trees);
    this.#solver.options.records.used(record);
    this.#tell(vertex, { kind: 'cached' });
    return this.#recorded(record);
  }

  #recorded({ trees, id }: CacheRecord): Solved {
    return { trees, content: digest(trees), record: id };
  }

  #hold(trees: readonly Tree[]): void {
    for (const tree of trees) this.#held.use(this.#solver.options.layers.protect(tree));
  }

  async #source(vertex: Vertex): Promise<Solved> {
    const { signal } = this.#controller;
    const tell = (event: VertexEvent): void => this.#tell(vertex, event);
    try {
      const pinned = await this.#pin(vertex.digest);
      let tree = pinned.tree;
      if (tree === undefined) {
        if (pinned.load === undefined) throw new EngineError('internal', `nothing loads ${vertex.meta.name}`);
        const load = pinned.load.bind(pinned);
        const loaded = await this.#solver.flights.run(`source ${pinned.key}`, signal, tell, async (own, say) => {
          say({ kind: 'started' });
          const found = await load(say, own);
          const held = this.#solver.options.layers.protect(found);
          setImmediate(() => held[Symbol.dispose]());
          say({ kind: 'done' });
          return { trees: [found], content: '', record: undefined };
        });
        tree = loaded.trees[0] ?? [];
      } else tell({ kind: 'cached' });
      this.#hold([tree]);
      return { trees: [tree], content: pinned.content ?? digest([tree]), record: undefined, memo: pinned.memo };
    } catch (error) {
      if (!signal.aborted) tell({ kind: 'failed', message: messageOf(error) });
      throw error instanceof StepError || signal.aborted ? error : new StepError(vertex, error);
    }
  }

  #pin(id: VertexDigest): Promise<PinnedSource> {
    let pin = this.#pins.get(id);
    if (pin === undefined) {
      const vertex = this.#vertex(id);
      const { op } = vertex;
      if (op.kind !== 'source') throw new EngineError('internal', 'only sources are pinned');
      pin = this.#scope.sources.pin(op, vertex, this.#controller.signal).catch((error: unknown) => {
        throw error instanceof StepError ? error : new StepError(vertex, error);
      });
      this.#pins.set(id, pin);
    }
    return pin;
  }

  /** True when the vertex, or one it builds upon, takes nothing from the cache. What is only read from does not count. */
  #isFresh(id: VertexDigest): boolean {
    const known = this.#fresh.get(id);
    if (known !== undefined) return known;
    const vertex = this.#vertex(id);
    const content = contentInputs(vertex);
    const fresh = vertex.op.kind !== 'source' && (vertex.meta.ignoreCache || vertex.inputs.some((input, at) => !content.has(at) && this.#isFresh(input.vertex)));
    this.#fresh.set(id, fresh);
    return fresh;
  }

  /** True when something fresh is among all that it is made from: then its definition does not tell what comes out. */
  #leansOnFresh(id: VertexDigest): boolean {
    const known = this.#leaning.get(id);
    if (known !== undefined) return known;
    const leans = this.#isFresh(id) || this.#vertex(id).inputs.some((input) => this.#leansOnFresh(input.vertex));
    this.#leaning.set(id, leans);
    return leans;
  }

  /** The key by definition alone: no input has to be there. */
  #definition(id: VertexDigest): Promise<string> {
    return memo(this.#definitions, id, async () => {
      const vertex = this.#vertex(id);
      if (vertex.op.kind === 'source') return digest(['source', (await this.#pin(id)).key]);
      return keyOf(vertex, await Promise.all(vertex.inputs.map(async ({ vertex: input, index }) => ({ key: await this.#definition(input), index }))));
    });
  }

  /** The key by which results are kept: where only files are read, their content counts and not where they came from. */
  #key(id: VertexDigest): Promise<string> {
    return memo(this.#keys, id, async () => {
      const vertex = this.#vertex(id);
      if (vertex.op.kind === 'source') return digest(['source', (await this.#pin(id)).key]);
      const content = contentInputs(vertex);
      return keyOf(vertex, await Promise.all(vertex.inputs.map((input, at) => this.#inputKey(input, at, content))));
    });
  }

  async #inputKey(input: Output, at: number, content: ContentInputs): Promise<InputKey> {
    const selections = content.get(at);
    if (selections === undefined) return { key: await this.#key(input.vertex), index: input.index };
    const solved = await this.#solve(input.vertex);
    const { records, jail, layers, points } = this.#solver.options;
    const names = selections.map((selection) => digest([solved.content, input.index, selection]));
    const known = names.map((name) => records.content(name));
    if (known.every((item) => item !== undefined)) return { content: known };
    this.#controller.signal.throwIfAborted();
    const found = await jail.run<'content'>({ kind: 'content', tree: layers.folders(treeOf(solved, input)), points, selections: [...selections], memo: solved.memo });
    found.forEach((item, position) => {
      if (item !== undefined) records.rememberContent(names[position] ?? '', item);
    });
    return { content: found };
  }
}

function memo<T>(map: Map<VertexDigest, Promise<T>>, id: VertexDigest, task: () => Promise<T>): Promise<T> {
  let running = map.get(id);
  if (running === undefined) {
    running = task();
    running.catch(() => {});
    map.set(id, running);
  }
  return running;
}

function treeOf(solved: Solved, output: Output): Tree {
  const tree = solved.trees[output.index];
  if (tree === undefined) throw new EngineError('invalid_argument', `vertex ${output.vertex} has no output ${output.index}`);
  return tree;
}
