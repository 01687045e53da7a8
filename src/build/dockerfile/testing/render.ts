import type { FrontendResult } from '../../frontend.ts';
import type { ExecMount, FileAction, Op, Output, Owner, Vertex } from '../../graph/vertex.ts';
import { DEFAULT_PATH } from '../compile/stage-state.ts';

/** A result as text for people: what is as always is left out. */
export function renderGraph({ graph, platforms }: FrontendResult): string {
  const names = new Map([...graph.vertices.keys()].map((digest, index) => [digest, String(index + 1)]));
  const output = ({ vertex, index }: Output): string => `${names.get(vertex) ?? '?'}${index === 0 ? '' : `.${index}`}`;
  const lines: string[] = [];
  for (const vertex of graph.vertices.values()) {
    const inputs = vertex.inputs.map(output);
    lines.push(`${names.get(vertex.digest) ?? '?'} ${vertex.op.kind}${inputs.length === 0 ? '' : ` of ${inputs.join(' ')}`}: ${vertex.meta.name}${vertex.meta.ignoreCache ? ' (no cache)' : ''}${platformNote(vertex)}`);
    lines.push(...renderOp(vertex.op).map((line) => `    ${line}`));
  }
  for (const result of platforms) lines.push(`result ${result.platform.os}/${result.platform.architecture}${result.platform.variant === undefined ? '' : `/${result.platform.variant}`}: ${result.output === undefined ? 'scratch' : output(result.output)}`);
  return `${lines.join('\n')}\n`;
}

const platformNote = ({ platform, op }: Vertex): string =>
  platform !== undefined && platform.architecture !== 'amd64' && op.kind !== 'merge' ? ` on ${platform.architecture}` : '';

function renderOp(op: Op): string[] {
  switch (op.kind) {
    case 'source': {
      const attributes = Object.entries(op.attributes).filter(([key]) => key !== 'image.resolvemode' && key !== 'local.sharedkeyhint');
      return [`${op.identifier}${attributes.map(([key, value]) => ` ${key}=${value}`).join('')}`];
    }
    case 'exec': {
      const { meta } = op;
      const env = meta.env.filter((entry) => entry !== `PATH=${DEFAULT_PATH}`);
      return [
        JSON.stringify(meta.args),
        ...(env.length === 0 ? [] : [`env ${JSON.stringify(env)}`]),
        ...(meta.cwd === '/' ? [] : [`cwd ${meta.cwd}`]),
        ...(meta.user === '' ? [] : [`user ${meta.user}`]),
        ...(meta.proxy === undefined ? [] : [`proxy ${JSON.stringify(meta.proxy)}`]),
        ...(op.network === 'sandbox' ? [] : [`network ${op.network}`]),
        ...(op.security === 'sandbox' ? [] : [`security ${op.security}`]),
        ...op.secretEnv.map(({ id, name, optional }) => `secret ${id} in $${name}${optional ? '' : ' required'}`),
        ...op.mounts.filter(({ destination, input }) => !(destination === '/' && input === 0)).map(renderMount),
      ];
    }
    case 'file':
      return op.actions.map(renderAction);
    default:
      return [];
  }
}

function renderMount(mount: ExecMount): string {
  const from = mount.input < 0 ? '' : ` from ${mount.input}:${mount.selector === '' ? '/' : mount.selector}`;
  const owner = 'uid' in mount ? ` ${mount.uid}:${mount.gid} ${mount.mode.toString(8)}${mount.optional ? '' : ' required'}` : '';
  const own = mount.type === 'cache' ? ` id=${mount.cacheId} ${mount.sharing}` : mount.type === 'tmpfs' ? ` size=${mount.size}` : mount.type === 'secret' ? ` id=${mount.secretId}` : mount.type === 'ssh' ? ` id=${mount.sshId}` : '';
  return `${mount.type} on ${mount.destination}${from}${own}${owner}${mount.readOnly ? ' ro' : ''}${mount.output < 0 ? '' : ` output ${mount.output}`}`;
}

const renderOwner = (owner: Owner | undefined): string => {
  if (owner === undefined) return '';
  const part = (value: Owner['user']): string => (value === undefined ? '' : 'id' in value ? String(value.id) : `${value.name}@${value.input}`);
  return ` owner=${part(owner.user)}${owner.group === undefined ? '' : `:${part(owner.group)}`}`;
};

function renderAction(action: FileAction): string {
  const place = `${action.input}${action.output < 0 ? '' : `=>${action.output}`}`;
  const time = 'timestamp' in action && action.timestamp >= 0 ? ` time=${action.timestamp}` : '';
  switch (action.action) {
    case 'copy': {
      const flags = (['followSymlink', 'directoryContentsOnly', 'attemptUnpack', 'allowWildcard'] as const).filter((flag) => action[flag]);
      const lists = (['includePatterns', 'excludePatterns', 'requiredPaths'] as const).filter((key) => (action[key] ?? []).length > 0).map((key) => ` ${key}=${JSON.stringify(action[key])}`);
      return `copy on ${place} from ${action.secondary}:${action.source} to ${action.destination} [${flags.join(' ')}]${renderOwner(action.owner)}${action.mode === '' ? '' : ` mode=${action.mode}`}${lists.join('')}${time}`;
    }
    case 'mkfile':
      return `mkfile on ${place} ${action.path} ${action.mode.toString(8)} ${JSON.stringify(Buffer.from(action.data, 'base64').toString())}${time}`;
    case 'mkdir':
      return `mkdir on ${place} ${action.path} ${action.mode.toString(8)}${renderOwner(action.owner)}${time}`;
    default:
      return `${action.action} on ${place}`;
  }
}
