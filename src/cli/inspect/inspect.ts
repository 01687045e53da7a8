import type { EngineClient } from '#api/client/client.ts';
import type { Query } from '#api/query.ts';
import type { Cli } from '../command/cli.ts';
import { CliError } from '../command/command.ts';
import { errorText } from '../command/error-text.ts';
import { execute } from '../template/execute.ts';
import { functionNames } from '../template/functions.ts';
import { parseTemplate, type ParsedTemplate } from '../template/parse.ts';
import { indentJson, parseExact, parseNumbersAsText } from './json-indent.ts';
import { typedView } from './typed-view.ts';

/** Returns the raw JSON of one thing, or throws. */
export type Fetch = (name: string) => Promise<string>;

/** Shows each thing's JSON, or a template run on it. What cannot be found is said at the end, with exit code 1. */
export async function inspectAll(cli: Cli, names: readonly string[], format: string, fetch: Fetch): Promise<void> {
  const template = format === '' || format === 'json' ? undefined : parse(format);
  const failures: string[] = [];
  const texts: string[] = [];
  let shown = '';
  for (const name of names) {
    let text: string;
    try {
      text = await fetch(name);
    } catch (error) {
      failures.push(errorText(error));
      continue;
    }
    if (!template) {
      texts.push(text.trim());
      continue;
    }
    try {
      shown += `${runOn(template, text)}\n`;
    } catch (error) {
      failures.push(`template parsing error: ${error instanceof Error ? error.message : String(error)}`);
      break;
    }
  }
  if (format === 'json') cli.out.line(`[${texts.join(',')}]`);
  else if (!template) cli.out.line(indentJson(`[${texts.join(',')}]`));
  else cli.out.write(shown === '' ? '\n' : shown);
  if (failures.length > 0) throw new CliError(failures.join('\n'));
}

function parse(format: string): ParsedTemplate {
  try {
    return parseTemplate(format.replaceAll('\\t', '\t').replaceAll('\\n', '\n'), functionNames);
  } catch (error) {
    throw new CliError(`template parsing error: ${error instanceof Error ? error.message : String(error)}`, 64);
  }
}

/** The struct-like view first, the plain JSON when that fails. */
export function runOn(template: ParsedTemplate, text: string): string {
  const source = parseExact(text);
  try {
    const { data, options } = typedView(source);
    return execute(template, data, options);
  } catch {
    return execute(template, parseNumbersAsText(text), { strictKeys: true });
  }
}

export function fetchRaw(client: EngineClient, path: string, query: Query = {}): Promise<string> {
  return client.transport.send({ method: 'GET', path, query }).then((response) => response.text());
}

const segment = encodeURIComponent;

export const fetchers = {
  container: (client: EngineClient, size: boolean): Fetch => (name) => fetchRaw(client, `/containers/${segment(name)}/json`, size ? { size: true } : {}),
  image: (client: EngineClient, platform?: string): Fetch => (name) =>
    fetchRaw(client, `/images/${segment(name).replaceAll('%2F', '/').replaceAll('%3A', ':')}/json`, { platform }),
  network: (client: EngineClient, verbose: boolean): Fetch => (name) => fetchRaw(client, `/networks/${segment(name)}`, verbose ? { verbose: true } : {}),
  volume: (client: EngineClient): Fetch => (name) => fetchRaw(client, `/volumes/${segment(name)}`),
};
