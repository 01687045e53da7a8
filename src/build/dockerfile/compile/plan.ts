import { invalid, wrap } from '#base/errors.ts';
import type { LineRange } from '../../frontend.ts';
import { located, nearest, onLines, refusal, withSuggestion } from '../failure.ts';
import { expand } from '#spec/expand/lexer.ts';
import { readInstruction } from '../instructions/read.ts';
import type { Command, From, Stage } from '../instructions/instruction.ts';
import { mountFrom, csvFields } from '../instructions/mount.ts';
import { parseDockerfile } from '../parser/parse.ts';
import { parseFromPlatform } from './platform.ts';
import type { Compilation } from './request.ts';
import { StageState } from './stage-state.ts';
import type { PlannedCommand } from './stage-state.ts';

const MOST_STATES = 2000;

/** The stages of a file, which of them use which, and the images they need besides. */
export class Plan {
  readonly states: StageState[] = [];
  readonly #byName = new Map<string, StageState>();
  readonly #compilation: Compilation;

  constructor(compilation: Compilation, stages: readonly Stage[]) {
    this.#compilation = compilation;
    for (const [index, stage] of stages.entries()) this.#addStage(stage, index);
    const declared = [...this.states];
    for (const [index, state] of declared.entries()) {
      state.commands = (stages[index]?.commands ?? []).map((command) => this.#planned(state, command, false));
    }
    this.#refuseCycles();
    if (this.states.length === 1 && this.states[0] !== undefined) this.states[0].title = '';
  }

  get names(): string[] {
    return this.states.map(({ title }) => title).filter((title) => title !== '');
  }

  /** By name, in any casing. */
  target(name: string): StageState {
    const state = name === '' ? this.states.findLast(({ unregistered }) => !unregistered) : this.#byName.get(name.toLowerCase());
    if (state !== undefined) return state;
    throw invalid(withSuggestion(`target stage ${JSON.stringify(name)} could not be found`, name, this.names));
  }

  /** Stages and all that they need. */
  reachable(from: readonly StageState[]): Set<StageState> {
    const found = new Set<StageState>();
    const pending = [...from];
    for (let state = pending.pop(); state !== undefined; state = pending.pop()) {
      if (found.has(state)) continue;
      found.add(state);
      if (state.base !== undefined) pending.push(state.base);
      pending.push(...state.dependencies.keys());
    }
    return found;
  }

  /** Puts ONBUILD triggers before a stage's own instructions; true when they bring stages or images with them. */
  addTriggers(state: StageState, triggers: readonly string[]): boolean {
    const { range } = state.from;
    const added = onLines([range], () => triggers.map((trigger): PlannedCommand => {
      const [line, more] = parseDockerfile(trigger).lines;
      if (line === undefined || more !== undefined) throw invalid('onbuild trigger should be a single expression');
      const command = readInstruction({ ...line, range });
      if (command.kind === 'from') throw invalid("FROM isn't allowed as an ONBUILD trigger");
      return this.#planned(state, command, true);
    }));
    state.commands = [...added, ...state.commands];
    state.stepTotal += added.filter(({ command }) => makesStep(command)).length;
    return added.some(({ sources }) => sources.length > 0);
  }

  #addStage(stage: Stage, index: number): void {
    const { from } = stage;
    const { request, target } = this.#compilation;
    const state = new StageState(from, { title: from.name?.toLowerCase() ?? `stage-${index}`, unregistered: false, platform: target });
    onLines([from.range], () => {
      state.baseName = this.#baseName(from);
      if (from.platform !== undefined) state.platform = this.#platform(from, from.platform);
    });
    state.ignoreCache = request.noCache || request.noCacheFilter.some((name) => name.toLowerCase() === state.title.toLowerCase());
    this.#register(state);
    const steps = stage.commands.filter(makesStep).length;
    state.stepTotal = steps + (state.baseName === 'scratch' || state.base !== undefined ? 0 : 1);
  }

  #baseName(from: From): string {
    const { globals, escape, lint } = this.#compilation;
    const result = expand(from.base, globals, { escape });
    reportUndefined(result.unmatched, globals, (name, match) => lint.report('UndefinedArgInFrom', from.range, name, match));
    if (result.text === '') throw invalid(`base name (${from.base}) should not be blank`);
    return result.text;
  }

  #platform(from: From, written: string): StageState['platform'] {
    const { globals, escape, lint, request } = this.#compilation;
    const result = expand(written, globals, { escape });
    reportUndefined(result.unmatched, globals, (name, match) => lint.report('UndefinedArgInFrom', from.range, name, match));
    if (result.matched.size === 1 && result.unmatched.size === 0 && result.matched.has('TARGETPLATFORM') && result.text === globals.get('TARGETPLATFORM')) {
      lint.report('RedundantTargetPlatform', from.range, written);
    }
    if (result.text === '') {
      const [name] = result.unmatched;
      const message = `empty platform value from expression ${written}`;
      throw invalid(name === undefined ? message : withSuggestion(message, name, [...globals.keys()]));
    }
    let platform;
    try {
      platform = parseFromPlatform(result.text, request.buildPlatform);
    } catch (error) {
      throw wrap(error, `failed to parse platform ${written}`);
    }
    const constant = result.matched.size === 0 && result.unmatched.size === 0;
    const name = from.name?.toLowerCase() ?? '';
    if (constant && !name.includes(platform.os) && !name.includes(platform.architecture)) {
      lint.report('FromPlatformFlagConstDisallowed', from.range, result.text);
    }
    return platform;
  }

  #register(state: StageState): void {
    this.#count(state);
    const named = !state.unregistered && state.from.name !== undefined && this.#compilation.request.namedContexts.has(state.from.name);
    if (!named) state.base = this.#byName.get(state.baseName.toLowerCase());
    if (state.from.name !== undefined && !state.unregistered) this.#byName.set(state.from.name.toLowerCase(), state);
  }

  #count(state: StageState): void {
    if (this.states.push(state) > MOST_STATES) throw refusal(`the Dockerfile has more than ${MOST_STATES} stages and images`, [state.from.range]);
  }

  #planned(state: StageState, command: Command, onBuild: boolean): PlannedCommand {
    const sources: (StageState | undefined)[] = [];
    if (command.kind === 'copy' && command.from !== undefined && command.from !== '') {
      const { from } = command;
      if (expand(from, new Map(), { escape: this.#compilation.escape }).text !== from) {
        throw refusal('variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope as a workaround', [command.range]);
      }
      sources.push(this.#source(from, command.range, true));
    } else if (command.kind === 'run') {
      for (const mount of command.mounts) sources.push(this.#mountSource(mount, command.range));
    }
    for (const source of sources) if (source !== undefined && !state.dependencies.has(source)) state.dependencies.set(source, command.range);
    return { command, sources, onBuild };
  }

  #mountSource(mount: string, range: LineRange): StageState | undefined {
    const from = mountFrom(mount);
    const tmpfs = csvFields(mount).some((field) => /^type=tmpfs$/i.test(field));
    const cache = csvFields(mount).some((field) => /^type=cache$/i.test(field));
    if (tmpfs || (from === '' && !cache)) return undefined;
    return from === '' || from === 'scratch' ? undefined : this.#source(from, range, false);
  }

  #source(name: string, range: LineRange, numbers: boolean): StageState {
    const named = this.#byName.get(name.toLowerCase());
    if (numbers && /^[+-]?\d+$/.test(name)) {
      const state = this.states[Number(name)];
      if (state === undefined) throw refusal(`invalid stage index ${Number(name)}`, [range]);
      return state;
    }
    if (named !== undefined) return named;
    const known = this.states.find((state) => state.unregistered && state.baseName === name);
    if (known !== undefined) return known;
    const from: From = { kind: 'from', keyword: 'FROM', original: `FROM ${name}`, range, comments: [], base: name, name: undefined, asKeyword: '', platform: undefined };
    const state = new StageState(from, { title: '', unregistered: true, platform: this.#compilation.target });
    this.#count(state);
    return state;
  }

  #refuseCycles(): void {
    const done = new Set<StageState>();
    for (const first of this.states) {
      const path: { state: StageState; rest: StageState[] }[] = [];
      const enter = (state: StageState): void => {
        path.push({ state, rest: [...state.dependencies.keys()] });
      };
      if (!done.has(first)) enter(first);
      for (let last = path.at(-1); last !== undefined; last = path.at(-1)) {
        const next = last.rest.pop();
        if (next === undefined) {
          done.add(last.state);
          path.pop();
        } else if (path.some(({ state }) => state === next)) {
          const ranges = path.map(({ state }, index) => state.dependencies.get(path[index + 1]?.state ?? next)).filter((range) => range !== undefined);
          throw located(invalid(`circular dependency detected on stage: ${next.title}`), ranges);
        } else if (!done.has(next)) enter(next);
      }
    }
  }
}

/** Instructions that progress counts as steps. */
function makesStep(command: Command): boolean {
  return command.kind === 'run' || command.kind === 'copy' || command.kind === 'add' || command.kind === 'workdir';
}

function reportUndefined(unmatched: ReadonlySet<string>, known: ReadonlyMap<string, string>, report: (name: string, match: string) => void): void {
  for (const name of unmatched) if (!known.has(name)) report(name, nearest(name, [...known.keys()]) ?? '');
}
