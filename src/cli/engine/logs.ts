import { existsSync, openSync, readSync, closeSync, readFileSync, statSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import { type Command, CliError, defineCommand } from '../command/command.ts';
import * as flag from '../command/flag.ts';
import { foldersOf } from './commands.ts';
import { findEngine } from './own-engine.ts';
import { lastLines } from './start-engine.ts';

export const command: Command = defineCommand({
  usage: '[OPTIONS]',
  short: "Show the engine's own log",
  flags: {
    follow: flag.bool('Go on with what comes', { short: 'f' }),
    tail: flag.text('Number of lines from the end, or all', { short: 'n', default: 'all' }),
    'data-root': flag.text('Data folder of the engine, when it is not the usual one', { complete: 'file' }),
  },
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const { logFile } = findEngine(foldersOf(flags));
    if (!existsSync(logFile)) throw new CliError(`there is no log yet: ${logFile}`);
    if (flags.tail !== 'all' && !/^\d+$/.test(flags.tail)) throw new CliError(`invalid number of lines: ${flags.tail}`);
    let offset = statSync(logFile).size;
    if (flags.tail === 'all') {
      for (const path of [`${logFile}.1`, logFile]) if (existsSync(path)) cli.out.write(readFileSync(path, 'utf8'));
    } else if (Number(flags.tail) > 0) cli.out.line(lastLines(logFile, Number(flags.tail)));
    if (!flags.follow) return;
    const { promise } = Promise.withResolvers<never>();
    const buffer = Buffer.alloc(64 * 1024);
    watch(dirname(logFile), () => {
      // After a rotation the name means a new, shorter file.
      const size = statSync(logFile, { throwIfNoEntry: false })?.size;
      if (size === undefined) return;
      if (size < offset) offset = 0;
      const fd = openSync(logFile, 'r');
      for (let length; (length = readSync(fd, buffer, 0, buffer.length, offset)) > 0; offset += length) cli.out.write(buffer.toString('utf8', 0, length));
      closeSync(fd);
    });
    await promise;
  },
});
