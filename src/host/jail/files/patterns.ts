/** Patterns of `--exclude`, `--parents` and `.dockerignore`, by the rules of moby's pattern matcher. */
import { invalid } from '#base/errors.ts';

export interface PathPatterns {
  /** A pattern matches the path (relative, without a leading slash) or a folder above it; the last that does decides. */
  matches(path: string): boolean;
  /** Something below this folder may match. */
  reaches(folder: string): boolean;
}

interface Compiled {
  negated: boolean;
  regex: RegExp;
  /** One regex for each leading part, for `reaches`; ends early at `**`. */
  prefixes: RegExp[];
  deep: boolean;
}

/** Undefined for no patterns. */
export function compilePatterns(patterns: readonly string[]): PathPatterns | undefined {
  const compiled = patterns.map((text) => text.trim()).filter((text) => text !== '').map(compile);
  if (compiled.length === 0) return undefined;
  return {
    matches(path) {
      const parents = parentsOf(path);
      let matched = false;
      for (const { negated, regex } of compiled) {
        if (matched !== negated) continue;
        if (regex.test(path) || parents.some((parent) => regex.test(parent))) matched = !negated;
      }
      return matched;
    },
    reaches(folder) {
      const depth = folder.split('/').length;
      return compiled.some(({ negated, prefixes, deep }) => {
        if (negated) return false;
        const prefix = prefixes[Math.min(depth, prefixes.length) - 1];
        if (prefix === undefined) return deep;
        if (depth > prefixes.length && !deep) return false;
        return deep && depth >= prefixes.length ? prefix.test(folder.split('/').slice(0, prefixes.length).join('/')) : prefix.test(folder);
      });
    },
  };
}

function compile(text: string): Compiled {
  const negated = text.startsWith('!');
  const clean = cleanPattern(negated ? text.slice(1) : text);
  const parts = clean.split('/');
  const cut = parts.findIndex((part) => part.includes('**'));
  const fixed = cut < 0 ? parts : parts.slice(0, cut);
  return {
    negated,
    regex: patternRegex(clean),
    prefixes: fixed.map((_, index) => patternRegex(fixed.slice(0, index + 1).join('/'))),
    deep: cut >= 0,
  };
}

function cleanPattern(text: string): string {
  const parts: string[] = [];
  for (const part of text.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}

const parentsOf = (path: string): string[] => {
  const found: string[] = [];
  for (let cut = path.indexOf('/'); cut > 0; cut = path.indexOf('/', cut + 1)) found.push(path.slice(0, cut));
  return found;
};

/** Go's filepath.Match with `**` for any number of folders. The whole text must match. */
export function patternRegex(pattern: string): RegExp {
  let source = '';
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at] ?? '';
    if (char === '*' && pattern[at + 1] === '*') {
      at++;
      if (pattern[at + 1] === '/') {
        at++;
        source += '(?:.*/)?';
      } else source += '.*';
    } else if (char === '*') source += '[^/]*';
    else if (char === '?') source += '[^/]';
    else if (char === '[') {
      const end = closing(pattern, at);
      const body = pattern.slice(at + 1, end);
      source += `[${body.replace(/^\^/, '^').replaceAll(/[[\]]/g, String.raw`\$&`)}]`;
      at = end;
    } else if (char === '\\') source += escape(pattern[++at] ?? '\\');
    else source += escape(char);
  }
  try {
    return new RegExp(`^${source}$`, 's');
  } catch (cause) {
    throw invalid(`syntax error in pattern ${JSON.stringify(pattern)}`, { cause });
  }
}

function closing(pattern: string, start: number): number {
  for (let at = start + 1; at < pattern.length; at++) {
    if (pattern[at] === '\\') at++;
    else if (pattern[at] === ']' && at > start + 1) return at;
  }
  throw invalid(`syntax error in pattern ${JSON.stringify(pattern)}`);
}

const escape = (char: string): string => char.replace(/[$()*+.?[\\\]^{|}/-]/, String.raw`\$&`);
