import { expand } from '#spec/expand/lexer.ts';

const none = new Map<string, string>();

/** What `<<EOF` says, without its text; undefined when the word is none. */
export function heredocMark(word: string): { name: string; expand: boolean; chomp: boolean } | undefined {
  const match = /^\d*<<(-?)([^<]+)$/.exec(word);
  if (!match) return undefined;
  const rest = match[2] ?? '';
  const plain = expand(rest, none, { escape: '\\', keepUnset: true }).words;
  if (plain.length !== 1 || plain[0] === undefined) return undefined;
  // Where quotes or escapes make a difference, a part of the name was quoted: then the text is taken as it is.
  const raw = expand(rest, none, { escape: '\\', keepUnset: true, rawQuotes: true, rawEscapes: true }).words;
  return { name: plain[0], expand: plain[0] === raw[0], chomp: match[1] === '-' };
}

/** Every `<<EOF` in a line, in order. Text that does not split into words has none. */
export function heredocMarks(line: string): { name: string; expand: boolean; chomp: boolean }[] {
  let words: readonly string[];
  try {
    words = expand(line, none, { escape: '\\', keepUnset: true, rawQuotes: true, rawEscapes: true }).words;
  } catch {
    return [];
  }
  return words.map(heredocMark).filter((mark) => mark !== undefined);
}

/** `<<-`: leading tabs of every line go. */
export const chomped = (content: string): string => content.replace(/^\t+/gm, '');
