import { statfsSync } from 'node:fs';
import { EngineError } from '#base/errors.ts';
import type { FileOwner, FileStep, Jail, OwnerName } from '#host/jail.ts';
import type { BuildLayers } from '../cache/layers.ts';
import type { FileAction, FileOp, Owner, OwnerPart } from '../graph/vertex.ts';
import type { Operation, Operator } from '../solver/solver.ts';
import type { Tree } from '../tree.ts';

const MAX_INFLATED = 64 * 2 ** 30;

interface FileOperatorOptions {
  layers: BuildLayers;
  jail: Jail;
  points: string;
  rootless: boolean;
}

/** Copies and the like. Actions that follow on one another write one layer. */
export function fileOperator(options: FileOperatorOptions): Operator {
  return {
    async run(operation) {
      const { vertex } = operation;
      if (vertex.op.kind !== 'file') throw new EngineError('internal', 'not a file operation');
      const held = new DisposableStack();
      try {
        return { trees: await runActions(vertex.op, operation, options, held), held };
      } catch (error) {
        held.dispose();
        throw error;
      }
    },
  };
}

async function runActions(op: FileOp, operation: Operation, options: FileOperatorOptions, held: DisposableStack): Promise<Tree[]> {
  const results: Tree[] = [...operation.inputs];
  const outputs: Tree[] = [];
  const count = operation.inputs.length;
  const tree = (index: number): Tree => {
    if (index < 0) return [];
    const found = results[index];
    if (found === undefined) throw new EngineError('invalid_argument', `a file operation names input ${index}, which it does not have`);
    return found;
  };
  for (let start = 0; start < op.actions.length; ) {
    const end = chainEnd(op.actions, start, count);
    const chain = op.actions.slice(start, end);
    const base = tree(chain[0]?.input ?? -1);
    // Inside a chain an action sees what those before it wrote by the mount itself.
    const made = await writeLayer(base, chain.map((action) => toStep(action, operation, (index) => options.layers.folders(tree(index)))), operation, options, held);
    for (const [position, action] of chain.entries()) {
      results[count + start + position] = made;
      if (action.output >= 0) outputs[action.output] = made;
    }
    start = end;
  }
  return outputs;
}

/** Actions from `start` on that each take up the one before, whose result nobody else uses. */
function chainEnd(actions: readonly FileAction[], start: number, inputs: number): number {
  let end = start + 1;
  for (; end < actions.length; end++) {
    const own = inputs + end - 1;
    const used = actions.some((action, at) => at !== end && ((at >= start && action.input === own) || ('secondary' in action && action.secondary === own)));
    if (actions[end]?.input !== own || used || (actions[end - 1]?.output ?? -1) >= 0) break;
    const action = actions[end];
    if (action !== undefined && 'secondary' in action && action.secondary >= inputs + start) break;
  }
  return end;
}

async function writeLayer(base: Tree, steps: FileStep[], operation: Operation, { layers, jail, points, rootless }: FileOperatorOptions, held: DisposableStack): Promise<Tree> {
  const layer = layers.create();
  const protection = layers.protect([layer.id]);
  try {
    operation.signal.throwIfAborted();
    const { bavail, bsize } = statfsSync(points);
    await jail.run<'files'>({
      kind: 'files',
      lower: layers.folders(base),
      upper: layer.upper,
      work: layer.work,
      points,
      userxattr: rootless,
      link: true,
      steps,
      limits: { inflated: Math.min(MAX_INFLATED, bavail * bsize), entries: 5_000_000 },
    });
    operation.signal.throwIfAborted();
    await layers.seal(layer);
    held.use(protection);
    return [...base, layer.id];
  } catch (error) {
    protection[Symbol.dispose]();
    await layers.discard(layer);
    throw error;
  }
}

function toStep(action: FileAction, { scope }: Operation, folders: (index: number) => string[]): FileStep {
  const fallback = scope.epoch === undefined ? undefined : String(BigInt(scope.epoch) * 1_000_000_000n);
  const time = (nanos: number): string | undefined => (nanos < 0 ? undefined : String(BigInt(Math.trunc(nanos))));
  const owner = (given: Owner | undefined): FileOwner | undefined =>
    given === undefined ? undefined : { user: part(given.user, folders), group: part(given.group, folders) };
  switch (action.action) {
    case 'copy':
      return {
        step: 'copy', from: folders(action.secondary), source: action.source, destination: action.destination, owner: owner(action.owner),
        mode: action.mode, followSymlink: action.followSymlink, contentsOnly: action.directoryContentsOnly, unpack: action.attemptUnpack,
        replace: action.alwaysReplaceExisting, createDestination: action.createDestinationPath, wildcard: action.allowWildcard,
        // Only a pattern may match nothing: a path that is not there is an error.
        allowEmpty: action.allowEmptyWildcard && /[*?[]/.test(action.source),
        include: [...action.includePatterns], exclude: [...action.excludePatterns], required: [...(action.requiredPaths ?? [])], time: time(action.timestamp),
      };
    case 'mkfile':
      return { step: 'mkfile', path: action.path, mode: action.mode, data: Buffer.from(action.data, 'base64'), owner: owner(action.owner), time: time(action.timestamp) ?? fallback };
    case 'mkdir':
      return { step: 'mkdir', path: action.path, mode: action.mode, parents: action.makeParents, owner: owner(action.owner), time: time(action.timestamp) ?? fallback };
    case 'symlink':
      return { step: 'symlink', target: action.oldPath, path: action.newPath, owner: owner(action.owner), time: time(action.timestamp) ?? fallback };
    case 'rm':
      return { step: 'rm', path: action.path, allowNotFound: action.allowNotFound, wildcard: action.allowWildcard };
  }
}

function part(given: OwnerPart | undefined, folders: (index: number) => string[]): OwnerName | undefined {
  if (given === undefined) return undefined;
  return 'id' in given ? { id: given.id } : { name: given.name, tree: folders(given.input) };
}
