import { invalid } from '#base/errors.ts';
import { normalize } from '#image/platform.ts';
import { IgnorePatterns, readIgnoreFile } from '#spec/ignore-patterns.ts';
import type { Platform } from '#spec/oci-image.ts';
import { parseReference } from '#spec/reference.ts';
import type { BuildContext, FrontendRequest, FrontendResult, FrontendStep, PlatformResult } from '../../frontend.ts';
import { expand } from '#spec/expand/lexer.ts';
import { onLines, parseFailure } from '../failure.ts';
import type { Of, Stage } from '../instructions/instruction.ts';
import { readStages } from '../instructions/read.ts';
import { Linter } from '../lint/linter.ts';
import { lintStages } from '../lint/stages.ts';
import { directivesOf } from '../parser/directives.ts';
import type { ParsedFile } from '../parser/line.ts';
import { parseDockerfile } from '../parser/parse.ts';
import { resolveBases, sourceTree } from './bases.ts';
import { compileStage } from './dispatch.ts';
import { Breather } from './breather.ts';
import { Budget } from './budget.ts';
import { Marshaller } from './node.ts';
import type { NodeOutput } from './node.ts';
import { Plan } from './plan.ts';
import { platformArguments } from './request.ts';
import type { Compilation } from './request.ts';
import { localSource, narrowed } from './sources.ts';
import type { StageState } from './stage-state.ts';
import { hiddenFiles } from './hidden.ts';
import { checkSyntax } from './syntax.ts';

/** A Dockerfile after everything that does not depend on the platform. */
interface Source {
  readonly request: FrontendRequest;
  readonly file: ParsedFile;
  readonly stages: readonly Stage[];
  readonly globalArgs: readonly Of<'arg'>[];
  readonly lint: Linter;
  readonly ignore: IgnorePatterns | undefined;
  readonly excludes: string;
}

/**
 * Turns a Dockerfile into a graph with one result for each platform. Nothing is run or fetched but image configurations.
 * Throws EngineErrors in BuildKit's words whose `details` name the lines to blame (`failure.ts` reads them).
 */
export async function compileDockerfile(request: FrontendRequest): Promise<FrontendResult> {
  const source = readSource(request);
  const marshaller = new Marshaller();
  for (const context of [request.context, ...request.namedContexts.values()]) if (context.kind === 'graph') marshaller.include(context.graph);
  const platforms: PlatformResult[] = [];
  let paths: ReadonlySet<string> = new Set<string>();
  let epoch: number | undefined;
  for (const platform of request.platforms.length > 0 ? request.platforms : [request.buildPlatform]) {
    const compiled = await compileForPlatform(source, normalize(platform), paths);
    ({ epoch } = compiled.compilation);
    paths = compiled.compilation.mainContext.paths;
    platforms.push(await platformResult(compiled.compilation, compiled.plan, compiled.target, marshaller));
  }
  source.lint.conclude();
  const contextPaths = paths.size === 0 ? [] : narrowed(paths);
  return { graph: marshaller.graph, platforms, warnings: source.lint.warnings, contextPaths, unusedArgs: unusedArguments(source), epoch };
}

/** Proxies and what is for the frontend itself need no declaration. */
function unusedArguments({ request, stages, globalArgs }: Source): string[] {
  const declared = [...globalArgs, ...stages.flatMap(({ commands }) => commands)].flatMap((command) => (command.kind === 'arg' ? command.args.map(({ key }) => key) : []));
  const known = new Set([...declared, 'SOURCE_DATE_EPOCH']);
  return Object.keys(request.buildArgs).filter((key) => !known.has(key) && !/^(?:BUILDKIT_.*|(?:https?|ftp|no|all)_proxy)$/i.test(key)).toSorted();
}

function readSource(request: FrontendRequest): Source {
  if (request.text === '') throw invalid('the Dockerfile cannot be empty');
  checkSyntax(request.text, request.buildArgs);
  const lint = new Linter(request.buildArgs['BUILDKIT_DOCKERFILE_CHECK'] ?? directivesOf(request.text).get('check') ?? '', request.warn);
  const file = parsed(request.text);
  for (const range of file.emptyContinuations) lint.report('NoEmptyContinuation', range);
  const { stages, globalArgs } = readStages(file.lines);
  if (stages.length === 0) throw invalid('dockerfile contains no stages to build');
  lintStages(stages, globalArgs, lint);
  const patterns = readIgnoreFile(request.ignoreText);
  const ignore = patterns.length === 0 ? undefined : new IgnorePatterns(patterns);
  return { request, file, stages, globalArgs, lint, ignore, excludes: patterns.length === 0 ? '' : JSON.stringify(patterns) };
}

function parsed(text: string): ParsedFile {
  try {
    return parseDockerfile(text);
  } catch (error) {
    throw parseFailure(error);
  }
}

async function compileForPlatform(source: Source, target: Platform, paths: ReadonlySet<string>): Promise<{ compilation: Compilation; plan: Plan; target: StageState }> {
  const { request, stages } = source;
  const { escape } = source.file;
  const predefined = platformArguments(request, target, request.target === '' ? (stages.at(-1)?.from.name ?? '') : request.target);
  lintDefaultBases(source, predefined);
  const globals = withGlobalArgs(source, predefined, request.buildArgs);
  const ownPaths = new Set(paths);
  const compilation: Compilation = {
    request, escape, target, globals, lint: source.lint, ignore: source.ignore, hidden: hiddenFiles(request.fileName, source.ignore),
    implicitTarget: request.platforms.length === 0,
    multiPlatform: request.platforms.length > 1,
    epoch: readEpoch(request.buildArgs['SOURCE_DATE_EPOCH'] ?? globals.get('SOURCE_DATE_EPOCH') ?? ''),
    budget: new Budget(),
    mainContext: { tree: contextTree(request.context, ownPaths, source.excludes, target), paths: ownPaths },
  };
  const plan = new Plan(compilation, stages);
  const state = plan.target(request.target);
  const every = request.allStages === true && request.target === '';
  const needed = await resolveBases(compilation, plan, () => (every ? plan.states : [state]));
  const breather = new Breather();
  for (const stage of plan.states) if (needed.has(stage) && !stage.dispatched) await compileStage(compilation, stage, breather);
  return { compilation, plan, target: state };
}

function contextTree(context: BuildContext, paths: ReadonlySet<string>, excludes: string, platform: Platform): NodeOutput | undefined {
  switch (context.kind) {
    case 'local':
      return localSource(context, paths, '[internal] load build context', excludes);
    case 'graph':
      return context.output === undefined ? undefined : { foreign: context.output };
    case 'image':
      return sourceTree(`docker-image://${context.reference}`, {}, '[internal] load build context', platform);
    case 'layout':
      return sourceTree(`oci-layout://${context.reference}`, {}, '[internal] load build context', platform);
    default:
      return sourceTree(context.identifier, context.attributes, '[internal] load build context', undefined);
  }
}

/** ARGs before the first FROM; one sees those before it. */
function withGlobalArgs(source: Source, predefined: ReadonlyMap<string, string>, buildArgs: Readonly<Record<string, string>>): Map<string, string> {
  const values = new Map(predefined);
  for (const { args, range } of source.globalArgs) {
    for (const { key, value } of args) {
      const given = Object.hasOwn(buildArgs, key) ? buildArgs[key] : undefined;
      const chosen = given ?? (value === undefined ? undefined : onLines([range], () => expand(value, values, { escape: source.file.escape }).text));
      if (chosen !== undefined) values.set(key, chosen);
    }
  }
  return values;
}

/** Lint: names of bases that are none unless a `--build-arg` makes them one. */
function lintDefaultBases(source: Source, predefined: ReadonlyMap<string, string>): void {
  try {
    const values = withGlobalArgs(source, predefined, {});
    for (const { from } of source.stages) {
      const { text, matched, unmatched } = expand(from.base, values, { escape: source.file.escape });
      if (matched.size + unmatched.size > 0 && !isReference(text)) source.lint.report('InvalidDefaultArgInFrom', from.range, from.base);
    }
  } catch {
    // The compilation itself says what is wrong.
  }
}

function isReference(text: string): boolean {
  try {
    parseReference(text);
    return true;
  } catch {
    return false;
  }
}

function readEpoch(text: string): number | undefined {
  if (text === '') return undefined;
  if (!/^-?\d{1,15}$/.test(text)) throw invalid(`invalid SOURCE_DATE_EPOCH: ${text}: strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  const epoch = Number(text);
  if (Number.isNaN(new Date(epoch * 1000).getTime())) throw invalid(`invalid SOURCE_DATE_EPOCH: ${text}`);
  return epoch;
}

async function platformResult(compilation: Compilation, plan: Plan, state: StageState, marshaller: Marshaller): Promise<PlatformResult> {
  const { request, target } = compilation;
  const { config } = state;
  const labels = Object.entries(request.labels);
  if (labels.length > 0) config.config.Labels = { ...config.config.Labels, ...Object.fromEntries(labels) };
  if (!compilation.implicitTarget) {
    const same = config.os === target.os && config.architecture === target.architecture;
    Object.assign(config, { os: target.os, architecture: target.architecture });
    if (target.variant !== undefined) config.variant = target.variant;
    else if (!same) delete config.variant;
  }
  const steps: FrontendStep[] = [];
  const breather = new Breather();
  for (const { text, output } of compilation.request.allStages === true ? [] : plan.states.flatMap((stage) => stage.steps)) {
    steps.push({ text, output: marshaller.output(output) });
    await breather.pause();
  }
  return { platform: state.platform ?? target, output: marshaller.output(state.tree), config, base: state.baseConfig, steps };
}
