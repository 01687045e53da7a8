import type { LineRange } from '../../frontend.ts';

export interface Heredoc {
  readonly name: string;
  readonly expand: boolean;
  /** `<<-`: leading tabs are cut. */
  readonly chomp: boolean;
  /** As written, each line with its newline. */
  readonly content: string;
}

/** One instruction as it stands in the file, cut into arguments but not understood yet. */
export interface Line {
  /** As written: `from`, `RUN`. */
  readonly keyword: string;
  readonly flags: readonly string[];
  /** `ENV` and `LABEL` have three for each pair: name, value, separator (`=` or nothing). */
  readonly args: readonly string[];
  /** The arguments were a JSON list. */
  readonly json: boolean;
  /** Continuations joined, comments within gone. */
  readonly original: string;
  readonly heredocs: readonly Heredoc[];
  /** What ONBUILD is about. */
  readonly inner: Line | undefined;
  readonly range: LineRange;
  /** Comment lines directly above. */
  readonly comments: readonly string[];
}

export interface ParsedFile {
  readonly lines: readonly Line[];
  readonly escape: '\\' | '`';
  readonly emptyContinuations: readonly LineRange[];
}
