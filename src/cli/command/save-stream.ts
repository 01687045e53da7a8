import { closeSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Cli } from './cli.ts';
import { CliError } from './command.ts';

/**
 * Writes a stream to `path`, or to the standard output when it is empty. A file appears whole or not at all; a device or
 * pipe is written to directly. `what` names the operation in errors.
 */
export async function saveStream(cli: Cli, path: string, what: string, open: () => Promise<AsyncIterable<Uint8Array>>): Promise<void> {
  if (path === '') {
    if (cli.out.terminal) throw new CliError('cowardly refusing to save to a terminal. Use the -o flag or redirect');
    for await (const chunk of await open()) cli.out.write(chunk);
    return;
  }
  const folder = dirname(path);
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw new CliError(`failed to ${what}: invalid output path: directory ${JSON.stringify(folder)} does not exist`);
  if (stats?.isDirectory()) throw new CliError(`failed to ${what}: invalid output path: ${JSON.stringify(path)} must not be a directory`);
  const direct = stats !== undefined && !stats.isFile();
  const stream = await open();
  const target = direct ? path : join(folder, `.tmp-${basename(path)}-${process.pid}`);
  const fd = openSync(target, 'w', 0o600);
  try {
    for await (const chunk of stream) for (let at = 0; at < chunk.length;) at += writeSync(fd, chunk, at);
    closeSync(fd);
    if (!direct) renameSync(target, path);
  } catch (error) {
    if (!direct) rmSync(target, { force: true });
    throw error;
  }
}
