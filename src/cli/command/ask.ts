import { spawnSync } from 'node:child_process';
import { readSync } from 'node:fs';
import type { Cli } from './cli.ts';

/** Asks for one line of our standard input, without its end. `hidden` keeps a terminal from showing it. */
export function askLine(cli: Cli, question: string, options: { hidden?: boolean } = {}): string {
  cli.out.write(question);
  if (options.hidden !== true) return readLine();
  stty('-echo');
  try {
    return readLine();
  } finally {
    stty('echo');
    cli.out.line('');
  }
}

const stty = (setting: string): void => void spawnSync('stty', [setting], { stdio: ['inherit', 'ignore', 'ignore'] });

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
  return Buffer.from(bytes).toString().replace(/\r$/, '');
}
