/** One way a registry offers to be convinced of who asks. */
export interface Challenge {
  /** Lower case: `basic`, `bearer`. */
  scheme: string;
  parameters: Readonly<Record<string, string>>;
}

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;

/**
 * Reads a WWW-Authenticate header (RFC 9110): several challenges, quoted values, escapes. Parts that make no sense end the
 * list; what was read before them counts.
 */
export function parseChallenges(header: string): Challenge[] {
  const found: { scheme: string; parameters: Record<string, string> }[] = [];
  let at = 0;
  const token = (): string | undefined => {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(header);
    if (match !== null) at += match[0].length;
    return match?.[0];
  };
  const skip = (characters: string): void => {
    while (at < header.length && characters.includes(header.charAt(at))) at++;
  };
  for (;;) {
    skip(' \t,');
    const word = token();
    if (word === undefined) return found;
    skip(' \t');
    if (header.charAt(at) !== '=') {
      found.push({ scheme: word.toLowerCase(), parameters: {} });
      continue;
    }
    at++;
    skip(' \t');
    const value = header.charAt(at) === '"' ? quoted() : token();
    const current = found.at(-1);
    if (value === undefined || current === undefined) return found;
    current.parameters[word.toLowerCase()] ??= value;
  }

  function quoted(): string | undefined {
    let text = '';
    for (at++; at < header.length; at++) {
      const character = header.charAt(at);
      if (character === '"') {
        at++;
        return text;
      }
      text += character === '\\' && at + 1 < header.length ? header.charAt(++at) : character;
    }
    return undefined;
  }
}
