import { EngineError, wrap } from '#base/errors.ts';
import { normalize, renderPlatform } from '#image/platform.ts';
import type { ImageConfigFile, Platform } from '#spec/oci-image.ts';
import { familiarString, fullName, parseReference, withDefaultTag } from '#spec/reference.ts';
import type { BuildContext } from '../../frontend.ts';
import { located, withSuggestion } from '../failure.ts';
import { formatIdentifier, localSource } from './sources.ts';
import type { NodeOutput } from './node.ts';
import type { Plan } from './plan.ts';
import type { Compilation } from './request.ts';
import { emptyConfig } from './stage-state.ts';
import type { MutableConfig, StageState } from './stage-state.ts';

/** Looks up what the stages that are needed begin with, side by side, and reads the triggers that this brings until no new stage comes. */
export async function resolveBases(compilation: Compilation, plan: Plan, wanted: () => readonly StageState[]): Promise<Set<StageState>> {
  for (;;) {
    const needed = plan.reachable(wanted());
    await Promise.all(plan.states.filter((state) => needed.has(state) && state.base === undefined && !state.resolved).map((state) => resolve(compilation, plan, state)));
    let more = false;
    for (const state of plan.states) {
      if (!needed.has(state) || state.triggersRead || state.unregistered) continue;
      state.triggersRead = true;
      const own = state.config.config.OnBuild ?? [];
      const inherited = (state.base?.commands ?? []).map(({ command }) => (command.kind === 'onbuild' ? command.expression : undefined)).filter((trigger) => trigger !== undefined);
      const triggers = [...(state.base === undefined ? own : []), ...inherited];
      delete state.config.config.OnBuild;
      if (triggers.length > 0 && plan.addTriggers(state, triggers)) more = true;
    }
    if (!more) return needed;
  }
}

async function resolve(compilation: Compilation, plan: Plan, state: StageState): Promise<void> {
  state.resolved = true;
  try {
    await resolveState(compilation, plan, state);
  } catch (error) {
    throw located(error, [state.from.range]);
  }
  if (state.unregistered) state.dispatched = true;
}

async function resolveState(compilation: Compilation, plan: Plan, state: StageState): Promise<void> {
  const { target } = compilation;
  const platform = state.platform ?? target;
  const ofStage = state.unregistered || state.from.name === undefined ? undefined : contextNamed(compilation, state.from.name);
  if (ofStage !== undefined) {
    // The context stands for the whole stage: its instructions are not run.
    state.commands = [];
    state.dispatched = true;
    await useContext(compilation, state, ofStage, platform);
    return;
  }
  if (state.baseName === 'scratch') {
    state.tree = undefined;
    state.config = emptyConfig(target);
    state.platform = target;
    return;
  }
  const context = contextNamed(compilation, state.baseName) ?? contextNamed(compilation, referenceName(state.baseName));
  if (context !== undefined) {
    await useContext(compilation, state, context, platform);
    return;
  }
  let reference: string;
  try {
    const parsed = withDefaultTag(parseReference(state.baseName));
    reference = `${fullName(parsed)}${parsed.tag === undefined ? '' : `:${parsed.tag}`}${parsed.digest === undefined ? '' : `@${parsed.digest}`}`;
  } catch (error) {
    throw wrap(error, `failed to parse stage name ${JSON.stringify(state.baseName)}`);
  }
  try {
    await useImage(compilation, state, reference, 'docker-image', platform);
  } catch (error) {
    const wrapped = wrap(error, state.baseName);
    throw new EngineError(wrapped.code, withSuggestion(wrapped.message, state.baseName, [...plan.names, ...commonImages]), { cause: error, details: wrapped.details });
  }
}

const commonImages = ['alpine', 'busybox', 'centos', 'debian', 'golang', 'ubuntu', 'fedora'];

/** A named context is found as written; for images also under the complete and the short name. */
function contextNamed({ request }: Compilation, name: string): BuildContext | undefined {
  if (name === '' || /^(?:scratch|context)$/i.test(name)) return undefined;
  return request.namedContexts.get(name);
}

function referenceName(name: string): string {
  try {
    return familiarString(parseReference(name)).replace(/:latest$/, '');
  } catch {
    return '';
  }
}

async function useContext(compilation: Compilation, state: StageState, context: BuildContext, platform: Platform): Promise<void> {
  switch (context.kind) {
    case 'image':
    case 'layout':
      await useImage(compilation, state, context.reference, context.kind === 'image' ? 'docker-image' : 'oci-layout', platform);
      return;
    case 'graph':
      state.tree = context.output === undefined ? undefined : { foreign: context.output };
      adopt(state, context.config ?? emptyConfig(platform), platform);
      return;
    case 'local':
      state.tree = localSource(context, state.contextPaths, `[context ${context.name}] load from client`, '');
      adopt(state, emptyConfig(platform), platform);
      return;
    default:
      state.tree = sourceTree(context.identifier, context.attributes, `[context ${state.baseName}] load from client`, undefined);
      adopt(state, emptyConfig(platform), platform);
  }
}

export function sourceTree(identifier: string, attributes: Readonly<Record<string, string>>, name: string, platform: Platform | undefined): NodeOutput {
  return { node: { inputs: [], op: { kind: 'source', identifier, attributes }, platform, meta: { name, ignoreCache: false, ranges: [] } }, index: 0 };
}

async function useImage(compilation: Compilation, state: StageState, reference: string, scheme: 'docker-image' | 'oci-layout', wanted: Platform): Promise<void> {
  const { request, multiPlatform, lint } = compilation;
  const logName = `[${multiPlatform ? `${renderPlatform(wanted)} ` : ''}internal] load metadata for ${reference}`;
  const { digest, config } = await request.resolveImage(reference, { platform: wanted, scheme, logName });
  const platform = state.platform === undefined && compilation.implicitTarget ? detected(config, wanted) : wanted;
  const actual = normalize({ os: config.os, architecture: config.architecture, variant: config.variant });
  if (actual.os !== platform.os || actual.architecture !== platform.architecture) {
    lint.report('InvalidBaseImagePlatform', state.from.range, state.baseName, renderPlatform(normalize(platform)), renderPlatform(actual));
  }
  const layered = config.rootfs.diff_ids.length > 0 || (config.history ?? []).some((entry) => entry.empty_layer !== true);
  const pinned = digest === undefined || reference.includes('@') ? reference : `${reference}@${digest}`;
  state.platform = platform;
  if (layered) {
    const name = state.stepTotal > 0 ? state.stepName(`FROM ${pinned}`, { onBuild: false, multiPlatform }) : `FROM ${pinned}`;
    const attributes = scheme === 'docker-image' ? { 'image.resolvemode': request.resolveMode } : {};
    state.tree = {
      node: { inputs: [], op: { kind: 'source', identifier: formatIdentifier(scheme, pinned), attributes }, platform, meta: { name, ignoreCache: false, ranges: [{ file: request.fileName, ...state.from.range }] } },
      index: 0,
    };
  }
  adopt(state, config, platform);
}

function detected(config: ImageConfigFile, wanted: Platform): Platform {
  const same = config.os === wanted.os && config.architecture === wanted.architecture;
  return same || config.os === '' || config.architecture === '' ? wanted : normalize({ os: config.os, architecture: config.architecture, variant: config.variant });
}

function adopt(state: StageState, config: ImageConfigFile, platform: Platform): void {
  state.baseConfig = config;
  const { created: _created, ...rest } = structuredClone(config);
  state.config = { ...rest, config: rest.config ?? {}, history: rest.history ?? [] } satisfies MutableConfig;
  state.platform ??= platform;
}
