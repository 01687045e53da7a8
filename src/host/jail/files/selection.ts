/** Which paths of a tree a copy means: wildcards, links in the last place, trailing slashes. Runs inside the source's root. */
import { invalid, notFound } from '#base/errors.ts';
import { fromText, toText } from '#spec/tar/header.ts';
import type { ByteString } from '#spec/tar/header.ts';
import { resolvePath } from '../resolve.ts';
import { list } from '../tree-reader.ts';
import { baseName, dirName, joined, look } from './entry.ts';
import { pathPattern } from '#spec/path-pattern.ts';

export interface Selected {
  /** Where it really lies, without links in its folders (nor in the last place, when they are followed). */
  path: ByteString;
  /** What it is called in the destination. */
  name: ByteString;
}

/** Absolute and without dots; a slash or `/.` at the end stays. */
export function cleanPath(text: string): string {
  const parts: string[] = [];
  for (const part of text.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  const path = `/${parts.join('/')}`;
  if (path === '/') return text.endsWith('/.') ? '/.' : '/';
  return text.endsWith('/.') ? `${path}/.` : text.endsWith('/') ? `${path}/` : path;
}

/** A path without one of these names one file. */
const isPattern = (path: string): boolean => /[*?[\\]/.test(path);

/** Names in byte order. Without a match: not_found unless `allowEmpty`. */
export function select(
  given: string,
  options: { wildcard: boolean; followSymlink: boolean; allowEmpty: boolean },
): Selected[] {
  const clean = cleanPath(given);
  const path = clean.endsWith('/.') ? clean.slice(0, -2) || '/' : clean.length > 1 && clean.endsWith('/') ? clean.slice(0, -1) : clean;
  const found = options.wildcard && isPattern(path) ? expand(path) : [fromText(path)];
  const selected = found.flatMap((item) => {
    const folder = resolvePath(dirName(item));
    const last = baseName(item);
    const lies = last === '' ? folder : joined(folder, last);
    const stats = look(lies);
    if (stats === undefined) return [];
    // A slash at the end asks for what a link leads to.
    const follow = stats.isSymbolicLink() && (options.followSymlink || clean.endsWith('/') || clean.endsWith('/.'));
    const real = follow ? resolvePath(lies) : lies;
    if (look(real) === undefined) throw notFound(`lstat ${toText(real)}: no such file or directory`);
    return [{ path: real, name: last }];
  });
  if (selected.length === 0 && !options.allowEmpty) throw notFound(`${JSON.stringify(path)}: not found`);
  return selected;
}

function expand(pattern: string): ByteString[] {
  const parts = pattern.split('/').filter((part) => part !== '');
  let found: ByteString[] = ['/'];
  for (const [index, part] of parts.entries()) {
    if (found.length > 1_000_000) throw invalid(`the pattern ${JSON.stringify(pattern)} matches too much`);
    if (!/[*?[\\]/.test(part)) {
      found = found.map((folder) => joined(folder, fromText(part)));
      if (index === parts.length - 1) found = found.filter((path) => look(joined(resolvePath(dirName(path)), baseName(path))) !== undefined);
      continue;
    }
    const matches = pathPattern(part);
    found = found.flatMap((folder) => list(resolvePath(folder)).filter((name) => matches(toText(name))).map((name) => joined(folder, name)));
  }
  return found;
}
