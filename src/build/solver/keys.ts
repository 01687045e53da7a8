import { createHash } from 'node:crypto';
import type { ContentSelection } from '#host/jail.ts';
import type { ExecOp, FileOp, Op, Vertex } from '../graph/vertex.ts';

/** What of a vertex's inputs matters by content only: input number → what of it is read, in the order of the op. */
export type ContentInputs = ReadonlyMap<number, readonly ContentSelection[]>;

const nothing: ContentInputs = new Map();

/** Inputs that are only read, at places the op names. All others matter as they are. */
export function contentInputs({ op, inputs }: Vertex): ContentInputs {
  if (op.kind === 'file') return ofFile(op, inputs.length);
  if (op.kind === 'exec') return ofExec(op);
  return nothing;
}

function ofFile(op: FileOp, inputs: number): ContentInputs {
  const found = new Map<number, ContentSelection[]>();
  const changed = new Set<number>();
  for (const action of op.actions) {
    changed.add(action.input);
    if ('owner' in action) for (const part of [action.owner?.user, action.owner?.group]) if (part !== undefined && 'name' in part) changed.add(part.input);
    if (action.action !== 'copy' || action.secondary < 0 || action.secondary >= inputs) continue;
    const list = found.get(action.secondary) ?? [];
    found.set(action.secondary, list);
    list.push({
      path: action.source, wildcard: action.allowWildcard, followSymlink: action.followSymlink,
      include: [...action.includePatterns], exclude: [...action.excludePatterns],
    });
  }
  for (const input of changed) found.delete(input);
  return found;
}

function ofExec(op: ExecOp): ContentInputs {
  const found = new Map<number, ContentSelection[]>();
  const whole = new Set<number>();
  for (const mount of op.mounts) {
    if (mount.input < 0) continue;
    if (mount.type !== 'bind' || !mount.readOnly || mount.destination === '/' || mount.output >= 0) {
      whole.add(mount.input);
      continue;
    }
    const list = found.get(mount.input) ?? [];
    found.set(mount.input, list);
    list.push({ path: mount.selector === '' ? '/' : mount.selector, wildcard: false, followSymlink: true, include: [], exclude: [] });
  }
  for (const input of whole) found.delete(input);
  return found;
}

export type InputKey = { readonly key: string; readonly index: number } | { readonly content: readonly (string | undefined)[] };

/** The key of a vertex's results. What stays out: names, and proxies, which do not change what is built. */
export function keyOf(vertex: Vertex, inputs: readonly InputKey[]): string {
  const { op, platform } = vertex;
  return digest({ op: withoutProxies(op), platform: platform ?? null, inputs });
}

function withoutProxies(op: Op): Op {
  return op.kind === 'exec' && op.meta.proxy !== undefined ? { ...op, meta: { ...op.meta, proxy: undefined } } : op;
}

export function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(sorted(value))).digest('hex');
}

/** Keys in order, undefined left out. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => (item === undefined ? null : sorted(item)));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined).toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, item]) => [key, sorted(item)]));
}
