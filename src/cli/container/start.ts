import type { EngineClient } from '#api/client/client.ts';
import type { Cli } from '../command/cli.ts';
import { CliError, defineCommand } from '../command/command.ts';
import { errorText } from '../command/error-text.ts';
import * as flag from '../command/flag.ts';
import { DEFAULT_DETACH_KEYS, parseDetachKeys } from './detach-keys.ts';
import { followWindowSize, forwardSignals, streamSession } from './terminal-session.ts';

export const command = defineCommand({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  short: 'Start stopped containers',
  flags: {
    attach: flag.bool('Show the output and pass signals on', { short: 'a' }),
    checkpoint: flag.text('Restore from this checkpoint'),
    'checkpoint-dir': flag.text('Folder of the checkpoint', { complete: 'file' }),
    'detach-keys': flag.text('Keys that let go of the container'),
    interactive: flag.bool('Pass our standard input on', { short: 'i' }),
  },
  args: { min: 1, max: undefined },
  complete: ['stopped'],
  async run({ cli, flags, args }) {
    const keys = flags['detach-keys'] || cli.config.detachKeys || DEFAULT_DETACH_KEYS;
    if (flags.checkpoint !== '') throw new CliError('checkpoints are not supported by this engine');
    if (flags.attach || flags.interactive) {
      if (args.length > 1) throw new CliError('you cannot start and attach multiple containers at once');
      return startAttached(cli, await cli.client(), args[0] ?? '', { input: flags.interactive, keys });
    }
    const client = await cli.client();
    const failed: string[] = [];
    for (const name of args) {
      try {
        await client.containers.start(name);
        cli.out.line(name);
      } catch (error) {
        cli.err.line(errorText(error));
        failed.push(name);
      }
    }
    if (failed.length > 0) throw new CliError(`Error: failed to start containers: ${failed.join(', ')}`);
    return 0;
  },
});

async function startAttached(cli: Cli, client: EngineClient, name: string, options: { input: boolean; keys: string }): Promise<number> {
  const container = await client.containers.inspect(name);
  const id = container.Id ?? name;
  const tty = container.Config?.Tty === true;
  const input = options.input && container.Config?.OpenStdin === true;
  const keyBytes = parseDetachKeys(options.keys);
  const [session, waiting] = await Promise.all([
    client.containers.attach(id, { stdin: input, stdout: true, stderr: true, detachKeys: options.keys, tty }),
    client.containers.wait(id, { condition: container.HostConfig?.AutoRemove === true ? 'removed' : 'next-exit' }),
  ]);
  const stopSignals = tty ? undefined : forwardSignals((signal) => client.containers.kill(id, signal));
  const streaming = streamSession({ cli, session, input, stdout: true, stderr: true, detachKeys: keyBytes });
  streaming.catch(() => {});
  try {
    await client.containers.start(id);
  } catch (error) {
    session.close();
    await streaming.catch(() => undefined);
    throw error;
  }
  const stopSize = tty && cli.out.terminal ? followWindowSize(cli, (size) => client.containers.resize(id, size)) : undefined;
  try {
    if ((await streaming) === 'detached') return 0;
    return (await waiting.done).StatusCode;
  } finally {
    stopSize?.();
    stopSignals?.();
  }
}
