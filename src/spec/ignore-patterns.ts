import { posix } from 'node:path';
import { invalid } from '#base/errors.ts';
import { pathPattern } from './path-pattern.ts';

interface Pattern {
  readonly text: string;
  readonly exception: boolean;
  readonly matches: (path: string) => boolean;
}

/** Lines of an ignore file that are too long for a path, or too many, are refused. */
const limits = { patterns: 20_000, length: 4096 } as const;

/** Reads a `.dockerignore`: one pattern a line; comments and empty lines go, blanks around a pattern too, and it is made relative. */
export function readIgnoreFile(text: string): string[] {
  const patterns: string[] = [];
  for (const [index, raw] of text.replace(/^\uFEFF/, '').split('\n').entries()) {
    const line = index === 0 ? raw.replace(/^\uFEFF/, '') : raw;
    if (line.startsWith('#')) continue;
    let pattern = line.trim();
    if (pattern === '') continue;
    const exception = pattern.startsWith('!');
    if (exception) pattern = pattern.slice(1).trim();
    if (pattern !== '') {
      pattern = posix.normalize(pattern).replace(/(.)\/+$/, '$1');
      if (pattern.length > 1 && pattern.startsWith('/')) pattern = pattern.slice(1);
    }
    patterns.push(exception ? `!${pattern}` : pattern);
  }
  return patterns;
}

/**
 * Docker's rules for ignore files: the last pattern that matches decides, `!` takes back, a folder that matches takes its
 * content along, `**` stands for any number of folders. Paths are relative, with slashes.
 */
export class IgnorePatterns {
  readonly patterns: readonly string[];
  readonly hasExceptions: boolean;
  readonly #patterns: readonly Pattern[];

  /** Throws invalid_argument: `illegal exclusion pattern: "!"`, `syntax error in pattern`. */
  constructor(patterns: readonly string[]) {
    if (patterns.length > limits.patterns) throw invalid(`an ignore file may have at most ${limits.patterns} patterns`);
    const compiled: Pattern[] = [];
    for (const raw of patterns) {
      let text = raw.trim();
      if (text === '') continue;
      if (text.length > limits.length) throw invalid(`a pattern of an ignore file is longer than ${limits.length} characters`);
      text = posix.normalize(text).replace(/(.)\/+$/, '$1');
      const exception = text.startsWith('!');
      if (exception) {
        if (text.length === 1) throw invalid('illegal exclusion pattern: "!"');
        text = text.slice(1);
      }
      compiled.push({ text, exception, matches: pathPattern(text) });
    }
    this.#patterns = compiled;
    this.patterns = compiled.map(({ text }) => text);
    this.hasExceptions = compiled.some(({ exception }) => exception);
  }

  /** Whether a path is kept out, judged by itself and the folders above it. */
  matchesWithParents(path: string): boolean {
    const parents = path.split('/').slice(0, -1);
    let matched = false;
    for (const pattern of this.#patterns) {
      // A pattern can only change what the ones before it decided.
      if (pattern.exception !== matched) continue;
      let match = pattern.matches(path);
      for (let length = 1; !match && length <= parents.length; length++) match = pattern.matches(parents.slice(0, length).join('/'));
      if (match) matched = !pattern.exception;
    }
    return matched;
  }

  /** Whether something below a folder that is kept out may be wanted nevertheless: then it must be looked into. */
  mayHoldExceptions(folder: string): boolean {
    if (!this.hasExceptions) return false;
    const prefix = `${folder}/`;
    return this.#patterns.some(({ exception, text }) => exception && (`${text}/`.startsWith(prefix) || hasWildcardBefore(text, prefix)));
  }
}

/** A wildcard in the part of a pattern that lies over a folder could be that folder. */
function hasWildcardBefore(text: string, prefix: string): boolean {
  const parts = text.split('/');
  const folders = prefix.split('/').slice(0, -1);
  for (const [index, folder] of folders.entries()) {
    const part = parts[index];
    if (part === undefined) return false;
    if (part === '**' || /[*?[\\]/.test(part)) return true;
    if (part !== folder) return false;
  }
  return true;
}
