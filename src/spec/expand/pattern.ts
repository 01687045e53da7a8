import { invalid } from '#base/errors.ts';

/**
 * The patterns of `${name#pattern}` and its kin: `*` and `?` without classes, a backslash before `*`, `?`, `\`, `}` and `/`.
 * Matching from one place takes time in proportion to text times pattern, whatever the pattern; a search has a limit.
 */
type Token = { readonly literal: string } | 'one' | 'many';

/** Comparisons that a search may take. */
const MOST_STEPS = 20_000_000;

class Steps {
  #left = MOST_STEPS;

  take(count: number): void {
    this.#left -= count;
    if (this.#left < 0) throw invalid('the pattern substitution takes too long');
  }
}

function tokens(pattern: readonly string[]): Token[] {
  const out: Token[] = [];
  for (let index = 0; index < pattern.length; index++) {
    const char = pattern[index] ?? '';
    if (char === '*') out.push('many');
    else if (char === '?') out.push('one');
    else if (char === '\\') {
      const next = pattern[index + 1] ?? '';
      if (next === '}' || next === '/') continue;
      if (next !== '*' && next !== '?' && next !== '\\') {
        throw invalid(`invalid pattern (${pattern.join('')}) in substitution: invalid escape '\\${next}'`);
      }
      out.push({ literal: next });
      index++;
    } else out.push({ literal: char });
  }
  return out;
}

/** Where a match that begins at `start` may end: the first or the last such place, or -1. */
function matchEnd(text: readonly string[], start: number, pattern: readonly Token[], longest: boolean, steps: Steps): number {
  let ends: readonly number[] = [start];
  for (const token of pattern) {
    const next: number[] = [];
    if (token === 'many') {
      let reached = -1;
      for (const end of ends) {
        if (end <= reached) continue;
        next.push(end);
        for (reached = end; reached < text.length && text[reached] !== '\n'; reached++) next.push(reached + 1);
      }
    } else {
      for (const end of ends) {
        if (end >= text.length) continue;
        if (token === 'one' ? text[end] !== '\n' : text[end] === token.literal) next.push(end + 1);
      }
    }
    steps.take(ends.length + next.length);
    if (next.length === 0) return -1;
    ends = next;
  }
  return (longest ? ends.at(-1) : ends[0]) ?? -1;
}

export function trimPrefix(value: string, pattern: string, longest: boolean): string {
  const text = Array.from(value);
  const end = matchEnd(text, 0, tokens(Array.from(pattern)), longest, new Steps());
  return end < 0 ? value : text.slice(end).join('');
}

export function trimSuffix(value: string, pattern: string, longest: boolean): string {
  const text = Array.from(value).toReversed();
  const end = matchEnd(text, 0, tokens(Array.from(pattern)).toReversed(), longest, new Steps());
  return end < 0 ? value : text.slice(end).toReversed().join('');
}

export function replace(value: string, pattern: string, replacement: string, all: boolean): string {
  const steps = new Steps();
  const text = Array.from(value);
  const wanted = tokens(Array.from(pattern));
  let out = '';
  let at = 0;
  while (at <= text.length) {
    const end = matchEnd(text, at, wanted, true, steps);
    if (end < 0) out += text[at] ?? '';
    else {
      out += replacement;
      if (!all) return out + text.slice(end).join('');
      if (end === at) out += text[at] ?? '';
    }
    at = end > at ? end : at + 1;
    if (end >= text.length && end > 0) break;
  }
  return out;
}
