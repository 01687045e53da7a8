import type { Cli } from './cli.ts';
import { CliError } from './command.ts';
import { errorText } from './error-text.ts';

/**
 * Does something to each name, at most fifty at once, and prints what it returns in the order of the names. Failures are
 * told at the end, with exit code 1.
 */
export async function forEachName(cli: Cli, names: readonly string[], task: (name: string) => Promise<string | undefined>): Promise<void> {
  const failures: string[] = [];
  for (let from = 0; from < names.length; from += 50) {
    const results = await Promise.allSettled(names.slice(from, from + 50).map(async (name) => task(name)));
    for (const result of results) {
      if (result.status === 'rejected') failures.push(errorText(result.reason));
      else if (result.value !== undefined) cli.out.line(result.value);
    }
  }
  if (failures.length > 0) throw new CliError(failures.join('\n'));
}
