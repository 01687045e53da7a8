import { CliError, defineCommand } from '../command/command.ts';
import { errorText } from '../command/error-text.ts';
import * as flag from '../command/flag.ts';
import { createContainer, requirePullPolicy } from './create-container.ts';
import { createFlags, requestFlags } from './options/create-flags.ts';
import { createRequest } from './options/create-request.ts';
import { proxyVariables } from './options/proxies.ts';

export const command = defineCommand({
  usage: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  short: 'Make a container without starting it',
  flags: {
    ...createFlags,
    ...requestFlags,
    pull: flag.text('When to pull the image: always, missing, never', { default: 'missing', complete: ['always', 'missing', 'never'] }),
  },
  args: { min: 1, max: undefined },
  stopAtFirstArg: true,
  complete: ['image', 'none'],
  strictErrors: true,
  async run({ cli, flags, given, args }) {
    requirePullPolicy(flags.pull);
    const body = createRequest(flags, given, args);
    body.Env = [...(body.Env ?? []), ...proxyVariables(cli.config, body.Env ?? [], (await cli.endpoint()).host)];
    const size = cli.out.size;
    if (flags.tty && size && body.HostConfig) body.HostConfig.ConsoleSize = [size.height, size.width];
    const id = await createContainer(cli, await cli.client(), {
      body,
      name: flags.name,
      platform: flags.platform || (process.env['DOCKER_DEFAULT_PLATFORM'] ?? ''),
      pull: flags.pull,
      quiet: flags.quiet,
      cidfile: flags.cidfile,
    }).catch((error: unknown) => {
      // Unlike `run`, a refusal ends with 1.
      throw new CliError(errorText(error));
    });
    cli.out.line(id);
  },
});
