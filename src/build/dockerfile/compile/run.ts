import { posix } from 'node:path';
import { EngineError, invalid } from '#base/errors.ts';
import type { ExecMeta, ExecOp } from '../../graph/vertex.ts';
import type { Of } from '../instructions/instruction.ts';
import { chomped, heredocMark } from '../parser/heredoc.ts';
import { runText } from './history.ts';
import { compileMounts } from './mounts.ts';
import { Inputs } from './node.ts';
import type { NodeOutput } from './node.ts';
import type { Compilation } from './request.ts';
import type { StageState } from './stage-state.ts';
import type { Step } from './step.ts';

/** RUN: one execution on the stage's tree, which its first output replaces. */
export function compileRun(step: Step<Of<'run'>>): void {
  const { state, command, compilation } = step;
  const { request } = compilation;
  if (command.devices.length > 0) throw new EngineError('not_implemented', 'RUN --device is not supported: builds get no devices of the host');
  const inputs = new Inputs();
  const root = inputs.number(state.tree);
  const inline = inlineScript(step);
  const args = command.shell ? withShell(state, inline.args) : inline.args;
  const { mounts, secretEnv, sshSocket } = compileMounts(step, inputs);
  if (inline.script !== undefined) {
    mounts.push({ type: 'bind', destination: '/dev/pipes', input: inputs.number(inline.script), selector: '/', output: -1, readOnly: true });
  }
  if (request.shmSize > 0) mounts.push({ type: 'tmpfs', destination: '/dev/shm', input: -1, selector: '', output: -1, readOnly: false, size: request.shmSize });
  mounts.sort((a, b) => (a.destination < b.destination ? -1 : a.destination > b.destination ? 1 : 0));
  const env = new Map(state.env);
  if (sshSocket !== undefined && !env.has('SSH_AUTH_SOCK')) env.set('SSH_AUTH_SOCK', sshSocket);
  const op: ExecOp = {
    kind: 'exec',
    meta: execMeta(compilation, state, args, env),
    mounts: [{ type: 'bind', destination: '/', input: root, selector: '', output: 0, readOnly: false }, ...mounts],
    network: command.network === 'default' ? request.networkMode : command.network,
    security: command.security,
    secretEnv,
  };
  compilation.budget.spend(op.meta.env.reduce((sum, entry) => sum + entry.length, 0));
  const hidden = secretEnv.map(({ name }) => name);
  const meta = step.meta(command.original + inline.summary, { keepQuotes: true, hidden });
  state.tree = { node: { inputs: inputs.list, op, platform: state.platform, meta }, index: 0 };
  step.commit(`RUN ${runText(state, args)} # buildkit`, true);
}

function execMeta({ request }: Compilation, state: StageState, args: readonly string[], env: ReadonlyMap<string, string>): ExecMeta {
  return {
    args,
    env: [...env].map(([key, value]) => `${key}=${value}`),
    cwd: state.directory,
    user: state.config.config.User ?? '',
    hostname: request.hostname,
    extraHosts: request.addHosts,
    ulimits: request.ulimits,
    cgroupParent: request.cgroupParent,
    validExitCodes: [],
    proxy: proxies(request.buildArgs),
  };
}

/** `--build-arg http_proxy=...` and its kin reach every step without being declared, under both spellings. */
function proxies(buildArgs: Readonly<Record<string, string>>): Record<string, string> | undefined {
  const found: Record<string, string> = {};
  for (const key of Object.keys(buildArgs).toSorted()) {
    if (!/^(?:https?|ftp|no|all)_proxy$/i.test(key)) continue;
    found[key.toUpperCase()] = buildArgs[key] ?? '';
    found[key.toLowerCase()] = buildArgs[key] ?? '';
  }
  return Object.keys(found).length === 0 ? undefined : found;
}

export function withShell(state: StageState, args: readonly string[]): string[] {
  const shell = state.config.config.Shell ?? [];
  return [...(shell.length > 0 ? shell : ['/bin/sh', '-c']), args.join(' ')];
}

interface Inline {
  readonly args: readonly string[];
  /** A tree that holds a script with an interpreter line of its own. */
  readonly script: NodeOutput | undefined;
  /** What progress adds to the instruction's first line. */
  readonly summary: string;
}

/** `RUN <<EOF`: the text is the command, or a program where it begins with `#!`; other uses of `<<` are the shell's. */
function inlineScript(step: Step<Of<'run'>>): Inline {
  const { command, state } = step;
  const [file] = command.files;
  const [line, more] = command.args;
  if (file === undefined) return { args: command.args, script: undefined, summary: '' };
  if (line === undefined || more !== undefined || !command.shell) throw invalid(`parsing produced an invalid run command: [${command.args.join(' ')}]`);
  if (heredocMark(line) === undefined) {
    const text = command.files.reduce((all, { data, name }) => `${all}\n${data}${name}`, line);
    return { args: [text], script: undefined, summary: '' };
  }
  const data = file.chomp ? chomped(file.data) : file.data;
  const lines = file.data.trim().split(/\r?\n/);
  const summary = ` (${lines[0] ?? ''}${lines.length > 1 ? '...' : ''})`;
  if (!data.startsWith('#!')) return { args: [data], script: undefined, summary };
  const script: NodeOutput = {
    node: {
      inputs: [], platform: state.platform, meta: { name: '[internal] preparing inline document', ignoreCache: false, ranges: [] },
      op: { kind: 'file', actions: [{ action: 'mkfile', input: -1, output: 0, path: posix.join('/', file.name), mode: 0o755, data: Buffer.from(data).toString('base64'), owner: undefined, timestamp: step.timestamp }] },
    },
    index: 0,
  };
  return { args: [posix.join('/dev/pipes', file.name)], script, summary };
}

