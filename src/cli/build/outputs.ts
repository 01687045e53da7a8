import { closeSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { unpackTree } from '../archive/unpack.ts';
import type { Cli } from '../command/cli.ts';
import { CliError } from '../command/command.ts';
import type { ParsedOutput } from './key-values.ts';

/** Puts a result where it was asked for; a file appears whole or not at all. */
export async function takeOutput(cli: Cli, { type, destination }: ParsedOutput, tar: AsyncIterable<Uint8Array>): Promise<void> {
  if (type === 'local') {
    mkdirSync(destination, { recursive: true });
    await unpackTree(tar, destination, (name) => name);
    return;
  }
  if (destination === '-') {
    if (cli.out.terminal) throw new CliError(`dest file is required for ${type} exporter. refusing to write to console`);
    for await (const chunk of tar) cli.out.write(chunk);
    return;
  }
  const temporary = `${destination}.${process.pid}`;
  const fd = openSync(temporary, 'w', 0o644);
  try {
    for await (const chunk of tar) for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at);
    renameSync(temporary, destination);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
}
