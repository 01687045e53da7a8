import { posix } from 'node:path';
import { invalid } from '#base/errors.ts';
import { isDigest } from '#spec/digest.ts';
import { parseGitReference } from '#spec/git-reference.ts';
import type { GitReference } from '#spec/git-reference.ts';
import type { FileAction } from '../../graph/vertex.ts';
import type { InlineFile, Transfer } from '../instructions/instruction.ts';
import { sourceTree } from './bases.ts';
import { hidingPatterns } from './hidden.ts';
import { checkMode } from './mode.ts';
import { Inputs } from './node.ts';
import type { NodeOutput } from './node.ts';
import { parseOwner } from './owner.ts';
import { destinationPath, hasWildcard, sourcePath } from './paths.ts';
import { reportIgnored } from './ignored.ts';
import type { Step } from './step.ts';

type CopyAction = Extract<FileAction, { action: 'copy' }>;

const isHttp = (source: string): boolean => /^https?:\/\//.test(source);
const gitSource = (source: string): GitReference | undefined => {
  const git = parseGitReference(source);
  return git === undefined || git.ambiguous ? undefined : git;
};

/** COPY and ADD: one file operation with an action for each source, laid on the stage's tree (merged with it for `--link`). */
export function compileTransfer(step: Step<Transfer>): void {
  const command = expanded(step);
  const { state } = step;
  checkOptions(command);
  const meta = step.meta(command.original);
  const linked = command.link && command.chmod === '';
  const actions = new ActionList(step, command, linked ? undefined : state.tree);
  for (const source of command.sources) actions.addSource(source);
  for (const file of command.files) actions.addInline(file);
  const file: NodeOutput = { node: { inputs: actions.inputs.list, op: { kind: 'file', actions: actions.list }, platform: state.platform, meta }, index: 0 };
  if (linked && state.tree !== undefined) {
    const name = meta.name.replace(/^(\[[^\]]*\] )?/, '$1LINK ');
    state.tree = { node: { inputs: [state.tree, file], op: { kind: 'merge' }, platform: state.platform, meta: { ...meta, name } }, index: 0 };
  } else state.tree = file;
  const options = [command.parents ? '--parents' : '', command.chown === '' ? '' : `--chown=${command.chown}`, command.chmod === '' ? '' : `--chmod=${command.chmod}`];
  const words = [command.kind.toUpperCase(), ...options.filter((option) => option !== ''), ...command.sources, ...command.files.map(({ name }) => `<<${name}`), command.destination];
  step.commit(`${words.join(' ')} # buildkit`, true);
}

function expanded(step: Step<Transfer>): Transfer {
  const { command, word, raw } = step;
  return {
    ...command,
    chown: word(command.chown),
    chmod: word(command.chmod),
    checksum: word(command.checksum),
    sources: command.sources.map(word),
    excludes: command.excludes.map(word),
    destination: word(command.destination),
    files: command.files.map((file) => (file.expand ? { ...file, data: raw(file.data) } : file)),
  };
}

function checkOptions(command: Transfer): void {
  if (command.chmod !== '') checkMode(command.chmod);
  if (command.checksum === '') return;
  const [source, more] = command.sources;
  if (source === undefined || more !== undefined) throw invalid("checksum can't be specified for multiple sources");
  if (!isHttp(source) && gitSource(source) === undefined) throw invalid('checksum requires HTTP(S) or Git sources');
}

class ActionList {
  readonly inputs = new Inputs();
  readonly list: CopyAction[] = [];
  readonly #step: Step<Transfer>;
  readonly #command: Transfer;
  readonly #common: Omit<CopyAction, 'input' | 'output' | 'secondary' | 'source'>;
  readonly #pending: { tree: NodeOutput | undefined; source: string; own: Partial<CopyAction> }[] = [];

  constructor(step: Step<Transfer>, command: Transfer, base: NodeOutput | undefined) {
    this.#step = step;
    this.#command = command;
    this.inputs.number(base);
    const names = /[^\d:]/.test(command.chown) ? this.inputs.number(step.state.tree) : -1;
    this.#common = {
      action: 'copy', destination: destinationPath(step.state.directory, command.destination), owner: parseOwner(command.chown, names), mode: command.chmod,
      followSymlink: false, directoryContentsOnly: false, attemptUnpack: false, alwaysReplaceExisting: false, createDestinationPath: true,
      allowWildcard: false, allowEmptyWildcard: false, includePatterns: [], excludePatterns: command.excludes, timestamp: step.timestamp,
    };
    this.#base = base;
  }

  readonly #base: NodeOutput | undefined;

  addSource(source: string): void {
    const git = gitSource(source);
    if (git !== undefined) this.#addGit(git);
    else if (isHttp(source)) this.#addHttp(source);
    else this.#addLocal(source);
  }

  addInline({ name, data }: InlineFile): void {
    const path = posix.join('/', name);
    const tree: NodeOutput = {
      node: {
        inputs: [], platform: this.#step.state.platform, meta: { name: '[internal] preparing inline document', ignoreCache: false, ranges: [] },
        op: { kind: 'file', actions: [{ action: 'mkfile', input: -1, output: 0, path, mode: 0o644, data: Buffer.from(data).toString('base64'), owner: undefined, timestamp: this.#step.timestamp }] },
      },
      index: 0,
    };
    this.#add(tree, path, {});
  }

  #addLocal(written: string): void {
    const command = this.#command;
    let source = written;
    let pattern: string | undefined;
    if (command.parents) {
      const pivot = written.indexOf('/./');
      pattern = sourcePath(pivot < 0 ? written : written.slice(pivot + 3)).slice(1);
      source = pivot < 0 ? '/' : written.slice(0, pivot);
    }
    const path = sourcePath(source);
    const required = pattern !== undefined && !hasWildcard(source) && !hasWildcard(pattern) ? { requiredPaths: [posix.join(path, pattern)] } : {};
    this.#add(this.#localTree(written), path, {
      ...required,
      followSymlink: true, directoryContentsOnly: true, allowWildcard: true, allowEmptyWildcard: true,
      attemptUnpack: command.unpack ?? command.kind === 'add',
      includePatterns: pattern === undefined ? [] : [pattern],
      excludePatterns: [...command.excludes, ...(this.#step.sources[0] === undefined ? hidingPatterns(path, this.#step.compilation.hidden) : [])],
    });
  }

  /** The context, or the stage that `--from` names; what is read of it is noted there. */
  #localTree(written: string): NodeOutput | undefined {
    const { state, compilation, sources, command } = this.#step;
    const [source] = sources;
    if (command.kind === 'copy' && source !== undefined) {
      if (!source.dispatched) throw invalid(`cannot copy from stage ${JSON.stringify(command.from)}, it needs to be defined before current stage ${JSON.stringify(state.title)}`);
      source.contextPaths.add(sourcePath(written));
      return source.tree;
    }
    reportIgnored(this.#step, written);
    compilation.mainContext.paths.add(sourcePath(written));
    return compilation.mainContext.tree;
  }

  #addGit(git: GitReference): void {
    const command = this.#command;
    if (command.kind === 'copy') throw invalid("source can't be a git ref for COPY");
    if (command.keepGitDir !== undefined && git.keepGitDir !== undefined && command.keepGitDir !== git.keepGitDir) throw invalid('inconsistent keep-git-dir configuration');
    if (command.checksum !== '' && git.checksum !== '' && command.checksum !== git.checksum) {
      throw invalid(`checksum mismatch ${JSON.stringify(command.checksum)} != ${JSON.stringify(git.checksum)}`);
    }
    const { identifier, attributes } = gitIdentifier(git, { keepGitDir: git.keepGitDir ?? command.keepGitDir ?? false, checksum: git.checksum || command.checksum });
    this.#add(sourceTree(identifier, attributes, `[internal] load git source ${git.remote}`, undefined), '/', { directoryContentsOnly: true });
  }

  #addHttp(source: string): void {
    const command = this.#command;
    if (command.kind === 'copy') throw invalid("source can't be a URL for COPY");
    const name = httpName(source);
    const checksum = command.checksum === '' ? {} : { 'http.checksum': checksumOf(command.checksum) };
    const tree = sourceTree(source, { 'http.filename': name, ...checksum }, `[internal] load ${redacted(source)}`, undefined);
    this.#add(tree, `/${name}`, { attemptUnpack: command.unpack ?? false });
  }

  #add(tree: NodeOutput | undefined, source: string, own: Partial<CopyAction>): void {
    this.#pending.push({ tree, source, own });
    this.inputs.number(tree);
    // Results of earlier actions are numbered after the inputs, so that all are renumbered when an input is added.
    this.list.splice(0);
    for (const [index, pending] of this.#pending.entries()) {
      const input = index === 0 ? this.inputs.number(this.#base) : this.inputs.list.length + index - 1;
      const output = index === this.#pending.length - 1 ? 0 : -1;
      this.list.push({ ...this.#common, ...pending.own, input, output, secondary: this.inputs.number(pending.tree), source: pending.source });
    }
  }
}

export function gitIdentifier(git: GitReference, options: { keepGitDir: boolean; checksum: string }): { identifier: string; attributes: Record<string, string> } {
  const fragment = git.ref === '' && git.subdirectory === '' ? '' : `#${git.ref}${git.subdirectory === '' ? '' : `:${git.subdirectory}`}`;
  return {
    identifier: `git://${git.location}${fragment}`,
    attributes: {
      'git.fullurl': git.remote,
      ...(options.keepGitDir ? { 'git.keepgitdir': 'true' } : {}),
      ...(options.checksum === '' ? {} : { 'git.checksum': options.checksum }),
      ...(git.submodules === false ? { 'git.skipsubmodules': 'true' } : {}),
    },
  };
}

function checksumOf(text: string): string {
  if (isDigest(text)) return text;
  const match = /^([A-Za-z0-9+._-]+):([0-9a-fA-F]+)$/.exec(text);
  throw invalid(match === null ? 'invalid checksum digest format' : match[1] === 'sha256' ? 'invalid checksum digest length' : 'unsupported digest algorithm');
}

function httpName(source: string): string {
  if (!URL.canParse(source)) return '__unnamed__';
  let name: string;
  try {
    name = decodeURIComponent(posix.basename(new URL(source).pathname));
  } catch {
    return '__unnamed__';
  }
  return name === '' || name === '.' || name === '..' || /[/\0]/.test(name) ? '__unnamed__' : name;
}

const redacted = (source: string): string => source.replace(/^(https?:\/\/)[^/@]*@/, '$1xxxxx@');
