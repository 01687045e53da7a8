import { lstatSync } from 'node:fs';
import { posix } from 'node:path';

/**
 * Which of these places (links followed already) and the folders above them are not there yet: what the runtime makes for
 * a mount, and what has to go again from the layer.
 */
export function missingPoints(root: string, places: readonly string[]): string[] {
  const found = new Set<string>();
  for (const place of places) {
    for (let path = place; path !== '/' && lstatSync(`${root}${path}`, { throwIfNoEntry: false }) === undefined; path = posix.dirname(path)) found.add(path);
  }
  return [...found].sort();
}
