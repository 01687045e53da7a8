/** Patterns of `--exclude` and `--parents`. */
import { posix } from 'node:path';
import { IgnorePatterns } from '#spec/ignore-patterns.ts';
import { pathPattern } from '#spec/path-pattern.ts';

export interface PathPatterns {
  /** A pattern matches the path (relative, without a leading slash) or a folder above it; the last that does decides. */
  matches(path: string): boolean;
  /** Something below this folder may match. */
  reaches(folder: string): boolean;
}

/** Undefined for no patterns. */
export function compilePatterns(patterns: readonly string[]): PathPatterns | undefined {
  const given = patterns.map((text) => text.trim().replace(/^(!?)\/+/, '$1')).filter((text) => text !== '' && text !== '!');
  if (given.length === 0) return undefined;
  const compiled = new IgnorePatterns(given);
  const leads = given.filter((text) => !text.startsWith('!')).map(leadOf);
  return {
    matches: (path) => compiled.matchesWithParents(path),
    reaches: (folder) => {
      const parts = folder.split('/');
      return leads.some(({ parts: lead, deep }) => {
        if (!deep && parts.length > lead.length) return false;
        return parts.slice(0, lead.length).every((part, at) => lead[at]?.(part) === true);
      });
    },
  };
}

/** The parts of a pattern before `**`, each by itself. */
function leadOf(text: string): { parts: ((part: string) => boolean)[]; deep: boolean } {
  const all = posix.normalize(text).split('/').filter((part) => part !== '');
  const cut = all.findIndex((part) => part.includes('**'));
  return { parts: (cut < 0 ? all : all.slice(0, cut)).map(pathPattern), deep: cut >= 0 };
}
