import { messageOf } from '#base/errors.ts';
import { parsePlatform } from '#spec/platform.ts';
import { CliError, defineCommand, type Command } from '../command/command.ts';
import * as flag from '../command/flag.ts';
import { fetchers, inspectAll } from './inspect.ts';

const format = flag.text('How to show it: json or a Go template', { short: 'f' });

export const container: Command = defineCommand({
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  short: 'Show all that is known about containers',
  flags: { format, size: flag.bool('Show sizes', { short: 's' }) },
  args: { min: 1, max: undefined },
  complete: ['container'],
  run: async ({ cli, flags, args }) => inspectAll(cli, args, flags.format, fetchers.container(await cli.client(), flags.size)),
});

export const image: Command = defineCommand({
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  short: 'Show all that is known about images',
  flags: { format, platform: flag.text('Show this platform of the image, for example linux/arm64') },
  args: { min: 1, max: undefined },
  complete: ['image'],
  run: async ({ cli, flags, args }) => inspectAll(cli, args, flags.format, fetchers.image(await cli.client(), platformJson(flags.platform))),
});

export const network: Command = defineCommand({
  usage: '[OPTIONS] NETWORK [NETWORK...]',
  short: 'Show all that is known about networks',
  flags: { format, verbose: flag.bool('Show what helps to find faults', { short: 'v' }) },
  args: { min: 1, max: undefined },
  complete: ['network'],
  run: async ({ cli, flags, args }) => inspectAll(cli, args, flags.format, fetchers.network(await cli.client(), flags.verbose)),
});

export const volume: Command = defineCommand({
  usage: '[OPTIONS] VOLUME [VOLUME...]',
  short: 'Show all that is known about volumes',
  flags: { format },
  args: { min: 1, max: undefined },
  complete: ['volume'],
  run: async ({ cli, flags, args }) => inspectAll(cli, args, flags.format, fetchers.volume(await cli.client())),
});

/** The API takes a platform as JSON; undefined when none was asked for. `prefix` is what docker puts before a complaint. */
export function platformJson(text: string, prefix = ''): string | undefined {
  if (text === '') return undefined;
  try {
    const { os, architecture, variant } = parsePlatform(text);
    return JSON.stringify({ architecture, os, ...(variant === undefined ? {} : { variant }) });
  } catch (error) {
    throw new CliError(`${prefix}${messageOf(error)}`);
  }
}
