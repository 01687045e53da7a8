import { CliError, defineCommand } from '../command/command.ts';
import * as flag from '../command/flag.ts';
import { DEFAULT_DETACH_KEYS, parseDetachKeys } from './detach-keys.ts';
import { followWindowSize, forwardSignals, requireTerminal, streamSession } from './terminal-session.ts';

export const command = defineCommand({
  usage: '[OPTIONS] CONTAINER',
  short: 'Join our terminal to a running container',
  flags: {
    'detach-keys': flag.text('Keys that let go of the container'),
    'no-stdin': flag.bool('Do not pass our standard input on'),
    'sig-proxy': flag.bool('Pass signals on to the process', { default: true }),
  },
  args: { min: 1, max: 1 },
  complete: ['running'],
  async run({ cli, flags, args: [name = ''] }) {
    const client = await cli.client();
    const container = await client.containers.inspect(name);
    const state = container.State;
    if (state?.Running !== true) throw new CliError('You cannot attach to a stopped container, start it first');
    if (state.Paused === true) throw new CliError('You cannot attach to a paused container, unpause it first');
    if (state.Restarting === true) throw new CliError('You cannot attach to a restarting container, wait until it is running');
    const id = container.Id ?? name;
    const tty = container.Config?.Tty === true;
    const input = !flags['no-stdin'] && container.Config?.OpenStdin === true;
    requireTerminal({ input, tty });
    const keys = flags['detach-keys'] || cli.config.detachKeys || DEFAULT_DETACH_KEYS;
    const keyBytes = parseDetachKeys(keys);
    const [session, waiting] = await Promise.all([
      client.containers.attach(id, { stdin: input, stdout: true, stderr: true, detachKeys: keys, tty }),
      client.containers.wait(id),
    ]);
    const stopSignals = flags['sig-proxy'] && !tty ? forwardSignals((signal) => client.containers.kill(id, signal)) : undefined;
    // A different size first makes a full-screen program draw itself anew.
    const size = tty ? cli.out.size : undefined;
    if (size) await client.containers.resize(id, { height: size.height + 1, width: size.width + 1 }).catch(() => {});
    const stopSize = size ? followWindowSize(cli, (now) => client.containers.resize(id, now)) : undefined;
    try {
      const end = await streamSession({ cli, session, input, stdout: true, stderr: true, detachKeys: keyBytes });
      if (end === 'detached') throw new CliError('read escape sequence');
      const outcome = await waiting.done;
      if (outcome.Error?.Message) throw new CliError(outcome.Error.Message, outcome.StatusCode || 1);
      return outcome.StatusCode;
    } finally {
      stopSize?.();
      stopSignals?.();
    }
  },
});
