import { posix } from 'node:path';
import { invalid } from '#base/errors.ts';
import { formatGoDuration } from '../instructions/duration.ts';
import type { Instruction, Of } from '../instructions/instruction.ts';
import { goList, goQuotedList } from './go-format.ts';
import { parseOwner } from './owner.ts';
import { isSecretName } from './secret-names.ts';
import { isSignal } from './signals.ts';
import type { StageState } from './stage-state.ts';
import type { Step } from './step.ts';
import { withShell } from './run.ts';

/** Instructions that change the configuration, and what later ones see, but no file (WORKDIR makes its folder). */

export function compileEnv(step: Step<Of<'env' | 'label'>>): void {
  const { command, state, compilation } = step;
  const name = command.keyword;
  const pairs = command.pairs.map((pair) => ({ ...pair, key: step.word(pair.key), value: step.word(pair.value) }));
  const { config } = state.config;
  for (const { key, value, legacy } of pairs) {
    if (legacy) compilation.lint.report('LegacyKeyValueFormat', step.range, name);
    if (command.kind === 'label') (config.Labels ??= {})[key] = value;
    else {
      if (isSecretName(key)) compilation.lint.report('SecretsUsedInArgOrEnv', step.range, 'ENV', key);
      state.env.set(key, value);
      config.Env = withVariable(config.Env ?? [], key, value);
    }
  }
  step.commit([command.kind.toUpperCase(), ...pairs.map(({ key, value }) => `${key}=${value}`)].join(' '));
}

export function withVariable(env: readonly string[], key: string, value: string): string[] {
  const index = env.findIndex((entry) => entry === key || entry.startsWith(`${key}=`));
  return index < 0 ? [...env, `${key}=${value}`] : env.with(index, `${key}=${value}`);
}

export function compileArg(step: Step<Of<'arg'>>): void {
  const { command, state, compilation } = step;
  const { request, globals, lint } = compilation;
  const shown = command.args.map((written) => {
    const key = step.word(written.key);
    if (isSecretName(key)) lint.report('SecretsUsedInArgOrEnv', step.range, 'ARG', key);
    let value = Object.hasOwn(request.buildArgs, key) ? request.buildArgs[key] : undefined;
    if (value === undefined) value = written.value === undefined ? globals.get(key) : step.word(written.value);
    if (value !== undefined && !/^BUILDKIT_SBOM_SCAN_(?:CONTEXT|STAGE)$/.test(key)) state.env.set(key, value);
    state.buildArgs.push({ key, value });
    return value === undefined ? key : `${key}=${value}`;
  });
  step.commit(`ARG ${shown.join(' ')}`);
}

export function compileCommand(step: Step<Of<'cmd' | 'entrypoint'>>): void {
  const { command, state, compilation } = step;
  usedOnce(step);
  const { config } = state.config;
  if (command.shell && (config.Shell ?? []).length === 0) compilation.lint.report('JSONArgsRecommended', step.range, command.keyword);
  const args = command.shell ? withShell(state, command.args) : [...command.args];
  if (command.kind === 'cmd') {
    config.Cmd = args;
    config.ArgsEscaped = true;
  } else {
    config.Entrypoint = args;
    // The base's CMD was meant for the base's entrypoint.
    if (!state.seen.has('cmd')) delete config.Cmd;
  }
  step.commit(`${command.kind.toUpperCase()} ${goQuotedList(args)}`);
}

export function compileHealthcheck(step: Step<Of<'healthcheck'>>): void {
  usedOnce(step);
  const { health } = step.command;
  const { Test, Interval, Timeout, StartPeriod, StartInterval, Retries } = health;
  const given = Object.entries({ Interval, Timeout, StartPeriod, StartInterval, Retries }).filter(([, value]) => value !== 0);
  step.state.config.config.Healthcheck = { Test, ...Object.fromEntries(given) };
  const duration = formatGoDuration;
  step.commit(`HEALTHCHECK {Test:${goList(Test)} Interval:${duration(Interval)} Timeout:${duration(Timeout)} StartPeriod:${duration(StartPeriod)} StartInterval:${duration(StartInterval)} Retries:${Retries}}`);
}

function usedOnce(step: Step<Of<'cmd' | 'entrypoint' | 'healthcheck'>>): void {
  const { seen } = step.state;
  const before = seen.get(step.command.kind);
  if (before !== undefined) step.compilation.lint.report('MultipleInstructionsDisallowed', before, step.command.keyword);
  seen.set(step.command.kind, step.range);
}

export function compileUser(step: Step<Of<'user'>>): void {
  const user = step.word(step.command.user);
  step.state.config.config.User = user;
  step.commit(`USER ${user}`);
}

export function compileVolume(step: Step<Of<'volume'>>): void {
  const volumes = step.command.volumes.map(step.word);
  if (volumes.includes('')) throw invalid('VOLUME specified can not be an empty string');
  for (const volume of volumes) (step.state.config.config.Volumes ??= {})[volume] = {};
  step.commit(`VOLUME ${goList(volumes)}`);
}

export function compileStopSignal(step: Step<Of<'stopsignal'>>): void {
  const signal = step.word(step.command.signal);
  if (!isSignal(signal)) throw invalid(`invalid signal: ${signal}`);
  step.state.config.config.StopSignal = signal;
  step.commit(`STOPSIGNAL ${signal}`);
}

export function compileShell(step: Step<Of<'shell'>>): void {
  step.state.config.config.Shell = [...step.command.shell];
  step.commit(`SHELL ${goList(step.command.shell)}`);
}

export function compileMaintainer(step: Step<Extract<Instruction, { kind: 'maintainer' }>>): void {
  step.compilation.lint.report('MaintainerDeprecated', step.range);
  step.state.config.author = step.command.maintainer;
  step.commit(`MAINTAINER ${step.command.maintainer}`);
}

/** WORKDIR: the folder is made (the user's own where USER came before), and later instructions are relative to it. */
export function compileWorkdir(step: Step<Of<'workdir'>>): void {
  const { state, compilation } = step;
  const written = step.word(step.command.path);
  if (!state.workdirSet && !posix.isAbsolute(written)) compilation.lint.report('WorkdirRelativePath', step.range, written);
  state.workdirSet = true;
  enterDirectory(state, written);
  const path = state.directory;
  if (path === '/') {
    step.commit('WORKDIR /');
    return;
  }
  const meta = step.meta(step.command.original);
  const owner = parseOwner(state.config.config.User ?? '', state.tree === undefined ? -1 : 0);
  state.tree = {
    node: {
      inputs: state.tree === undefined ? [] : [state.tree], platform: state.platform, meta,
      op: { kind: 'file', actions: [{ action: 'mkdir', input: state.tree === undefined ? -1 : 0, output: 0, path, mode: 0o755, makeParents: true, owner, timestamp: step.timestamp }] },
    },
    index: 0,
  };
  step.commit(`WORKDIR ${path}`, true);
}

/** Resolves a working directory against the one before. */
export function enterDirectory(state: StageState, path: string): void {
  const joined = posix.join('/', posix.isAbsolute(path) ? path : posix.join(state.config.config.WorkingDir ?? '/', path));
  state.directory = joined.replace(/(.)\/+$/, '$1');
  state.config.config.WorkingDir = state.directory;
}
