import { askLine } from './ask.ts';
import type { Cli } from './cli.ts';
import { CliError } from './command.ts';

/** Asks and reads one line; only `y` means yes. Anything else ends the command, as done. */
export function confirmOrStop(cli: Cli, warning: string): void {
  if (askLine(cli, `${warning}\nAre you sure you want to continue? [y/N] `).trim().toLowerCase() !== 'y') throw new CliError('', 0);
}
