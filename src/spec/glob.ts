import { invalid } from '#base/errors.ts';

/**
 * Go's path.Match as a predicate: `*` and `?` stay within one part of a path, `[a-z]` and `[^a]` are classes, a
 * backslash takes the next character as it is. Throws invalid_argument (`syntax error in pattern`).
 */
export function pathMatcher(pattern: string): (path: string) => boolean {
  let source = '';
  for (let index = 0; index < pattern.length; index++) {
    const char = pattern[index] ?? '';
    if (char === '*') source += '[^/]*';
    else if (char === '?') source += '[^/]';
    else if (char === '[') {
      const match = /^\[(\^?)((?:\\[^]|[^\]\\])+)\]/.exec(pattern.slice(index));
      if (!match) throw invalid('syntax error in pattern');
      const body = (match[2] ?? '').replace(/\\([^])|([\]\\^[&|~])/g, (_, escaped: string | undefined, plain: string | undefined) => `\\${escaped ?? plain ?? ''}`);
      source += `(?!/)[${match[1] ?? ''}${body}]`;
      index += match[0].length - 1;
    } else if (char === '\\') {
      const next = pattern[++index];
      if (next === undefined) throw invalid('syntax error in pattern');
      source += escapeRegExp(next);
    } else source += escapeRegExp(char);
  }
  try {
    const expression = new RegExp(`^${source}$`, 's');
    return (path) => expression.test(path);
  } catch (error) {
    throw invalid('syntax error in pattern', { cause: error });
  }
}

const escapeRegExp = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
