import { posix } from 'node:path';
import type { IgnorePatterns } from '#spec/ignore-patterns.ts';
import { hasWildcard } from './paths.ts';

/** The Dockerfile and the ignore file, where the ignore file names them. */
export function hiddenFiles(fileName: string, ignore: IgnorePatterns | undefined): string[] {
  if (ignore === undefined) return [];
  const paths = [posix.normalize(fileName), '.dockerignore'];
  return paths.filter((path) => !path.startsWith('../') && !posix.isAbsolute(path) && ignore.matchesWithParents(path));
}

/** Patterns that keep hidden files out of a copy of this source (complete, of the main context). */
export function hidingPatterns(source: string, hidden: readonly string[]): string[] {
  return hidden.flatMap((path) => {
    const relative = posix.relative(source, posix.join('/', path));
    if (relative !== '' && !relative.startsWith('../')) return [escaped(relative)];
    const beside = hasWildcard(source) && posix.dirname(source) === posix.dirname(posix.join('/', path));
    return beside ? [escaped(posix.basename(path))] : [];
  });
}

const escaped = (path: string): string => path.replace(/[\\*?[]/g, '\\$&');
