import { CliError, defineCommand, type Command } from '../command/command.ts';
import * as flag from '../command/flag.ts';

/** There is one builder, which is the engine. */
export const ls: Command = defineCommand({
  usage: '[OPTIONS]',
  short: 'List builders',
  flags: { format: flag.text('How to show it: json'), 'no-trunc': flag.bool('Shorten nothing') },
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const { Server } = { Server: await (await cli.client()).system.version() };
    const platform = `linux/${Server.Arch ?? 'amd64'}`;
    if (flags.format === 'json') {
      cli.out.line(JSON.stringify({ Current: true, Driver: 'docker', Name: 'default', Nodes: [{ Name: 'default', Status: 'running', Platforms: [platform] }] }));
      return;
    }
    cli.out.line('NAME/NODE     DRIVER/ENDPOINT   STATUS    PLATFORMS');
    cli.out.line('default*      docker');
    cli.out.line(` \\_ default    \\_ default        running   ${platform}`);
  },
});

export const inspect: Command = defineCommand({
  usage: '[NAME]',
  short: 'Show what is known of a builder',
  flags: { bootstrap: flag.bool('Start it first'), builder: flag.text('Name of the builder', { hidden: true }) },
  args: { min: 0, max: 1 },
  async run({ cli, args: [name = 'default'] }) {
    if (name !== 'default') throw new CliError(`no builder ${JSON.stringify(name)} found`);
    const { Arch = 'amd64' } = await (await cli.client()).system.version();
    cli.out.line(`Name:   default\nDriver: docker\n\nNodes:\nName:      default\nEndpoint:  default\nStatus:    running\nPlatforms: linux/${Arch}`);
  },
});

export const version: Command = defineCommand({
  usage: '',
  short: 'Show the version of the build commands',
  flags: {},
  args: { min: 0, max: 0 },
  async run({ cli }) {
    cli.out.line(`gantry build ${(await (await cli.client()).system.version()).Version ?? ''}`);
  },
});

export const use: Command = defineCommand({
  usage: '[OPTIONS] NAME',
  short: 'Choose the builder of the commands that follow',
  flags: { default: flag.bool('For all contexts', { hidden: true }), global: flag.bool('For all contexts', { hidden: true }) },
  args: { min: 1, max: 1 },
  async run({ args: [name = ''] }) {
    if (name !== 'default') throw new CliError(`no builder ${JSON.stringify(name)} found: there is one, "default"`);
  },
});
