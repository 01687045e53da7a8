import { onLines } from '../failure.ts';
import type { Command } from '../instructions/instruction.ts';
import type { Breather } from './breather.ts';
import { compileExpose } from './expose.ts';
import type { Compilation } from './request.ts';
import { compileRun } from './run.ts';
import {
  compileArg, compileCommand, compileEnv, compileHealthcheck, compileMaintainer, compileShell, compileStopSignal, compileUser, compileVolume, compileWorkdir, enterDirectory,
} from './settings.ts';
import { DEFAULT_PATH } from './stage-state.ts';
import type { StageState } from './stage-state.ts';
import { Step } from './step.ts';
import { compileTransfer } from './transfer.ts';

/** Compiles a stage whose base and sources are compiled already. */
export async function compileStage(compilation: Compilation, state: StageState, breather: Breather): Promise<void> {
  state.inherit();
  state.dispatched = true;
  state.platform ??= compilation.target;
  const { config } = state.config;
  const env = config.Env ?? [];
  if (!env.some((entry) => entry.startsWith('PATH='))) config.Env = [...env, `PATH=${DEFAULT_PATH}`];
  state.env = new Map(state.base?.env);
  for (const entry of config.Env ?? []) {
    const equals = entry.indexOf('=');
    state.env.set(equals < 0 ? entry : entry.slice(0, equals), equals < 0 ? '' : entry.slice(equals + 1));
  }
  if (config.WorkingDir !== undefined && config.WorkingDir !== '') enterDirectory(state, config.WorkingDir);
  state.steps.push({ text: state.from.original, output: state.tree });
  for (const planned of state.commands) {
    const step = new Step(compilation, state, planned);
    onLines([planned.command.range], () => compileInstruction(step));
    state.steps.push({ text: planned.command.original, output: state.tree });
    await breather.pause();
  }
}

function compileInstruction(step: Step): void {
  const { command } = step;
  const as = <C extends Command>(own: C): Step<C> => new Step(step.compilation, step.state, { command: own, sources: step.sources, onBuild: step.onBuild });
  switch (command.kind) {
    case 'run':
      return compileRun(as(command));
    case 'add':
    case 'copy':
      return compileTransfer(as(command));
    case 'env':
    case 'label':
      return compileEnv(as(command));
    case 'arg':
      return compileArg(as(command));
    case 'cmd':
    case 'entrypoint':
      return compileCommand(as(command));
    case 'workdir':
      return compileWorkdir(as(command));
    case 'user':
      return compileUser(as(command));
    case 'volume':
      return compileVolume(as(command));
    case 'expose':
      return compileExpose(as(command));
    case 'healthcheck':
      return compileHealthcheck(as(command));
    case 'shell':
      return compileShell(as(command));
    case 'stopsignal':
      return compileStopSignal(as(command));
    case 'maintainer':
      return compileMaintainer(as(command));
    default:
      (step.state.config.config.OnBuild ??= []).push(command.expression);
      return undefined;
  }
}
