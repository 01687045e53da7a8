/** Collects the rows of one topic: medians, each with its ratio to Docker's; and sentences. */
export class Report {
  readonly #labels: readonly string[];
  readonly #rows: string[][] = [];
  readonly #notes: string[] = [];

  constructor(labels: readonly string[]) {
    this.#labels = labels;
  }

  times(row: string, values: ReadonlyMap<string, number>): void {
    this.#add(row, values, (value) => `${value.toFixed(value < 100 ? 1 : 0)} ms`);
  }

  rates(row: string, values: ReadonlyMap<string, number>): void {
    this.#add(row, values, (value) => `${Math.round(value)}/s`);
  }

  note(text: string): void {
    this.#notes.push(text);
    process.stderr.write(`${text}\n`);
  }

  /** Columns without any value are left out. */
  markdown(): string {
    const columns = this.#labels.map((_, index) => index + 1).filter((index) => this.#rows.some((cells) => cells[index] !== ''));
    const pick = (cells: readonly string[]): string => `| ${[cells[0], ...columns.map((index) => cells[index])].join(' | ')} |`;
    const head = ['', ...this.#labels];
    const table = this.#rows.length === 0 ? [] : [[pick(head), pick(head.map(() => '---')), ...this.#rows.map(pick)].join('\n')];
    const notes = this.#notes.length === 0 ? [] : [this.#notes.map((note) => `- ${note}`).join('\n')];
    return [...table, ...notes].join('\n\n');
  }

  #add(row: string, values: ReadonlyMap<string, number>, print: (value: number) => string): void {
    const docker = values.get('Docker');
    const cells = this.#labels.map((label) => {
      const value = values.get(label);
      if (value === undefined) return '';
      return docker === undefined || label === 'Docker' ? print(value) : `${print(value)} (${(value / docker).toFixed(2)})`;
    });
    this.#rows.push([row, ...cells]);
    process.stderr.write(`${[row, ...cells].join(' | ')}\n`);
  }
}
