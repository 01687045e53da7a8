import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What is asked of a frontend besides the text; as `docker build` says it. */
export interface CaseOptions {
  target?: string;
  args?: Record<string, string>;
  labels?: Record<string, string>;
  platforms?: string[];
  contexts?: Record<string, string>;
  ignore?: string;
  noCache?: boolean;
  network?: 'host' | 'none';
  shmSize?: number;
}

/**
 * A Dockerfile and what becomes of it. Sections that a case does not have are not compared; `differs` says in which way and why
 * Docker 26 does another thing: `legacy` (its classic builder), `buildx` or both.
 */
export interface BuildCase {
  readonly file: string;
  readonly name: string;
  readonly options: CaseOptions;
  /** Content of the context. */
  readonly files: Readonly<Record<string, string>>;
  readonly dockerfile: string;
  readonly sections: ReadonlyMap<string, string>;
}

export const caseFolder: string = join(import.meta.dirname, '../../../../test/build/cases');

/** Lines that begin with `%% ` divide: `%% case NAME`, `%% options {...}`, `%% files {...}`, `%% dockerfile`, `%% error` and so on. */
export function readCases(folder: string = caseFolder): BuildCase[] {
  return readdirSync(folder).filter((name) => name.endsWith('.cases')).toSorted().flatMap((file) => parseCases(file, readFileSync(join(folder, file), 'utf8')));
}

function parseCases(file: string, text: string): BuildCase[] {
  return text.split(/^%% case /m).slice(1).map((block) => {
    const [head = '', ...parts] = block.split(/^%% /m);
    const sections = new Map(parts.map((part): [string, string] => {
      const match = /^(\S+) ?([^\n]*)\n?/.exec(part);
      const inline = match?.[2] ?? '';
      return [match?.[1] ?? '', inline === '' ? part.slice(match?.[0].length).replace(/\n\n+$/, '\n') : inline];
    }));
    return {
      file,
      name: head.trim(),
      options: JSON.parse(sections.get('options') ?? '{}') as CaseOptions,
      files: JSON.parse(sections.get('files') ?? '{}') as Record<string, string>,
      // What is hard to see is written as an escape: \r, \t, \uFEFF and long runs.
      dockerfile: unescapeText(sections.get('dockerfile') ?? ''),
      sections,
    };
  });
}

const unescapeText = (text: string): string =>
  text.replace(/<<<(BOM|CR|TAB|SPACE|[xX]\*\d+)>>>/g, (_, what: string) => {
    const known: Record<string, string> = { BOM: '\uFEFF', CR: '\r', TAB: '\t', SPACE: ' ' };
    return known[what] ?? what[0]?.repeat(Number(what.slice(2))) ?? '';
  });

/** The file again, with sections replaced: how expectations are written anew. */
export function renderCase(buildCase: BuildCase, results: ReadonlyMap<string, string>): string {
  const kept = [...buildCase.sections].filter(([name]) => !['graph', 'config', 'history', 'warnings', 'error'].includes(name));
  const all = [...kept, ...results];
  return `%% case ${buildCase.name}\n${all.map(([name, value]) => (value.includes('\n') ? `%% ${name}\n${value}` : `%% ${name} ${value}\n`)).join('')}`;
}
