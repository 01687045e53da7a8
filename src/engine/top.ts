import { EngineError, invalid } from '#base/errors.ts';
import { spawnCollect } from '#host/process.ts';
import type { ContainerTopResponse } from '#spec/wire/container.ts';

const DEADLINE = 10_000;

/** The host's `ps` with the client's arguments, cut down to these pids. Errors in Docker's words. */
export async function topOf(psArgs: string, pids: readonly number[]): Promise<ContainerTopResponse> {
  const args = (psArgs || '-ef').split(/\s+/).filter((word) => word !== '');
  checkArguments(args);
  // The first form asks ps for these pids alone; some columns (forest) or words forbid it.
  const direct = await spawnCollect('ps', [...args, '-q', pids.join(',')], { deadline: DEADLINE, limit: 4 << 20 });
  const result = direct.code === 0 ? direct : await spawnCollect('ps', args, { deadline: DEADLINE, limit: 4 << 20 });
  if (result.code !== 0) throw new EngineError('internal', `ps: exit status ${result.code}: ${result.stderr.trim() || result.stdout.toString().trim()}`);
  return parsePs(result.stdout.toString(), pids);
}

/** ps prints its own help on stdout for some words, and `-o` can hide the pid that rows are found by. */
function checkArguments(args: readonly string[]): void {
  if (args.some((word) => !/^[\w,:=+.%@/-]+$/.test(word))) throw invalid(`ps: unsupported arguments: ${args.join(' ')}`);
}

/** Rows of the wanted pids; the last column keeps its blanks. */
export function parsePs(output: string, pids: readonly number[]): ContainerTopResponse {
  const lines = output.split('\n');
  const titles = fields(lines[0] ?? '');
  const pidColumn = titles.indexOf('PID');
  if (pidColumn < 0) throw new EngineError('internal', "Couldn't find PID field in ps output");
  const wanted = new Set(pids);
  const processes = lines
    .slice(1)
    .filter((line) => line.trim() !== '')
    .map((line) => splitColumns(line, titles.length))
    .filter((row) => wanted.has(Number(row[pidColumn])));
  return { Titles: titles, Processes: processes };
}

const fields = (line: string): string[] => line.trim().split(/\s+/);

function splitColumns(line: string, count: number): string[] {
  const words = fields(line);
  return words.length <= count ? words : [...words.slice(0, count - 1), words.slice(count - 1).join(' ')];
}
