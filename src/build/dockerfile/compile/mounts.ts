import { posix } from 'node:path';
import { invalid } from '#base/errors.ts';
import type { ExecMount, ExecOp } from '../../graph/vertex.ts';
import type { Of } from '../instructions/instruction.ts';
import { readMount } from '../instructions/mount.ts';
import type { RunMount } from '../instructions/mount.ts';
import type { Inputs, NodeOutput } from './node.ts';
import { sourcePath } from './paths.ts';
import type { StageState } from './stage-state.ts';
import type { Step } from './step.ts';

interface Compiled {
  readonly mounts: ExecMount[];
  readonly secretEnv: ExecOp['secretEnv'];
  /** Where the first ssh socket is. */
  readonly sshSocket: string | undefined;
}

/** The mounts of a RUN with all defaults filled in. */
export function compileMounts(step: Step<Of<'run'>>, inputs: Inputs): Compiled {
  const mounts: ExecMount[] = [];
  const secretEnv: { id: string; name: string; optional: boolean }[] = [];
  let sshSocket: string | undefined;
  let sockets = 0;
  for (const [index, text] of step.command.mounts.entries()) {
    const mount = readMount(text, step.word);
    if (mount.type === 'secret') {
      const id = mount.source || mount.id || posix.basename(mount.target);
      const optional = !mount.required;
      if (mount.env !== undefined) secretEnv.push({ id, name: mount.env, optional });
      if (mount.env === undefined || mount.target !== '') mounts.push(secretMount(step.state, mount, id, optional));
    } else if (mount.type === 'ssh') {
      if (mount.source !== '') throw invalid('ssh does not support source');
      const destination = mount.target === '' ? `/run/buildkit/ssh_agent.${sockets}` : absolute(step.state, mount.target);
      sockets++;
      sshSocket ??= destination;
      mounts.push({
        type: 'ssh', destination, input: -1, selector: '', output: -1, readOnly: false, sshId: mount.id || 'default',
        uid: mount.uid ?? 0, gid: mount.gid ?? 0, mode: mount.mode ?? 0o600, optional: !mount.required,
      });
    } else mounts.push(treeMount(step, mount, step.sources[index], inputs));
  }
  return { mounts, secretEnv, sshSocket };
}

function secretMount(state: StageState, mount: RunMount, id: string, optional: boolean): ExecMount {
  const destination = mount.target === '' ? `/run/secrets/${posix.basename(id)}` : absolute(state, mount.target);
  return {
    type: 'secret', destination, input: -1, selector: '', output: -1, readOnly: true, secretId: id,
    uid: mount.uid ?? 0, gid: mount.gid ?? 0, mode: mount.mode ?? 0o400, optional,
  };
}

function treeMount(step: Step<Of<'run'>>, mount: RunMount, source: StageState | undefined, inputs: Inputs): ExecMount {
  const { state, compilation } = step;
  const destination = absolute(state, mount.target);
  if (destination === '/') throw invalid('invalid mount target "/"');
  const base = { destination, selector: '', output: -1, readOnly: mount.readOnly } as const;
  if (mount.type === 'tmpfs') return { ...base, type: 'tmpfs', input: -1, size: mount.size };
  const path = sourcePath(mount.source);
  let tree = mountTree(step, mount, source, path);
  let selector = path === '/' ? '' : path;
  if (selector === '' && (mount.uid !== undefined || mount.gid !== undefined || mount.mode !== undefined)) {
    tree = ownedFolder(step, mount, tree);
    selector = '/cache';
  }
  const input = inputs.number(tree);
  if (mount.type !== 'cache') return { ...base, type: 'bind', input, selector };
  const cacheId = `${compilation.request.cacheIdNamespace}/${mount.id || posix.normalize(mount.target)}`;
  return { ...base, type: 'cache', input, selector, cacheId, sharing: mount.sharing === '' ? 'shared' : mount.sharing };
}

function mountTree(step: Step<Of<'run'>>, mount: RunMount, source: StageState | undefined, path: string): NodeOutput | undefined {
  if (source !== undefined) {
    if (!source.dispatched) {
      throw invalid(`cannot mount from stage ${JSON.stringify(mount.from)} to ${JSON.stringify(mount.target)}, stage needs to be defined before current command`);
    }
    source.contextPaths.add(path);
    return source.tree;
  }
  if (mount.type === 'cache' || mount.from === 'scratch') return undefined;
  const { mainContext } = step.compilation;
  mainContext.paths.add(path);
  return mainContext.tree;
}

/** A cache that begins as a folder of its own owner and mode. */
function ownedFolder(step: Step<Of<'run'>>, mount: RunMount, tree: NodeOutput | undefined): NodeOutput {
  const owner = { user: { id: mount.uid ?? 0 }, group: { id: mount.gid ?? 0 } };
  return {
    node: {
      inputs: tree === undefined ? [] : [tree], platform: step.state.platform, meta: { name: '[internal] setting cache mount permissions', ignoreCache: false, ranges: [] },
      op: { kind: 'file', actions: [{ action: 'mkdir', input: tree === undefined ? -1 : 0, output: 0, path: '/cache', mode: mount.mode ?? 0o755, makeParents: false, owner, timestamp: -1 }] },
    },
    index: 0,
  };
}

function absolute(state: StageState, path: string): string {
  return (posix.isAbsolute(path) ? posix.normalize(path) : posix.join('/', state.directory, path)).replace(/(.)\/+$/, '$1');
}
