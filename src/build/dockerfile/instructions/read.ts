import { EngineError, invalid } from '#base/errors.ts';
import { located, refusal, withSuggestion } from '../failure.ts';
import { chomped, heredocMark } from '../parser/heredoc.ts';
import type { Line } from '../parser/line.ts';
import { readFlags } from './flags.ts';
import { readHealthcheck } from './healthcheck.ts';
import type { ArgDefinition, Command, From, InlineFile, Instruction, Pair, Place, Run, Stage, Transfer } from './instruction.ts';
import { checkMountFlag } from './mount.ts';

export const instructionNames = [
  'ADD', 'ARG', 'CMD', 'COPY', 'ENTRYPOINT', 'ENV', 'EXPOSE', 'FROM', 'HEALTHCHECK', 'LABEL', 'MAINTAINER', 'ONBUILD', 'RUN', 'SHELL', 'STOPSIGNAL', 'USER', 'VOLUME', 'WORKDIR',
] as const;

/** Stages and the ARGs before them. Throws `dockerfile parse error on line N: ...`, lines attached. */
export function readStages(lines: readonly Line[]): { stages: Stage[]; globalArgs: Extract<Instruction, { kind: 'arg' }>[] } {
  const globalArgs: Extract<Instruction, { kind: 'arg' }>[] = [];
  const stages: (Stage & { commands: Command[] })[] = [];
  for (const line of lines) {
    const instruction = readOnLine(line);
    const stage = stages.at(-1);
    if (instruction.kind === 'from') stages.push({ from: instruction, commands: [] });
    else if (stage !== undefined) stage.commands.push(instruction);
    else if (instruction.kind === 'arg') globalArgs.push(instruction);
    else throw refusal('no build stage in current context', [line.range]);
  }
  return { stages, globalArgs };
}

function readOnLine(line: Line): Instruction {
  try {
    return readInstruction(line);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    throw located(invalid(`dockerfile parse error on line ${line.range.start}: ${error.message}`, { cause: error }), [line.range]);
  }
}

/** Understands one instruction. Throws invalid_argument in BuildKit's words. */
export function readInstruction(line: Line): Instruction {
  const { args, json } = line;
  const place: Place = { keyword: line.keyword, original: line.original, range: line.range, comments: line.comments };
  const name = line.keyword.toUpperCase();
  const plainFlags = (): unknown => readFlags(line.flags);
  const shell = !json;
  switch (name) {
    case 'FROM':
      return readFrom(line, place);
    case 'ADD':
    case 'COPY':
      return readTransfer(line, place, name === 'ADD' ? 'add' : 'copy');
    case 'RUN':
      return readRun(line, place);
    case 'ENV':
    case 'LABEL':
      plainFlags();
      return { ...place, kind: name === 'ENV' ? 'env' : 'label', pairs: readPairs(args, name) };
    case 'ARG':
      plainFlags();
      return { ...place, kind: 'arg', args: readArgs(args) };
    case 'CMD':
    case 'ENTRYPOINT':
      plainFlags();
      return { ...place, kind: name === 'CMD' ? 'cmd' : 'entrypoint', args, shell };
    case 'WORKDIR':
      return { ...place, kind: 'workdir', path: single(line, name) };
    case 'USER':
      return { ...place, kind: 'user', user: single(line, name) };
    case 'STOPSIGNAL':
      return { ...place, kind: 'stopsignal', signal: single(line, name) };
    case 'MAINTAINER':
      return { ...place, kind: 'maintainer', maintainer: single(line, name) };
    case 'EXPOSE':
      atLeastOne(args, name);
      plainFlags();
      return { ...place, kind: 'expose', ports: args.toSorted() };
    case 'VOLUME':
      return { ...place, kind: 'volume', volumes: readVolumes(line) };
    case 'SHELL':
      plainFlags();
      atLeastOne(args, name);
      if (!json) throw invalid('SHELL requires the arguments to be in JSON form');
      return { ...place, kind: 'shell', shell: args };
    case 'HEALTHCHECK':
      atLeastOne(args, name);
      return { ...place, kind: 'healthcheck', health: readHealthcheck(args, json, line.flags) };
    case 'ONBUILD':
      return { ...place, kind: 'onbuild', expression: readTrigger(line) };
    default:
      throw invalid(withSuggestion(`unknown instruction: ${line.keyword}`, line.keyword, instructionNames, false));
  }
}

function atLeastOne(args: readonly string[], name: string): void {
  if (args.length === 0) throw invalid(`${name} requires at least one argument`);
}

function single(line: Line, name: string): string {
  const [value] = line.args;
  if (value === undefined || line.args.length !== 1) throw invalid(`${name} requires exactly one argument`);
  readFlags(line.flags);
  return value;
}

function readPairs(args: readonly string[], name: string): Pair[] {
  atLeastOne(args, name);
  const pairs: Pair[] = [];
  for (let index = 0; index < args.length; index += 3) {
    const key = args[index] ?? '';
    if (key === '') throw invalid(`${name} names can not be blank`);
    pairs.push({ key, value: args[index + 1] ?? '', legacy: args[index + 2] === '' });
  }
  return pairs;
}

function readArgs(args: readonly string[]): ArgDefinition[] {
  atLeastOne(args, 'ARG');
  return args.map((arg) => {
    const equals = arg.indexOf('=');
    if (equals === 0) throw invalid('ARG names can not be blank');
    return equals < 0 ? { key: arg, value: undefined } : { key: arg.slice(0, equals), value: arg.slice(equals + 1) };
  });
}

function readVolumes(line: Line): string[] {
  atLeastOne(line.args, 'VOLUME');
  readFlags(line.flags);
  return line.args.map((volume) => {
    const path = volume.trim();
    if (path === '') throw invalid('VOLUME specified can not be an empty string');
    return path;
  });
}

function readFrom(line: Line, place: Place): From {
  const [base, as, name] = line.args;
  const named = line.args.length === 3 && as?.toLowerCase() === 'as';
  if (base === undefined || !(named || line.args.length === 1)) throw invalid('FROM requires either one or three arguments');
  if (named && !/^[a-z][a-z0-9\-_.]*$/.test(name?.toLowerCase() ?? '')) {
    throw invalid(`invalid name for build stage: ${JSON.stringify(name)}, name can't start with a number or contain symbols`);
  }
  const flags = readFlags(line.flags, { platform: 'text' });
  return { ...place, kind: 'from', base, name: named ? name : undefined, asKeyword: named ? (as ?? '') : '', platform: flags.text('platform') };
}

const shared = { chown: 'text', chmod: 'text', link: 'switch', exclude: 'list' } as const;
const addFlags = { ...shared, 'keep-git-dir': 'switch', checksum: 'text', unpack: 'switch' } as const;
const copyFlags = { ...shared, from: 'text', parents: 'switch' } as const;

function readTransfer(line: Line, place: Place, kind: 'add' | 'copy'): Transfer {
  const name = kind.toUpperCase();
  const destination = line.args.at(-1);
  if (destination === undefined || line.args.length < 2) {
    throw invalid(`${name} requires at least two arguments, but only one was provided. Destination could not be determined`);
  }
  const flags = readFlags(line.flags, kind === 'add' ? addFlags : copyFlags);
  if (heredocMark(destination) !== undefined) throw invalid(`${name} cannot accept a heredoc as a destination`);
  const sources: string[] = [];
  const files: InlineFile[] = [];
  for (const source of line.args.slice(0, -1)) {
    const mark = line.json ? undefined : heredocMark(source);
    if (mark === undefined) {
      sources.push(source);
      continue;
    }
    const content = line.heredocs.findLast((heredoc) => heredoc.name === mark.name)?.content ?? '';
    files.push({ name: mark.name, data: mark.chomp ? chomped(content) : content, expand: mark.expand });
  }
  return {
    ...place, kind, sources, files, destination,
    from: kind === 'copy' ? flags.text('from') : undefined,
    chown: flags.text('chown') ?? '',
    chmod: flags.text('chmod') ?? '',
    link: flags.on('link') ?? false,
    parents: flags.on('parents') ?? false,
    excludes: flags.list('exclude'),
    checksum: flags.text('checksum') ?? '',
    keepGitDir: flags.on('keep-git-dir'),
    unpack: flags.on('unpack'),
  };
}

function readRun(line: Line, place: Place): Run {
  const flags = readFlags(line.flags, { mount: 'list', network: 'text', security: 'text', device: 'list' });
  const mounts = flags.list('mount');
  for (const mount of mounts) checkMountFlag(mount);
  const network = flags.text('network') ?? 'default';
  if (network !== 'default' && network !== 'none' && network !== 'host') throw invalid(`invalid network mode ${JSON.stringify(network)}`);
  const security = flags.text('security') ?? 'sandbox';
  if (security !== 'sandbox' && security !== 'insecure') throw invalid(`security ${JSON.stringify(security)} is not valid`);
  const files = line.heredocs.map(({ name, content, chomp }) => ({ name, data: content, chomp }));
  return { ...place, kind: 'run', args: line.args, shell: !line.json, files, mounts, network, security, devices: flags.list('device') };
}

function readTrigger(line: Line): string {
  atLeastOne(line.inner === undefined ? [] : [''], 'ONBUILD');
  readFlags(line.flags);
  const trigger = line.inner?.keyword.toUpperCase() ?? '';
  if (trigger === 'ONBUILD') throw invalid("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
  if (trigger === 'MAINTAINER' || trigger === 'FROM') throw invalid(`${trigger} isn't allowed as an ONBUILD trigger`);
  const text = line.original.replace(/^\s*ONBUILD\s*/i, '');
  return line.heredocs.reduce((all, heredoc) => `${all}\n${heredoc.content}${heredoc.name}`, text);
}
