import type { LineRange } from '../../frontend.ts';
import type { VertexMeta } from '../../graph/vertex.ts';
import { expand } from '#spec/expand/lexer.ts';
import { nearest } from '../failure.ts';
import type { Command } from '../instructions/instruction.ts';
import type { Compilation } from './request.ts';
import type { StageState } from './stage-state.ts';

/** One instruction while it is compiled. */
export class Step<C extends Command = Command> {
  readonly compilation: Compilation;
  readonly state: StageState;
  readonly command: C;
  readonly sources: readonly (StageState | undefined)[];
  readonly onBuild: boolean;

  constructor(compilation: Compilation, state: StageState, planned: { command: C; sources: readonly (StageState | undefined)[]; onBuild: boolean }) {
    this.compilation = compilation;
    this.state = state;
    this.command = planned.command;
    this.sources = planned.sources;
    this.onBuild = planned.onBuild;
  }

  get range(): LineRange {
    return this.command.range;
  }

  /** Puts variables in and takes quotes off. */
  readonly word = (text: string): string => {
    const { text: result, unmatched } = expand(text, this.state.env, { escape: this.compilation.escape });
    this.compilation.budget.spend(result.length);
    this.reportUndefined(unmatched);
    return result;
  };

  /** The same for a text that splits into words afterwards. */
  words(text: string): readonly string[] {
    return expand(text, this.state.env, { escape: this.compilation.escape }).words;
  }

  /** Puts variables into a text whose quotes are its own: an inline file. */
  readonly raw = (text: string): string => {
    const { text: result, unmatched } = expand(text, this.state.env, { escape: '\\', noQuotes: true });
    this.compilation.budget.spend(result.length);
    this.reportUndefined(unmatched);
    return result;
  };

  reportUndefined(unmatched: ReadonlySet<string>): void {
    for (const name of unmatched) {
      if (this.state.buildArgs.some(({ key }) => key === name)) continue;
      this.compilation.lint.report('UndefinedVar', this.range, name, nearest(name, [...this.state.env.keys()]) ?? '');
    }
  }

  /** What progress shows of it: keyword in capitals, variables put in where they are known. */
  meta(text: string, options: { keepQuotes?: boolean; hidden?: readonly string[] } = {}): VertexMeta {
    const { request, escape, multiPlatform } = this.compilation;
    let shown = text;
    try {
      const { hidden = [] } = options;
      const env = hidden.length === 0 ? this.state.env : new Map([...this.state.env].filter(([name]) => !hidden.includes(name)));
      shown = expand(text, env, { escape, rawQuotes: options.keepQuotes === true, keepUnset: options.keepQuotes === true }).text;
    } catch {
      // It is shown as it is written; where it matters the error comes from the instruction itself.
    }
    const upper = shown.replace(/^\S+/, (keyword) => keyword.toUpperCase());
    return {
      name: this.state.stepName(upper, { onBuild: this.onBuild, multiPlatform }),
      ignoreCache: this.state.ignoreCache,
      ranges: [{ file: request.fileName, ...this.range }],
    };
  }

  commit(text: string, withLayer = false): void {
    this.compilation.budget.spend(text.length);
    this.state.commit(text, withLayer, this.compilation.epoch);
  }

  /** Nanoseconds of SOURCE_DATE_EPOCH, or -1: times as they are. */
  get timestamp(): number {
    const { epoch } = this.compilation;
    return epoch === undefined ? -1 : epoch * 1e9;
  }
}
