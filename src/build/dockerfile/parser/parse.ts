import { invalid } from '#base/errors.ts';
import type { LineRange } from '../../frontend.ts';
import { located, refusal } from '../failure.ts';
import { splitArguments, splitKeyword } from './arguments.ts';
import { DirectiveReader } from './directives.ts';
import { heredocMarks } from './heredoc.ts';
import type { Heredoc, Line, ParsedFile } from './line.ts';

/** The file as a whole, one line of it, and how many instructions it may have. */
export const limits = { file: 4 << 20, line: 65_535, instructions: 20_000 } as const;

const carriesHeredoc: ReadonlySet<string> = new Set(['add', 'copy', 'run']);
const isComment = (line: string): boolean => /^\s*#/.test(line);

/** Cuts a Dockerfile into instructions. Errors carry their lines. */
export function parseDockerfile(text: string): ParsedFile {
  if (Buffer.byteLength(text) > limits.file) throw invalid(`the Dockerfile is larger than ${limits.file} bytes`);
  return new Parser(text).parse();
}

class Parser {
  readonly #rows: readonly string[];
  readonly #directives = new DirectiveReader();
  readonly #emptyContinuations: LineRange[] = [];
  #at = 0;

  constructor(text: string) {
    const rows = text.replace(/^\uFEFF/, '').split('\n');
    if (rows.at(-1) === '') rows.pop();
    this.#rows = rows;
  }

  parse(): ParsedFile {
    const lines: Line[] = [];
    let comments: string[] = [];
    while (this.#at < this.#rows.length) {
      const row = this.#take();
      const start = this.#at;
      if (isComment(row)) {
        if (this.#directive(row)) comments = [];
        else {
          const comment = row.trimStart().slice(1).trim();
          if (comment === '') comments = [];
          else comments.push(comment);
        }
        continue;
      }
      this.#directive(row);
      const joined = this.#logicalLine(row.trimStart());
      if (joined === undefined) {
        comments = [];
        continue;
      }
      lines.push(this.#instruction(joined, start, comments));
      if (lines.length > limits.instructions) throw refusal(`the Dockerfile has more than ${limits.instructions} instructions`, [{ start, end: start }]);
      comments = [];
    }
    if (lines.length === 0) throw refusal('file with no instructions', [{ start: this.#at, end: this.#at }]);
    return { lines, escape: this.#directives.escape, emptyContinuations: this.#emptyContinuations };
  }

  #take(): string {
    const row = (this.#rows[this.#at++] ?? '').replace(/\r+$/, '');
    if (row.length > limits.line) throw refusal(`dockerfile line greater than max allowed size of ${limits.line}`, [{ start: this.#at, end: this.#at }]);
    return row;
  }

  #directive(row: string): boolean {
    try {
      const found = this.#directives.read(row.trimStart());
      if (found) void this.#directives.escape;
      return found;
    } catch (error) {
      throw located(error, [{ start: this.#at, end: this.#at }]);
    }
  }

  /** Joins continuation lines; undefined for an empty line. Comments and empty lines within are dropped. */
  #logicalLine(first: string): string | undefined {
    let [line, open] = this.#continued(first);
    if (!open) return line === '' ? undefined : line;
    const parts = [line];
    let empty = false;
    while (open && this.#at < this.#rows.length) {
      const row = this.#take();
      if (isComment(row)) continue;
      if (row.trim() === '') {
        empty = true;
        continue;
      }
      [line, open] = this.#continued(row);
      parts.push(line);
    }
    if (empty) this.#emptyContinuations.push({ start: this.#at, end: this.#at });
    return parts.join('');
  }

  #continued(row: string): [string, boolean] {
    const escape = this.#directives.escape;
    const trimmed = row.replace(/[ \t]+$/, '');
    const open = trimmed.endsWith(escape) && !trimmed.endsWith(escape + escape);
    return open ? [trimmed.slice(0, -1), true] : [row, false];
  }

  #instruction(text: string, start: number, comments: readonly string[]): Line {
    let range = { start, end: this.#at };
    try {
      const line = readLine(text, this.#directives.escape, range, comments);
      const subject = line.inner ?? line;
      if (!carriesHeredoc.has(subject.keyword.toLowerCase()) || subject.json || !text.includes('<<')) return line;
      const heredocs = heredocMarks(text).map((mark): Heredoc => ({ ...mark, content: this.#heredocText(mark.name, mark.chomp) }));
      range = { start, end: this.#at };
      return { ...line, heredocs, range };
    } catch (error) {
      throw located(error, [{ start, end: this.#at }]);
    }
  }

  #heredocText(name: string, chomp: boolean): string {
    let content = '';
    while (this.#at < this.#rows.length) {
      const row = this.#rows[this.#at++] ?? '';
      const bare = row.replace(/\r+$/, '');
      if ((chomp ? bare.replace(/^\t+/, '') : bare) === name) return content;
      content += `${row}\n`;
    }
    throw invalid('unterminated heredoc');
  }
}

/** One instruction from a text without continuations; ONBUILD's own is read too. */
function readLine(text: string, escape: string, range: LineRange, comments: readonly string[]): Line {
  const { keyword, flags, rest } = splitKeyword(text);
  const inner = keyword.toLowerCase() === 'onbuild' && rest !== '' ? readLine(rest, escape, range, []) : undefined;
  const { args, json } = splitArguments(keyword, rest, escape);
  return { keyword, flags, args, json, original: text, heredocs: [], inner, range, comments };
}
