/** How `cp` names things: what a trailing slash or dot means, and what the archive's members are called at the other end. */

export interface CopyEnd {
  path: string;
  exists: boolean;
  isDirectory: boolean;
}

/** Last part and what is before it; a path that ends in `/.` has the last part `.`. */
export function splitPath(path: string): { folder: string; base: string } {
  const clean = path.replace(/\/+$/, '') || '/';
  if (clean === '/') return { folder: '/', base: '/' };
  const at = clean.lastIndexOf('/');
  return { folder: at <= 0 ? '/' : clean.slice(0, at), base: clean.slice(at + 1) };
}

export const assertsDirectory = (path: string): boolean => path.endsWith('/') || path.endsWith('/.');

export interface CopyPlan {
  /** Where the archive is unpacked. */
  folder: string;
  /** The first part of the members' names is this instead of the source's; undefined keeps them. */
  rename: { from: string; to: string } | undefined;
}

/** Docker's rules for copying `source` (its archive's members begin with its last part) to `target`. */
export function planCopy(source: { path: string; isDirectory: boolean; rebaseName?: string | undefined }, target: CopyEnd): CopyPlan {
  if (target.exists && target.isDirectory) return { folder: target.path, rename: undefined };
  const { folder, base: to } = splitPath(target.path);
  const from = source.rebaseName ?? splitPath(source.path).base;
  if (target.exists && source.isDirectory) throw new Error('cannot copy directory');
  if (!target.exists && !source.isDirectory && assertsDirectory(target.path)) throw new Error('no such directory');
  return { folder, rename: { from, to } };
}

/** Applies a plan's renaming to a member's name. */
export function renamed(plan: CopyPlan, name: string): string {
  const { rename } = plan;
  if (!rename) return name;
  const from = rename.from === '/' ? '' : rename.from;
  if (name === from || name === `${from}/`) return name.replace(from, () => rename.to);
  return name.startsWith(`${from}/`) ? `${rename.to}${name.slice(from.length)}` : name;
}
