import { cpus, release } from 'node:os';

/** Collects medians and prints them as a table, each value with its ratio to Docker's. */
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

  lastLine(): string {
    return this.#rows.at(-1)!.join(' | ');
  }

  markdown(versions: readonly string[]): string {
    const head = ['', ...this.#labels];
    const table = [head, head.map(() => '---'), ...this.#rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
    return `# Performance

Made by \`npm run bench -- --write\` on ${new Date().toISOString().slice(0, 10)}: ${cpus().length} cores, Linux ${release().split('-')[0]}${versions.length > 0 ? `, beside ${versions.join(' and ')}` : ''}.
Whole processes as a user starts them, medians of interleaved rounds; in brackets the ratio to Docker's figure in the same run.
For times less is better, for rates more.

${table}

${this.#notes.map((note) => `- ${note}`).join('\n')}
`;
  }

  #add(row: string, values: ReadonlyMap<string, number>, print: (value: number) => string): void {
    const docker = values.get('Docker');
    this.#rows.push([
      row,
      ...this.#labels.map((label) => {
        const value = values.get(label);
        if (value === undefined) return '';
        return docker === undefined || label === 'Docker' ? print(value) : `${print(value)} (${(value / docker).toFixed(2)})`;
      }),
    ]);
  }
}
