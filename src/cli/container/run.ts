import { EngineError } from '#base/errors.ts';
import type { EngineClient } from '#api/client/client.ts';
import type { ContainerCreateRequest } from '#spec/wire/container.ts';
import type { Cli } from '../command/cli.ts';
import { CliError, defineCommand } from '../command/command.ts';
import * as flag from '../command/flag.ts';
import { createContainer, requirePullPolicy } from './create-container.ts';
import { DEFAULT_DETACH_KEYS, parseDetachKeys } from './detach-keys.ts';
import { createFlags, requestFlags } from './options/create-flags.ts';
import { createRequest } from './options/create-request.ts';
import { proxyVariables } from './options/proxies.ts';
import { followWindowSize, forwardSignals, NotATerminal, requireTerminal, streamSession } from './terminal-session.ts';

export const command = defineCommand({
  usage: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  short: 'Make a container from an image and run it',
  flags: {
    ...createFlags,
    ...requestFlags,
    detach: flag.bool('Run in the background and print the id', { short: 'd' }),
    'detach-keys': flag.text('Keys that let go of the container'),
    pull: flag.text('When to pull the image: always, missing, never', { default: 'missing', complete: ['always', 'missing', 'never'] }),
    'sig-proxy': flag.bool('Pass signals on to the process', { default: true }),
  },
  args: { min: 1, max: undefined },
  stopAtFirstArg: true,
  complete: ['image', 'none'],
  strictErrors: true,
  async run({ cli, flags, given, args }) {
    requirePullPolicy(flags.pull);
    const body = createRequest(flags, given, args);
    body.Env = [...(body.Env ?? []), ...proxyVariables(cli.config, body.Env ?? [], (await cli.endpoint()).host)];
    if (flags.detach) {
      if (flags.attach.length > 0) throw new CliError('conflicting options: cannot specify both --attach and --detach');
      Object.assign(body, { AttachStdin: false, AttachStdout: false, AttachStderr: false, StdinOnce: false });
    } else {
      try {
        requireTerminal({ input: body.AttachStdin === true, tty: flags.tty });
      } catch (error) {
        throw error instanceof NotATerminal ? new CliError(error.message) : error;
      }
    }
    const size = cli.out.size;
    if (flags.tty && size && body.HostConfig) body.HostConfig.ConsoleSize = [size.height, size.width];
    const keys = flags['detach-keys'] || cli.config.detachKeys || DEFAULT_DETACH_KEYS;
    const keyBytes = parseDetachKeys(keys);
    const client = await cli.client();
    const id = await createContainer(cli, client, {
      body,
      name: flags.name,
      platform: flags.platform || (process.env['DOCKER_DEFAULT_PLATFORM'] ?? ''),
      pull: flags.pull,
      quiet: flags.quiet,
      cidfile: flags.cidfile,
    });
    const attached = body.AttachStdin === true || body.AttachStdout === true || body.AttachStderr === true;
    if (flags.detach || !attached) return runDetached(cli, client, id, keys);
    return runAttached({ cli, client, id, body, keys, keyBytes, proxySignals: flags['sig-proxy'] });
  },
});

async function runDetached(cli: Cli, client: EngineClient, id: string, keys: string): Promise<number> {
  try {
    await client.containers.start(id, { detachKeys: keys });
  } catch (error) {
    cli.out.line(id);
    throw startFailure(error);
  }
  cli.out.line(id);
  return 0;
}

interface Attached {
  cli: Cli;
  client: EngineClient;
  id: string;
  body: ContainerCreateRequest;
  keys: string;
  keyBytes: Uint8Array;
  proxySignals: boolean;
}

async function runAttached({ cli, client, id, body, keys, keyBytes, proxySignals }: Attached): Promise<number> {
  const tty = body.Tty === true;
  const remove = body.HostConfig?.AutoRemove === true;
  // The engine must hold both before the process starts: no byte and no exit may be missed.
  const [session, waiting] = await Promise.all([
    client.containers.attach(id, {
      stdin: body.AttachStdin === true,
      stdout: body.AttachStdout === true,
      stderr: body.AttachStderr === true,
      detachKeys: keys,
      tty,
    }),
    client.containers.wait(id, { condition: remove ? 'removed' : 'next-exit' }),
  ]);
  const stopSignals = proxySignals ? forwardSignals((signal) => client.containers.kill(id, signal)) : undefined;
  const streaming = streamSession({
    cli,
    session,
    input: body.AttachStdin === true,
    stdout: body.AttachStdout === true,
    stderr: body.AttachStderr === true,
    detachKeys: keyBytes,
  });
  streaming.catch(() => {});
  try {
    await client.containers.start(id, { detachKeys: keys });
  } catch (error) {
    session.close();
    await streaming.catch(() => undefined);
    if (remove) await waiting.done.catch(() => undefined);
    throw startFailure(error);
  }
  const stopSize = tty && cli.out.terminal ? followWindowSize(cli, (size) => client.containers.resize(id, size)) : undefined;
  try {
    if ((await streaming) === 'detached') return 0;
    const outcome = await waiting.done;
    if (outcome.Error?.Message) {
      cli.err.line(`Error waiting for container: ${outcome.Error.Message}`);
      return 125;
    }
    return outcome.StatusCode;
  } finally {
    stopSize?.();
    stopSignals?.();
  }
}

/** Docker's exit codes of a container that did not start: 127 not found, 126 not executable, else 125. */
export function startFailure(error: unknown): unknown {
  if (!(error instanceof EngineError)) return error;
  const { message } = error;
  const notFound = ['executable file not found', 'no such file or directory', 'system cannot find the file specified'].some((part) => message.includes(part));
  const denied = ['permission denied', 'is a directory'].some((part) => message.includes(part));
  return new CliError(`Error response from daemon: ${message}`, notFound ? 127 : denied ? 126 : 125);
}
