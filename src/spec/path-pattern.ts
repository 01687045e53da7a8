import { invalid } from '#base/errors.ts';

/**
 * Patterns of ignore files and of `--exclude`, `--parents`: `*` and `?` stay within a part of the path, `**` crosses parts,
 * classes and backslashes are Go's. A match takes time in proportion to pattern times path, whatever both are.
 */
type Token =
  | { readonly kind: 'literal'; readonly char: string }
  | { readonly kind: 'class'; readonly test: (char: string) => boolean }
  /** `?`, `*`, `**` that takes anything, `**` and the slash after it. */
  | { readonly kind: 'one' | 'star' | 'rest' | 'folders' };

/** Throws invalid_argument: `syntax error in pattern`. */
export function pathPattern(pattern: string): (path: string) => boolean {
  if (!/[*?[\\]/.test(pattern)) return (path) => path === pattern;
  const tokens = read(Array.from(pattern));
  return (path) => matches(tokens, path);
}

function read(chars: readonly string[]): Token[] {
  const tokens: Token[] = [];
  for (let index = 0; index < chars.length; index++) {
    const char = chars[index] ?? '';
    if (char === '*' && chars[index + 1] === '*') {
      index++;
      const slash = chars[index + 1] === '/';
      if (slash) index++;
      const last = index + 1 >= chars.length;
      // `**.go` is any path with that end, but only where nothing else in the pattern is special.
      const suffix = !slash && tokens.length === 0 && !/[*?[\\]/.test(chars.slice(index + 1).join(''));
      tokens.push({ kind: last || suffix ? 'rest' : 'folders' });
    } else if (char === '*') tokens.push({ kind: 'star' });
    else if (char === '?') tokens.push({ kind: 'one' });
    else if (char === '\\') {
      const next = chars[++index];
      if (next === undefined) throw invalid('syntax error in pattern');
      tokens.push({ kind: 'literal', char: next });
    } else if (char === '[') {
      const { test, end } = readClass(chars, index + 1);
      tokens.push({ kind: 'class', test });
      index = end;
    } else tokens.push({ kind: 'literal', char });
  }
  return tokens;
}

function readClass(chars: readonly string[], start: number): { test: (char: string) => boolean; end: number } {
  const ranges: [string, string][] = [];
  let at = start;
  const negated = chars[at] === '^';
  if (negated) at++;
  const member = (): string => {
    const char = chars[at] === '\\' ? chars[++at] : chars[at];
    if (char === undefined || (char === '-' && chars[at - 1] !== '\\') || (char === ']' && chars[at - 1] !== '\\')) throw invalid('syntax error in pattern');
    at++;
    return char;
  };
  while (chars[at] !== ']' || ranges.length === 0) {
    const low = member();
    let high = low;
    if (chars[at] === '-') {
      at++;
      high = member();
    }
    ranges.push([low, high]);
  }
  return { test: (char) => ranges.some(([low, high]) => char >= low && char <= high) !== negated, end: at };
}

/** All places in the pattern at once, one step for each character. */
function matches(tokens: readonly Token[], path: string): boolean {
  let places = new Uint8Array(tokens.length + 1);
  let next = new Uint8Array(tokens.length + 1);
  reach(tokens, places, 0);
  for (const char of path) {
    let alive = false;
    next.fill(0);
    for (const [index, token] of tokens.entries()) {
      if (places[index] === 0) continue;
      alive = true;
      switch (token.kind) {
        case 'literal':
          if (token.char === char) reach(tokens, next, index + 1);
          break;
        case 'class':
          if (token.test(char)) reach(tokens, next, index + 1);
          break;
        case 'one':
          if (char !== '/') reach(tokens, next, index + 1);
          break;
        case 'star':
          if (char !== '/') reach(tokens, next, index);
          break;
        case 'rest':
          reach(tokens, next, index);
          break;
        default:
          // Inside folders: a slash may end them, and what follows may begin only there.
          next[index] = 1;
          if (char === '/') reach(tokens, next, index + 1);
      }
    }
    if (!alive) return false;
    [places, next] = [next, places];
  }
  return places[tokens.length] === 1;
}

/** Marks a place, and those behind it that need no character. */
function reach(tokens: readonly Token[], places: Uint8Array, from: number): void {
  for (let index = from; ; index++) {
    places[index] = 1;
    const kind = tokens[index]?.kind;
    if (kind !== 'star' && kind !== 'rest' && kind !== 'folders') return;
  }
}
