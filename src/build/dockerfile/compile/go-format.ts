/** Texts that Docker's history makes with Go's `fmt`. */

const escapes: Readonly<Record<string, string>> = { '\x07': '\\a', '\b': '\\b', '\f': '\\f', '\n': '\\n', '\r': '\\r', '\t': '\\t', '\v': '\\v', '"': '\\"', '\\': '\\\\' };

/** `%q` of a string. */
export function goQuote(text: string): string {
  const inner = text.replace(/["\\]|[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, (char) => {
    const known = escapes[char];
    if (known !== undefined) return known;
    const code = char.codePointAt(0) ?? 0;
    if (code < 0x80) return `\\x${code.toString(16).padStart(2, '0')}`;
    return code < 0x10000 ? `\\u${code.toString(16).padStart(4, '0')}` : `\\U${code.toString(16).padStart(8, '0')}`;
  });
  return `"${inner}"`;
}

/** `%q` of a list: `["a" "b"]`. */
export const goQuotedList = (items: readonly string[]): string => `[${items.map(goQuote).join(' ')}]`;
/** `%v` of a list: `[a b]`. */
export const goList = (items: readonly string[]): string => `[${items.join(' ')}]`;
