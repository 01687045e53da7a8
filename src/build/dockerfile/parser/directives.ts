import { invalid } from '#base/errors.ts';

const pattern = /^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/;
const known: ReadonlySet<string> = new Set(['syntax', 'escape', 'check']);

/** Reads `# name=value` lines for as long as nothing else was seen. */
export class DirectiveReader {
  readonly values = new Map<string, string>();
  #done = false;

  /** True when the line was one. Throws invalid_argument for a second one of a name. */
  read(line: string): boolean {
    if (this.#done) return false;
    const match = pattern.exec(line);
    const name = match?.[1]?.toLowerCase() ?? '';
    if (!known.has(name)) {
      this.#done = true;
      return false;
    }
    if (this.values.has(name)) throw invalid(`only one ${name} parser directive can be used`);
    this.values.set(name, match?.[2] ?? '');
    return true;
  }

  get escape(): '\\' | '`' {
    const value = this.values.get('escape') ?? '\\';
    if (value !== '\\' && value !== '`') throw invalid(`invalid escape token '${value}' does not match \` or \\`);
    return value;
  }
}

/** The directives of a file that may be broken further down. A `#!` line before them is passed over. */
export function directivesOf(text: string): ReadonlyMap<string, string> {
  const reader = new DirectiveReader();
  const lines = text.replace(/^\uFEFF/, '').split('\n', 16);
  if (lines[0]?.startsWith('#!') === true) lines.shift();
  try {
    for (const line of lines) if (!reader.read(line.replace(/\r$/, ''))) break;
  } catch {
    // The parser says so, with the line.
  }
  return reader.values;
}
