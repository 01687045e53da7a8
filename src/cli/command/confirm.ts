import { readSync } from 'node:fs';
import type { Cli } from './cli.ts';
import { CliError } from './command.ts';

/** Asks and reads one line; only `y` means yes. Anything else ends the command, as done. */
export function confirmOrStop(cli: Cli, warning: string): void {
  cli.out.write(`${warning}\nAre you sure you want to continue? [y/N] `);
  if (readLine().trim().toLowerCase() !== 'y') throw new CliError('', 0);
}

function readLine(): string {
  const bytes: number[] = [];
  const one = Buffer.alloc(1);
  for (;;) {
    let count: number;
    try {
      count = readSync(0, one, 0, 1, null);
    } catch {
      break;
    }
    if (count === 0 || one[0] === 10) break;
    bytes.push(one[0] ?? 0);
  }
  return Buffer.from(bytes).toString();
}
