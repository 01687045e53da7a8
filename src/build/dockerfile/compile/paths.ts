import { posix } from 'node:path';

/** A destination in the image: complete, with the trailing slash (or `/.`) that was written. */
export function destinationPath(directory: string, written: string): string {
  const path = written === '' || written === '.' ? './' : written;
  const joined = posix.join('/', posix.isAbsolute(path) ? path : posix.join(directory, path)).replace(/\/+$/, '') || '/';
  if (path.endsWith('/')) return joined === '/' ? '/' : `${joined}/`;
  if (path.endsWith('/.')) return joined === '/' ? '/.' : `${joined}/.`;
  return joined;
}

/** A path in a source: complete, `..` cannot leave it. A trailing slash goes. */
export const sourcePath = (written: string): string => posix.join('/', written).replace(/\/+$/, '') || '/';

export function hasWildcard(path: string): boolean {
  return /^(?:[^*?[\\]|\\.)*[*?[]/s.test(path);
}
