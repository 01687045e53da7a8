import { CliError, defineCommand } from '../command/command.ts';
import * as flag from '../command/flag.ts';
import { DEFAULT_DETACH_KEYS, parseDetachKeys } from './detach-keys.ts';
import { environmentItem, readPairsFile } from './options/environment.ts';
import { followWindowSize, requireTerminal, streamSession } from './terminal-session.ts';

export const command = defineCommand({
  usage: '[OPTIONS] CONTAINER COMMAND [ARG...]',
  short: 'Run a command in a running container',
  flags: {
    detach: flag.bool('Leave the command running in the background', { short: 'd' }),
    'detach-keys': flag.text('Keys that let go of the command'),
    env: flag.list('Set an environment variable (KEY=VALUE, or KEY to pass ours on)', { short: 'e', check: environmentItem }),
    'env-file': flag.list('Read environment variables from a file', { complete: 'file' }),
    interactive: flag.bool('Keep the standard input open', { short: 'i' }),
    privileged: flag.bool('Give the command all privileges of the host'),
    tty: flag.bool('Give the command a terminal', { short: 't' }),
    user: flag.text('User and group of the command (NAME|UID[:GROUP|GID])', { short: 'u' }),
    workdir: flag.text('Working directory of the command', { short: 'w' }),
  },
  args: { min: 2, max: undefined },
  stopAtFirstArg: true,
  complete: ['running', 'none'],
  async run({ cli, flags, args }) {
    const [container = '', ...words] = args;
    const keys = flags['detach-keys'] || cli.config.detachKeys || DEFAULT_DETACH_KEYS;
    const keyBytes = parseDetachKeys(keys);
    const environment = [...flags['env-file'].flatMap((path) => readPairsFile(path, 'env', (key) => process.env[key])), ...flags.env];
    const client = await cli.client();
    const size = flags.tty ? cli.out.size : undefined;
    const input = flags.interactive && !flags.detach;
    if (input && flags.tty) await client.containers.inspect(container);
    if (!flags.detach) requireTerminal({ input, tty: flags.tty });
    const { Id } = await client.execs.create(container, {
      AttachStdin: input,
      AttachStdout: !flags.detach,
      AttachStderr: !flags.detach,
      ...(size ? { ConsoleSize: [size.height, size.width] } : {}),
      DetachKeys: flags['detach-keys'] || cli.config.detachKeys || '',
      Tty: flags.tty,
      Env: environment,
      Cmd: words,
      Privileged: flags.privileged,
      User: flags.user,
      WorkingDir: flags.workdir,
    });
    if (flags.detach) {
      await client.execs.startDetached(Id, { tty: flags.tty });
      return 0;
    }
    const session = await client.execs.start(Id, { tty: flags.tty, ...(size ? { consoleSize: [size.height, size.width] } : {}) });
    const stopSize = flags.tty && cli.out.terminal ? followWindowSize(cli, (now) => client.execs.resize(Id, now)) : undefined;
    try {
      const end = await streamSession({ cli, session, input, stdout: true, stderr: true, detachKeys: keyBytes });
      if (end === 'detached') throw new CliError('read escape sequence');
    } finally {
      stopSize?.();
    }
    return (await client.execs.inspect(Id)).ExitCode ?? 0;
  },
});
