import type { BuildContext } from '../../frontend.ts';
import type { NodeOutput } from './node.ts';

export const formatIdentifier = (scheme: string, reference: string): string => `${scheme}://${reference}`;

/** What of a local context is read, as `local.followpaths`; undefined for all of it. */
export function narrowed(paths: ReadonlySet<string>): string[] | undefined {
  if (paths.size === 0 || paths.has('/')) return undefined;
  return [...paths].map((path) => path.replace(/^\/+/, '')).toSorted();
}

/** A tree that the client sends. Its attributes are read when the graph is made, so that all paths are known by then. */
export function localSource(context: Extract<BuildContext, { kind: 'local' }>, paths: ReadonlySet<string>, name: string, excludes: string): NodeOutput {
  const op = (): { kind: 'source'; identifier: string; attributes: Record<string, string> } => {
    const follow = narrowed(paths);
    return {
      kind: 'source',
      identifier: `local://${context.name}`,
      attributes: {
        ...(excludes === '' ? {} : { 'local.excludepatterns': excludes }),
        ...(follow === undefined ? {} : { 'local.followpaths': JSON.stringify(follow) }),
        'local.sharedkeyhint': context.sharedKey ?? context.name,
      },
    };
  };
  return { node: { inputs: [], op, platform: undefined, meta: { name, ignoreCache: false, ranges: [] } }, index: 0 };
}
