import { execute } from '../template/execute.ts';
import { functionNames, headerFunctions } from '../template/functions.ts';
import { parseTemplate, type ParsedTemplate } from '../template/parse.ts';
import { Row } from '../template/value.ts';
import { alignTabs } from './tabwriter.ts';

export interface ListFormat {
  /** What `--format` says: empty, `table`, `json`, `raw`, `table TEMPLATE` or a template. */
  format: string;
  /** Template of the plain table, without the word `table`. */
  table: string;
  raw?: string;
  /** Template of `--quiet`, used with the plain table only unless `quietAlways`. */
  quiet?: string | undefined;
  quietAlways?: boolean;
  headers: Readonly<Record<string, string>>;
}

/** The text of a list in Docker's formats, with a final newline when there is anything. */
export function formatList(list: ListFormat, rows: readonly Row[]): string {
  const { template, table } = compileList(list);
  let body = '';
  for (const row of rows) body += `${runTemplate(template, row)}\n`;
  if (!table) return body;
  const header = execute(template, headerRow(list.headers), { functions: headerFunctions });
  return alignTabs(`${header}\n${body}`);
}

export function compileList(list: ListFormat): { template: ParsedTemplate; table: boolean } {
  const chosen = choose(list);
  const table = chosen.startsWith('table');
  const source = (table ? chosen.slice('table'.length) : chosen).replace(/^ +| +$/g, '').replaceAll('\\t', '\t').replaceAll('\\n', '\n');
  return { template: compileTemplate(source), table };
}

/** `{{.Label "com.acme.some-name"}}` is headed `some name`. */
function headerRow(headers: Readonly<Record<string, string>>): Row {
  const fields = Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, () => text]));
  return new Row('formatter.SubHeaderContext', fields, { Label: (name) => (String(name).split('.').at(-1) ?? '').replace(/[-_]/g, ' ') }, { lenient: true });
}

function choose(list: ListFormat): string {
  const { format } = list;
  if (format === '' || format === 'table') return list.quiet ?? `table ${list.table}`;
  if (format === 'json') return '{{json .}}';
  if (format === 'raw' && list.raw !== undefined) return list.raw;
  return list.quiet !== undefined && list.quietAlways === true ? list.quiet : format;
}

/** Parses a `--format` template with Docker's words for its faults. */
export function compileTemplate(source: string): ParsedTemplate {
  try {
    return parseTemplate(source, functionNames);
  } catch (error) {
    throw new Error(`failed to parse template: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

export function runTemplate(template: ParsedTemplate, data: unknown): string {
  try {
    return execute(template, data);
  } catch (error) {
    throw new Error(`failed to execute template: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
